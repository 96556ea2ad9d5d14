"""The collections of the API other than VMs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chaosvm.lab.ovirt import representations
from chaosvm.lab.ovirt.collation import collation_key
from chaosvm.lab.ovirt.jobs import Jobs
from chaosvm.lab.ovirt.markup import Node
from chaosvm.lab.ovirt.statuses_and_events import is_reported
from chaosvm.lab.ovirt.templates import BLANK
from chaosvm.lab.simulation import Tag, World

__all__ = ["Collection", "collections", "engine_tags"]

# Empty collections that scripts list: path and element.
_EMPTY = {
    "affinitylabels": "affinity_labels",
    "disks": "disks",
    "networks": "networks",
    "storagedomains": "storage_domains",
    "vmpools": "vm_pools",
}


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection; ``entity`` is its name in searches, if it is searchable."""

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
        Collection("hosts", lambda: _by_name(world.hosts), representations.host, "HOST"),
        Collection(
            "clusters", lambda: _by_name(world.clusters), representations.cluster, "CLUSTER"
        ),
        Collection(
            "datacenters",
            lambda: _by_name(world.datacenters),
            representations.datacenter,
            "DATACENTER",
            "data_centers",
        ),
        Collection("tags", lambda: engine_tags(world), representations.tag),
        Collection(
            "events",
            lambda: [event for event in world.events[::-1] if is_reported(event)],
            representations.event,
            "EVENT",
        ),
        Collection("jobs", jobs.all, jobs.described),
        Collection("templates", lambda: [BLANK], representations.template, "TEMPLATE"),
        *(
            Collection(path, lambda: (), lambda world, item: item, "", element)
            for path, element in _EMPTY.items()
        ),
    )


def engine_tags(world: World) -> Sequence[Tag]:
    """All tags with their parents, and the root tag at the end."""
    tags = list(world.tags)
    names = {tag.name for tag in tags}
    parents = dict.fromkeys(tag.parent for tag in tags if tag.parent and tag.parent not in names)
    return [*tags, *(Tag(name) for name in parents if name), Tag("root")]


def _by_name(items: Sequence[Any]) -> Sequence[Any]:
    return sorted(items, key=lambda item: collation_key(item.name))
