"""The lists of the API beside that of VMs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chaosvm.lab.ovirt import described
from chaosvm.lab.ovirt.collation import collation_key
from chaosvm.lab.ovirt.jobs import Jobs
from chaosvm.lab.ovirt.markup import Node
from chaosvm.lab.ovirt.templates import BLANK
from chaosvm.lab.ovirt.words import is_told
from chaosvm.lab.simulation import Tag, World

__all__ = ["Collection", "collections", "engine_tags"]

# What scripts list, and nothing is modelled of, by its path and its element.
_EMPTY = {
    "affinitylabels": "affinity_labels",
    "disks": "disks",
    "networks": "networks",
    "storagedomains": "storage_domains",
    "vmpools": "vm_pools",
}


@dataclass(frozen=True, slots=True)
class Collection:
    """A list and its members; ``entity`` is what the search calls them, if they can be searched."""

    name: str
    items: Callable[[], Sequence[Any]]
    described: Callable[[World, Any], Node]
    entity: str = ""
    element: str = ""

    @property
    def root(self) -> str:
        return self.element or self.name


def collections(world: World, jobs: Jobs) -> Sequence[Collection]:
    return (
        Collection("hosts", lambda: _by_name(world.hosts), described.host, "HOST"),
        Collection("clusters", lambda: _by_name(world.clusters), described.cluster, "CLUSTER"),
        Collection(
            "datacenters",
            lambda: _by_name(world.datacenters),
            described.datacenter,
            "DATACENTER",
            "data_centers",
        ),
        Collection("tags", lambda: engine_tags(world), described.tag),
        Collection(
            "events",
            lambda: [event for event in world.events[::-1] if is_told(event)],
            described.event,
            "EVENT",
        ),
        Collection("jobs", jobs.all, jobs.described),
        Collection("templates", lambda: [BLANK], described.template, "TEMPLATE"),
        *(
            Collection(path, lambda: (), lambda world, item: item, "", element)
            for path, element in _EMPTY.items()
        ),
    )


def engine_tags(world: World) -> Sequence[Tag]:
    """All that there are, what they are parts of as well, and the root of them at the end."""
    tags = list(world.tags)
    known = {tag.name for tag in tags}
    above = dict.fromkeys(tag.parent for tag in tags if tag.parent and tag.parent not in known)
    return [*tags, *(Tag(name) for name in above if name), Tag("root")]


def _by_name(things: Sequence[Any]) -> Sequence[Any]:
    return sorted(things, key=lambda thing: collation_key(thing.name))
