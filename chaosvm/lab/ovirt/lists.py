"""The lists of the API beside that of VMs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chaosvm.lab.ovirt import described
from chaosvm.lab.ovirt.collation import collation_key
from chaosvm.lab.ovirt.templates import BLANK
from chaosvm.lab.world import World

__all__ = ["Collection", "collections"]

# What scripts list, and nothing is modelled of, by its path and its element.
_EMPTY = {"disks": "disks", "jobs": "jobs", "storagedomains": "storage_domains"}


@dataclass(frozen=True, slots=True)
class Collection:
    """A list and its members; ``entity`` is what the search calls them, if they can be searched."""

    name: str
    items: Callable[[], Sequence[Any]]
    described: Callable[[World, Any], Any]
    entity: str = ""
    element: str = ""

    @property
    def root(self) -> str:
        return self.element or self.name


def collections(world: World) -> Sequence[Collection]:
    return (
        Collection("hosts", lambda: _by_name(world.hosts), described.host_type, "HOST"),
        Collection("clusters", lambda: _by_name(world.clusters), described.cluster_type, "CLUSTER"),
        Collection(
            "datacenters",
            lambda: _by_name(world.datacenters),
            described.datacenter_type,
            "DATACENTER",
            "data_centers",
        ),
        Collection("tags", lambda: world.tags, described.tag_type),
        Collection("events", lambda: world.events[::-1], described.event_type, "EVENT"),
        Collection(
            "templates",
            lambda: [BLANK],
            lambda world, template: described.blank_template_type(),
            "TEMPLATE",
        ),
        *(
            Collection(path, lambda: (), lambda world, item: item, "", element)
            for path, element in _EMPTY.items()
        ),
    )


def _by_name(things: Sequence[Any]) -> Sequence[Any]:
    return sorted(things, key=lambda thing: collation_key(thing.name))
