"""The data centers, hosts and VMs that a vCenter, a path and a host filter select."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaosvm.errors import InvalidValue
from chaosvm.lab.dora.inventory_snapshots import InventorySnapshot
from chaosvm.lab.simulation import Host, Machine, World

__all__ = ["Coordinates", "DatacenterMapping"]

# {vcenter: {path: [names of data centers]}}
NamesByPath = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Coordinates:
    """The part of a request that selects VMs."""

    vcenter: str
    path: str
    host_filter: str = ""


class DatacenterMapping:
    """Data centers by vCenter and path. Without a mapping, all coordinates select everything."""

    def __init__(self, world: World, mapping: NamesByPath | None) -> None:
        self._world = world
        self._datacenters = None if mapping is None else _check(mapping)

    def hosts(self, snapshot: InventorySnapshot, coordinates: Coordinates) -> Sequence[Host]:
        if self._datacenters is None:
            return snapshot.hosts
        clusters = self._clusters(coordinates)
        return [
            host
            for host in snapshot.hosts
            if host.cluster_id in clusters and coordinates.host_filter in host.name
        ]

    def vms(self, snapshot: InventorySnapshot, coordinates: Coordinates) -> Sequence[Machine]:
        if self._datacenters is None:
            return snapshot.vms
        clusters = self._clusters(coordinates)
        vms = [vm for vm in snapshot.vms if vm.cluster_id in clusters]
        if not coordinates.host_filter:
            return vms
        hosts = {host.id for host in self.hosts(snapshot, coordinates)}
        return [vm for vm in vms if snapshot.hosts_of[vm.id] in hosts]

    def _clusters(self, coordinates: Coordinates) -> frozenset[str]:
        names = (self._datacenters or {}).get(coordinates.vcenter, {}).get(coordinates.path, ())
        datacenters = {each.id for each in self._world.datacenters if each.name in names}
        return frozenset(c.id for c in self._world.clusters if c.datacenter_id in datacenters)


def _check(mapping: NamesByPath) -> NamesByPath:
    """Refuse a string in place of a list: ``in`` would match every part of it."""
    for vcenter, paths in mapping.items():
        for path, names in paths.items():
            if isinstance(names, str):
                raise InvalidValue(
                    f"dora_estates: {vcenter!r}, {path!r} needs a list of data centers, "
                    f"not {names!r}"
                )
    return mapping
