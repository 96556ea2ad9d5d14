"""The data centers, clusters and hosts of a world that is being made, by their names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.lab.world import Cluster, Datacenter, Host, World
from chaosvm.values import nearest

__all__ = ["Places"]


class Places:
    def __init__(self, world: World) -> None:
        self._world = world

    # Finding, for a VM that names them ---------------------------------------------------

    def find(
        self, place: str, datacenter: str | None, cluster: str | None, host: str | None
    ) -> tuple[Cluster | None, Host | None]:
        """The one cluster and host that are meant. Raises InvalidValue that begins with place."""
        clusters = self._clusters(place, datacenter, cluster)
        if host is not None:
            ids = {each.id for each in clusters}
            fitting = [each for each in self._world.hosts if each.cluster_id in ids]
            found = _named(f"{place}.host", host, fitting)
            return self._world.cluster(found.cluster_id), found
        if cluster is not None:
            return _named(f"{place}.cluster", cluster, clusters), None
        return (clusters[0] if datacenter is not None else None), None

    def _clusters(self, place: str, datacenter: str | None, cluster: str | None) -> list[Cluster]:
        fitting = self._world.clusters
        if datacenter is not None:
            around = _named(f"{place}.datacenter", datacenter, self._world.datacenters)
            fitting = [each for each in fitting if each.datacenter_id == around.id]
            if not fitting:
                raise InvalidValue(f"{place}.datacenter is {datacenter!r}, which has no cluster")
        if cluster is not None:
            real = [each for each in fitting if not each.standalone]
            fitting = [each for each in real if each.name == cluster]
            if not fitting:
                raise _unknown(f"{place}.cluster", cluster, real)
        return fitting

    # Making what is not there yet ----------------------------------------------------------

    def datacenter(self, name: str, **fields: Any) -> Datacenter:
        for each in self._world.datacenters:
            if each.name == name:
                return each
        return self._world.add_datacenter(name, **fields)

    def cluster(self, name: str, around: Datacenter | None, **fields: Any) -> Cluster:
        belongs = around.id if around else None
        standalone = fields.get("standalone", False)
        for each in self._world.clusters:
            if (each.name, each.datacenter_id, each.standalone) == (name, belongs, standalone):
                return each
        return self._world.add_cluster(name, around, **fields)

    def host(self, name: str, cluster: Cluster, **fields: Any) -> Host:
        for each in self._world.hosts:
            if (each.name, each.cluster_id) == (name, cluster.id):
                return each
        return self._world.add_host(name, cluster, **fields)

    def standalone(self, name: str, around: Datacenter | None, **fields: Any) -> Host:
        """A host in no cluster: a vCenter has something of the host's name around it."""
        return self.host(name, self.cluster(name, around, standalone=True), **fields)


def _named(place: str, name: str, things: Iterable[Any]) -> Any:
    there = list(things)
    found = [thing for thing in there if thing.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidValue(
            f"{place} is {name!r}, which {len(found)} are called: say which of them by "
            "datacenter or cluster"
        )
    raise _unknown(place, name, there)


def _unknown(place: str, name: str, things: Iterable[Any]) -> InvalidValue:
    known = sorted({thing.name for thing in things})
    shown = f"known are {', '.join(known)}" if known else "there are none"
    return InvalidValue(
        f"{place} is {name!r}, and nothing is called so{nearest(name, known)}: {shown}"
    )
