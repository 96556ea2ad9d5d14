"""JSON of VMs and hypervisors, fast enough for many thousands."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from chaosvm.lab.dora.inventory_snapshots import InventorySnapshot
from chaosvm.lab.simulation import Cluster, Host, Machine, State, World

__all__ = ["ItemWriter", "list_body"]

_MIB = 1024**2
# Generated machines have oVirt's names of systems; Dora has names such as "AlmaLinux:8.10".
_SYSTEMS = {
    "debian_9": "Debian:9.13",
    "ol_8x64": "OracleLinux:8.10",
    "other": "Other:unknown",
    "other_linux": "Linux:unknown",
    "rhel_9x64": "RedHatEnterpriseLinux:9.4",
    "windows_2019x64": "Windows:2019",
}


class ItemWriter:
    """Caches the JSON of each VM until the VM or its host changes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cache: dict[str, tuple[Machine, str | None, bytes]] = {}

    def vms(self, vms: Sequence[Machine], snapshot: InventorySnapshot) -> list[bytes]:
        return [self._vm(vm, snapshot.hosts_of[vm.id]) for vm in vms]

    def hypervisors(self, hosts: Sequence[Host], snapshot: InventorySnapshot) -> list[bytes]:
        machines = Counter(snapshot.hosts_of.values())
        return [_to_json(self._hypervisor_fields(host, machines[host.id])) for host in hosts]

    def _vm(self, vm: Machine, host_id: str | None) -> bytes:
        cached = self._cache.get(vm.id)
        # Machines are immutable: the same object has the same JSON.
        if cached is not None and cached[0] is vm and cached[1] == host_id:
            return cached[2]
        item = _to_json(self._vm_fields(vm, host_id))
        self._cache[vm.id] = (vm, host_id, item)
        return item

    def _vm_fields(self, vm: Machine, host_id: str | None) -> dict[str, Any]:
        host = self._world.host(host_id)
        is_on = _state(vm.state) == "poweredOn"
        center = self._datacenter(self._world.cluster(vm.cluster_id))
        return {
            "name": vm.name,
            # Dora's paths contain the data center twice: "/ORA-DEV/ORA-DEV/...".
            "path": _path(center, center, vm.name),
            "host": self._host_path(host) if host else None,
            "os": _SYSTEMS.get(vm.os, vm.os),
            "cpus": vm.topology.cpus,
            "memMb": vm.memory // _MIB,
            "state": _state(vm.state),
            "managedObjRef": vm.moid,
            "cpuUsagePerc": _usage(vm.id, "cpu") if is_on else 0,
            "memUsagePerc": _usage(vm.id, "memory") if is_on else 0,
        }

    def _hypervisor_fields(self, host: Host, machines: int) -> dict[str, Any]:
        return {
            "name": host.name,
            "path": self._host_path(host),
            "address": host.address,
            "type": "VMware ESXi",
            "connectionStatus": "connected" if host.responding else "disconnected",
            "cpuUsagePerc": _usage(host.id, "cpu") if host.responding else 0,
            "memUsagePerc": _usage(host.id, "memory") if host.responding else 0,
            "numVms": machines,
        }

    def _host_path(self, host: Host) -> str:
        cluster = self._world.cluster(host.cluster_id)
        center = self._datacenter(cluster)
        cluster_name = cluster.name if cluster else None
        return _path(center, center and "host", cluster_name, host.name)

    def _datacenter(self, cluster: Cluster | None) -> str | None:
        datacenter = self._world.datacenter(cluster.datacenter_id) if cluster else None
        return datacenter.name if datacenter else None


def list_body(items: Iterable[bytes], bare: bool) -> bytes:
    """The response body; ``bare`` is a list without an enclosing object."""
    joined = b"[" + b",".join(items) + b"]"
    return joined if bare else b'{"items":' + joined + b"}"


def _to_json(item: dict[str, Any]) -> bytes:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()


def _state(state: State) -> str:
    """One of a vCenter's three power states; any VM on a host is powered on."""
    if state is State.SUSPENDED:
        return "suspended"
    return "poweredOn" if state.on_a_host else "poweredOff"


def _path(*parts: str | None) -> str:
    return "".join(f"/{_escape_segment(part)}" for part in parts if part is not None)


def _escape_segment(name: str) -> str:
    """Escape a name as vCenters do within paths."""
    return name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")


def _usage(id: str, what: str) -> int:
    """A made-up percentage that is constant for each machine."""
    return 1 + zlib.crc32(f"{id} {what}".encode()) % 90
