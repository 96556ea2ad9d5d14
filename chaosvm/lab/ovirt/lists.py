"""The lists of the API beside that of VMs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosvm.lab.ovirt import columns, described
from chaosvm.lab.ovirt.search import Column
from chaosvm.lab.world import World

__all__ = ["Collection", "collections"]

# What scripts list, and nothing is modelled of, by its path and its element.
_EMPTY = {"disks": "disks", "jobs": "jobs", "storagedomains": "storage_domains"}


@dataclass(frozen=True, slots=True)
class Collection:
    """A list that can be searched, and its members."""

    name: str
    items: Callable[[], Sequence[Any]]
    columns: Mapping[str, Column]
    described: Callable[[World, Any], Any]
    element: str = ""

    @property
    def root(self) -> str:
        return self.element or self.name


def collections(world: World) -> Sequence[Collection]:
    return (
        Collection("hosts", lambda: world.hosts, columns.host_columns(world), described.host_type),
        Collection(
            "clusters",
            lambda: world.clusters,
            columns.cluster_columns(world),
            described.cluster_type,
        ),
        Collection(
            "datacenters",
            lambda: world.datacenters,
            columns.datacenter_columns(world),
            described.datacenter_type,
            "data_centers",
        ),
        Collection("tags", lambda: world.tags, columns.tag_columns(), described.tag_type),
        Collection(
            "events",
            lambda: world.events[::-1],
            columns.event_columns(world),
            described.event_type,
        ),
        Collection(
            "templates",
            lambda: [described.blank_template_type()],
            columns.tag_columns(),
            lambda world, template: template,
        ),
        *(
            Collection(path, lambda: (), {}, lambda world, item: item, element)
            for path, element in _EMPTY.items()
        ),
    )
