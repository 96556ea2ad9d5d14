"""Builds a world from the VM records of an exported inventory."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chaosvm.lab.simulation import Cluster, Guest, Host, State, Topology, World
from chaosvm.lab.world_files.converters import MIB
from chaosvm.lab.world_files.locations import Locations
from chaosvm.settings import values
from chaosvm.vm import PowerState

__all__ = ["Copy", "unescape"]

Record = Mapping[str, Any]

_DEFAULT_NAME = "Default"
_MOID = re.compile(r"([A-Za-z]+-)?\d+")
_STATES = {
    PowerState.POWERED_ON: State.RUNNING,
    PowerState.POWERED_OFF: State.OFF,
    PowerState.SUSPENDED: State.SUSPENDED,
    PowerState.PAUSED: State.PAUSED,
    # A copy has no operations in progress: they count as completed.
    PowerState.TRANSITIONING: State.RUNNING,
    PowerState.UNKNOWN: State.UNREACHABLE,
}
# Platform statuses that are more precise than the power state.
_STATES_BY_STATUS = {
    "powering_down": State.OFF,
    "saving_state": State.SUSPENDED,
    "image_locked": State.OFF,
    "not_responding": State.NOT_RESPONDING,
    "unassigned": State.UNASSIGNED,
    "disconnected": State.NOT_RESPONDING,
    "inaccessible": State.DISKS_ILLEGAL,
    "invalid": State.DISKS_ILLEGAL,
    "orphaned": State.UNASSIGNED,
}
_ESCAPES = {"%2f": "/", "%5c": "\\", "%25": "%"}


class Copy:
    """A world that is filled record by record; ``finish`` adds hosts and clusters without VMs."""

    def __init__(
        self, datacenters: Iterable[str], hosts: Sequence[Record], ids: Iterable[str]
    ) -> None:
        self.world = World()
        self.world.reserve(ids)
        self._locations = Locations(self.world)
        self._hosts = {host["name"]: host for host in hosts if isinstance(host.get("name"), str)}
        self._taken: set[str] = set()
        for name in datacenters:
            self._locations.datacenter(name)

    def add_vm(self, record: Record) -> None:
        cluster, host = self._find_location(record)
        fields = {**_common_fields(record), **_olvm_fields(record), **self._unused_ids(record)}
        for name, category in _categories(record):
            self.world.add_tag(name, category)
        self.world.add_vm(record["name"], _state(record), cluster=cluster, host=host, **fields)

    def _unused_ids(self, record: Record) -> dict[str, str]:
        """The ids of a VM, except those that another VM has, as from a second vCenter."""
        ids = {"id": record.get("instance_uuid")}
        if record.get("platform") == "olvm":
            ids["id"] = record["id"]
        elif _MOID.fullmatch(record["id"]):
            ids["moid"] = record["id"]
        if not _is_uuid(ids["id"]):
            del ids["id"]
        unused = {key: id for key, id in ids.items() if id not in self._taken}
        self._taken.update(id for id in unused.values() if id)
        return {key: id for key, id in unused.items() if id}

    # Locations ---------------------------------------------------------------------------

    def _find_location(self, record: Record) -> tuple[Cluster, Host | None]:
        name, datacenter_name = record.get("host"), record.get("datacenter")
        datacenter = self._locations.datacenter(datacenter_name) if datacenter_name else None
        if name and not record.get("cluster"):
            host = self._locations.standalone(name, datacenter, **self._host_fields(name))
            cluster = self.world.cluster(host.cluster_id)
            assert cluster is not None
            return cluster, host
        cluster_id = record["metadata"].get("cluster_id")
        is_unused = _is_uuid(cluster_id) and not self.world.cluster(cluster_id)
        fields = {"id": cluster_id} if is_unused else {}
        cluster_name = record.get("cluster") or _DEFAULT_NAME
        cluster = self._locations.cluster(cluster_name, datacenter, **fields)
        if not name:
            return cluster, None
        return cluster, self._locations.host(name, cluster, **self._host_fields(name))

    def _host_fields(self, name: str) -> dict[str, Any]:
        host = self._hosts.get(name, {})
        status = host.get("status") or host.get("connection_state")
        up = status in (None, "up", "connected") and not host.get("maintenance")
        host_id = host.get("id")
        return {"up": up, "id": host_id} if _is_uuid(host_id) else {"up": up}

    def finish(self, clusters: Iterable[str]) -> World:
        """Add clusters and hosts without VMs, to the first data center, as exports name none."""
        first = next(iter(self.world.datacenters), None)
        clusters_by_name = {cluster.name: cluster for cluster in self.world.clusters}
        for name in clusters:
            if name not in clusters_by_name:
                clusters_by_name[name] = self._locations.cluster(name, first)
        existing = {host.name for host in self.world.hosts}
        unplaced = []
        for name, host in self._hosts.items():
            if name in existing:
                continue
            if host.get("cluster") in clusters_by_name:
                self._locations.host(
                    name, clusters_by_name[host["cluster"]], **self._host_fields(name)
                )
            elif "cluster" in host:
                self._locations.standalone(name, first, **self._host_fields(name))
            else:
                unplaced.append(name)
        self._add_missing_hosts(unplaced)
        return self.world

    def _add_missing_hosts(self, names: list[str]) -> None:
        """Give each cluster a host, without which no VM starts; oVirt exports name no clusters."""
        with_hosts = {host.cluster_id for host in self.world.hosts}
        for cluster in self.world.clusters:
            if cluster.id not in with_hosts:
                name = names.pop(0) if names else f"{cluster.name}-host-1"
                self._locations.host(name, cluster, **self._host_fields(name))


# One VM --------------------------------------------------------------------------------


def _common_fields(record: Record) -> dict[str, Any]:
    """The fields that all platforms export; missing ones get their defaults."""
    metadata = record["metadata"]
    addresses, tags = record.get("ip_addresses"), record.get("tags")
    fields = {
        "topology": Topology(record["cpu_count"]) if record.get("cpu_count") else None,
        "memory": record["memory_mb"] * MIB if record.get("memory_mb") else None,
        "os": record.get("guest_os"),
        "fqdn": record.get("hostname"),
        "ip_addresses": tuple(addresses) if addresses else None,
        "tags": tuple(tags) if tags else None,
        "template": record.get("template"),
        "folder": _folder(record),
        "managed_by": metadata.get("managed_by"),
        "question": metadata.get("question"),
        "attributes": metadata.get("custom_attributes"),
        "guest": _guest(record),
    }
    return {key: value for key, value in fields.items() if value}


def _olvm_fields(record: Record) -> dict[str, Any]:
    """The fields that only oVirt exports."""
    names = ("description", "comment", "origin", "highly_available", "stateless", "pool_id")
    metadata = record["metadata"]
    return {name: metadata[name] for name in names if metadata.get(name) is not None}


def _state(record: Record) -> State:
    statuses = (record["metadata"].get("connection_state"), record.get("status"))
    for status in statuses:
        if status in _STATES_BY_STATUS:
            return _STATES_BY_STATUS[status]
    state = _STATES[values.choice("power_state", record["power_state"], PowerState)]
    # oVirt has no status for broken disks: such a VM is unknown and has no host.
    without_host = record.get("platform") == "olvm" and not record.get("host")
    return State.DISKS_ILLEGAL if state is State.UNREACHABLE and without_host else state


def _guest(record: Record) -> Guest | None:
    """A guest without agent, if Tools are not installed or not running in a running VM."""
    is_on = record["power_state"] == PowerState.POWERED_ON
    status = record.get("tools_status")
    if status == "toolsNotInstalled" or (is_on and status == "toolsNotRunning"):
        return Guest.without_agent()
    return None


def _categories(record: Record) -> Iterable[tuple[str, str]]:
    """The tags of a VM that have a known category."""
    tags = record.get("tags") or ()
    for qualified in record["metadata"].get("qualified_tags", ()):
        for tag in tags:
            if qualified.endswith(f"/{tag}"):
                yield tag, qualified.removesuffix(f"/{tag}")


def _folder(record: Record) -> tuple[str, ...]:
    """The folders below the data center's VM folder, which is named vm."""
    path, datacenter = record.get("folder"), record.get("datacenter")
    if not path or not datacenter:
        return ()
    parts = [unescape(part) for part in path.split("/") if part]
    for position in range(len(parts) - 1):
        if parts[position] == datacenter and parts[position + 1] == "vm":
            return tuple(parts[position + 2 :])
    return ()


def unescape(name: str) -> str:
    """Unescape a part of an inventory path."""
    return re.sub("%(2f|5c|25)", lambda match: _ESCAPES[match[0].lower()], name, flags=re.I)


def _is_uuid(text: Any) -> bool:
    try:
        return bool(uuid.UUID(text))
    except (ValueError, TypeError, AttributeError):
        return False
