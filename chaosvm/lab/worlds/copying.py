"""One estate as a world: its places, and each VM in the world's words."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chaosvm import values
from chaosvm.lab.world import Cluster, Guest, Host, State, Topology, World
from chaosvm.lab.worlds.places import Places
from chaosvm.lab.worlds.words import MIB
from chaosvm.vm import PowerState

__all__ = ["Copy", "unescaped"]

Record = Mapping[str, Any]

_NO_PLACE = "Default"
_MOID = re.compile(r"([A-Za-z]+-)?\d+")
_STATES = {
    PowerState.POWERED_ON: State.RUNNING,
    PowerState.POWERED_OFF: State.OFF,
    PowerState.SUSPENDED: State.SUSPENDED,
    PowerState.PAUSED: State.PAUSED,
    # Nothing goes on in a copy: what was on its way is where it was going.
    PowerState.TRANSITIONING: State.RUNNING,
    PowerState.UNKNOWN: State.UNREACHABLE,
}
# Where an engine's own word, or a vCenter's of the connection, tells more.
_MORE_EXACT = {
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
_ESCAPED = {"%2f": "/", "%5c": "\\", "%25": "%"}


class Copy:
    """A world that is filled record by record; ``finish`` adds what no VM told of."""

    def __init__(
        self, datacenters: Iterable[str], hosts: Sequence[Record], ids: Iterable[str]
    ) -> None:
        self.world = World()
        self.world.reserve(ids)
        self._places = Places(self.world)
        self._hosts = {host["name"]: host for host in hosts if isinstance(host.get("name"), str)}
        self._taken: set[str] = set()
        for name in datacenters:
            self._places.datacenter(name)

    def add_vm(self, record: Record) -> None:
        cluster, host = self._place(record)
        fields = {**_plain(record), **_own(record), **self._ids(record)}
        for name, category in _categories(record):
            self.world.add_tag(name, category)
        self.world.add_vm(record["name"], _state(record), cluster=cluster, host=host, **fields)

    def _ids(self, record: Record) -> dict[str, str]:
        """An id that another VM has already, as of a second vCenter, is left out."""
        wanted = {"id": record.get("instance_uuid")}
        if record.get("platform") == "olvm":
            wanted["id"] = record["id"]
        elif _MOID.fullmatch(record["id"]):
            wanted["moid"] = record["id"]
        if not _is_uuid(wanted["id"]):
            del wanted["id"]
        ids = {key: number for key, number in wanted.items() if number not in self._taken}
        self._taken.update(number for number in ids.values() if number)
        return {key: number for key, number in ids.items() if number}

    # Places ------------------------------------------------------------------------------

    def _place(self, record: Record) -> tuple[Cluster, Host | None]:
        name, datacenter = record.get("host"), record.get("datacenter")
        around = self._places.datacenter(datacenter) if datacenter else None
        if name and not record.get("cluster"):
            host = self._places.standalone(name, around, **self._host_fields(name))
            found = self.world.cluster(host.cluster_id)
            assert found is not None
            return found, host
        number = record["metadata"].get("cluster_id")
        fields = {"id": number} if _is_uuid(number) and not self.world.cluster(number) else {}
        cluster = self._places.cluster(record.get("cluster") or _NO_PLACE, around, **fields)
        if not name:
            return cluster, None
        return cluster, self._places.host(name, cluster, **self._host_fields(name))

    def _host_fields(self, name: str) -> dict[str, Any]:
        told = self._hosts.get(name, {})
        status = told.get("status") or told.get("connection_state")
        up = status in (None, "up", "connected") and not told.get("maintenance")
        number = told.get("id")
        return {"up": up, "id": number} if _is_uuid(number) else {"up": up}

    def finish(self, clusters: Iterable[str]) -> World:
        """Clusters and hosts without VMs; they do not tell in which data center they are."""
        first = next(iter(self.world.datacenters), None)
        there = {cluster.name: cluster for cluster in self.world.clusters}
        for name in clusters:
            if name not in there:
                there[name] = self._places.cluster(name, first)
        known = {host.name for host in self.world.hosts}
        homeless = []
        for name, told in self._hosts.items():
            if name in known:
                continue
            if told.get("cluster") in there:
                self._places.host(name, there[told["cluster"]], **self._host_fields(name))
            elif "cluster" in told:
                self._places.standalone(name, first, **self._host_fields(name))
            else:
                homeless.append(name)
        self._house(homeless)
        return self.world

    def _house(self, names: list[str]) -> None:
        """A cluster needs a host, or nothing starts there; an engine tells no host's cluster."""
        housed = {host.cluster_id for host in self.world.hosts}
        for cluster in self.world.clusters:
            if cluster.id not in housed:
                name = names.pop(0) if names else f"{cluster.name}-host-1"
                self._places.host(name, cluster, **self._host_fields(name))


# One VM --------------------------------------------------------------------------------


def _plain(record: Record) -> dict[str, Any]:
    """What is there under the same meaning; what was not told is as it usually is."""
    metadata = record["metadata"]
    addresses, tags = record.get("ip_addresses"), record.get("tags")
    told = {
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
    return {key: value for key, value in told.items() if value}


def _own(record: Record) -> dict[str, Any]:
    """What only an engine tells."""
    names = ("description", "comment", "origin", "highly_available", "stateless", "pool_id")
    metadata = record["metadata"]
    return {name: metadata[name] for name in names if metadata.get(name) is not None}


def _state(record: Record) -> State:
    told = (record["metadata"].get("connection_state"), record.get("status"))
    exact = next((_MORE_EXACT[word] for word in told if word in _MORE_EXACT), None)
    if exact is not None:
        return exact
    state = _STATES[values.choice("power_state", record["power_state"], PowerState)]
    # An engine has no word for a VM with broken disks, which runs nowhere.
    nowhere = record.get("platform") == "olvm" and not record.get("host")
    return State.DISKS_ILLEGAL if state is State.UNREACHABLE and nowhere else state


def _guest(record: Record) -> Guest | None:
    """Without Tools, or with Tools that do not run in a VM that does, nobody is asked."""
    on = record["power_state"] == PowerState.POWERED_ON
    status = record.get("tools_status")
    if status == "toolsNotInstalled" or (on and status == "toolsNotRunning"):
        return Guest.without_agent()
    return None


def _categories(record: Record) -> Iterable[tuple[str, str]]:
    """Each tag of the VM whose category is known, with it."""
    tags = record.get("tags") or ()
    for qualified in record["metadata"].get("qualified_tags", ()):
        for tag in tags:
            if qualified.endswith(f"/{tag}"):
                yield tag, qualified.removesuffix(f"/{tag}")


def _folder(record: Record) -> tuple[str, ...]:
    """The folders below a data center's folder of VMs, which is called vm."""
    path, datacenter = record.get("folder"), record.get("datacenter")
    if not path or not datacenter:
        return ()
    parts = [unescaped(part) for part in path.split("/") if part]
    for position in range(len(parts) - 1):
        if parts[position] == datacenter and parts[position + 1] == "vm":
            return tuple(parts[position + 2 :])
    return ()


def unescaped(name: str) -> str:
    """A part of an inventory path, as the thing itself is called."""
    return re.sub("%(2f|5c|25)", lambda match: _ESCAPED[match[0].lower()], name, flags=re.I)


def _is_uuid(text: Any) -> bool:
    try:
        return bool(uuid.UUID(text))
    except (ValueError, TypeError, AttributeError):
        return False
