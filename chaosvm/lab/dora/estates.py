"""Which part of the world is meant by a vCenter, a path and a host filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaosvm.errors import InvalidValue
from chaosvm.lab.dora.readings import Reading
from chaosvm.lab.world import Host, Machine, World

__all__ = ["Coordinates", "Estates"]

# {vcenter: {path: [names of data centers]}}
Known = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Coordinates:
    """What a request says of where to look."""

    vcenter: str
    path: str
    host_filter: str = ""


class Estates:
    """Without any known, everything is everywhere: a rehearsal works with any coordinates."""

    def __init__(self, world: World, known: Known | None) -> None:
        self._world = world
        self._known = None if known is None else _checked(known)

    def hosts(self, reading: Reading, where: Coordinates) -> Sequence[Host]:
        if self._known is None:
            return reading.hosts
        clusters = self._clusters(where)
        return [
            host
            for host in reading.hosts
            if host.cluster_id in clusters and where.host_filter in host.name
        ]

    def vms(self, reading: Reading, where: Coordinates) -> Sequence[Machine]:
        if self._known is None:
            return reading.vms
        clusters = self._clusters(where)
        there = [vm for vm in reading.vms if vm.cluster_id in clusters]
        if not where.host_filter:
            return there
        hosts = {host.id for host in self.hosts(reading, where)}
        return [vm for vm in there if reading.hosts_of[vm.id] in hosts]

    def _clusters(self, where: Coordinates) -> frozenset[str]:
        named = (self._known or {}).get(where.vcenter, {}).get(where.path, ())
        centers = {center.id for center in self._world.datacenters if center.name in named}
        return frozenset(c.id for c in self._world.clusters if c.datacenter_id in centers)


def _checked(known: Known) -> Known:
    """One name instead of a list of them would fit every part of it."""
    for vcenter, paths in known.items():
        for path, datacenters in paths.items():
            if isinstance(datacenters, str):
                raise InvalidValue(
                    f"dora_estates: {vcenter!r}, {path!r} needs a list of data centers, "
                    f"not {datacenters!r}"
                )
    return known
