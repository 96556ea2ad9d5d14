"""Data centers, clusters and hosts of a world by name: finds them, or creates missing ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.lab.simulation import Cluster, Datacenter, Host, World
from chaosvm.settings import suggestion

__all__ = ["Locations"]


class Locations:
    def __init__(self, world: World) -> None:
        self._world = world

    # Finding -----------------------------------------------------------------------------

    def find(
        self, place: str, datacenter: str | None, cluster: str | None, host: str | None
    ) -> tuple[Cluster | None, Host | None]:
        """The cluster and host of a VM. Raises InvalidValue, which names ``place``."""
        clusters = self._clusters(place, datacenter, cluster)
        if host is not None:
            ids = {each.id for each in clusters}
            candidates = [each for each in self._world.hosts if each.cluster_id in ids]
            match = _find_one(f"{place}.host", host, candidates)
            return self._world.cluster(match.cluster_id), match
        if cluster is not None:
            return _find_one(f"{place}.cluster", cluster, clusters), None
        return (clusters[0] if datacenter is not None else None), None

    def _clusters(self, place: str, datacenter: str | None, cluster: str | None) -> list[Cluster]:
        candidates = self._world.clusters
        if datacenter is not None:
            owner = _find_one(f"{place}.datacenter", datacenter, self._world.datacenters)
            candidates = [each for each in candidates if each.datacenter_id == owner.id]
            if not candidates:
                raise InvalidValue(f"{place}.datacenter is {datacenter!r}, which has no cluster")
        if cluster is not None:
            clusters = [each for each in candidates if not each.standalone]
            candidates = [each for each in clusters if each.name == cluster]
            if not candidates:
                raise _unknown(f"{place}.cluster", cluster, clusters)
        return candidates

    # Finding or creating -----------------------------------------------------------------

    def datacenter(self, name: str, **fields: Any) -> Datacenter:
        for each in self._world.datacenters:
            if each.name == name:
                return each
        return self._world.add_datacenter(name, **fields)

    def cluster(self, name: str, datacenter: Datacenter | None, **fields: Any) -> Cluster:
        datacenter_id = datacenter.id if datacenter else None
        standalone = fields.get("standalone", False)
        for each in self._world.clusters:
            if (each.name, each.datacenter_id, each.standalone) == (
                name,
                datacenter_id,
                standalone,
            ):
                return each
        return self._world.add_cluster(name, datacenter, **fields)

    def host(self, name: str, cluster: Cluster, **fields: Any) -> Host:
        for each in self._world.hosts:
            if (each.name, each.cluster_id) == (name, cluster.id):
                return each
        return self._world.add_host(name, cluster, **fields)

    def standalone(self, name: str, datacenter: Datacenter | None, **fields: Any) -> Host:
        """A host without cluster, in a compute resource of the same name as in a vCenter."""
        return self.host(name, self.cluster(name, datacenter, standalone=True), **fields)


def _find_one(place: str, name: str, objects: Iterable[Any]) -> Any:
    candidates = list(objects)
    matches = [each for each in candidates if each.name == name]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InvalidValue(
            f"{place} is {name!r}, but {len(matches)} have that name: add the datacenter or the "
            "cluster"
        )
    raise _unknown(place, name, candidates)


def _unknown(place: str, name: str, objects: Iterable[Any]) -> InvalidValue:
    known = sorted({each.name for each in objects})
    hint = f"known are {', '.join(known)}" if known else "there are none"
    return InvalidValue(
        f"{place} is {name!r}, which does not exist{suggestion(name, known)}: {hint}"
    )
