"""VMs and hypervisors as Dora writes them, fast enough for many thousands."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from chaosvm.lab.dora.readings import Reading
from chaosvm.lab.world import Cluster, Host, Machine, State, World

__all__ = ["Items", "listed"]

_MIB = 1024**2
# The generated worlds speak an engine's language; Dora says "AlmaLinux:8.10".
_SYSTEMS = {
    "debian_9": "Debian:9.13",
    "ol_8x64": "OracleLinux:8.10",
    "other": "Other:unknown",
    "other_linux": "Linux:unknown",
    "rhel_9x64": "RedHatEnterpriseLinux:9.4",
    "windows_2019x64": "Windows:2019",
}


class Items:
    """A VM is only written anew when it, or its host, is another one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[str, tuple[Machine, str | None, bytes]] = {}

    def vms(self, vms: Sequence[Machine], reading: Reading) -> list[bytes]:
        return [self._vm(vm, reading.hosts_of[vm.id]) for vm in vms]

    def hypervisors(self, hosts: Sequence[Host], reading: Reading) -> list[bytes]:
        machines = Counter(reading.hosts_of.values())
        return [_written(self._hypervisor(host, machines[host.id])) for host in hosts]

    def _vm(self, vm: Machine, host_id: str | None) -> bytes:
        kept = self._kept.get(vm.id)
        # Machines are replaced when they change, so the same one is the same text.
        if kept is not None and kept[0] is vm and kept[1] == host_id:
            return kept[2]
        item = _written(self._described(vm, host_id))
        self._kept[vm.id] = (vm, host_id, item)
        return item

    def _described(self, vm: Machine, host_id: str | None) -> dict[str, Any]:
        host = self._world.host(host_id)
        on = _state(vm.state) == "poweredOn"
        center = self._datacenter(self._world.cluster(vm.cluster_id))
        return {
            "name": vm.name,
            # Known paths name their data center twice: "/ORA-DEV/ORA-DEV/...".
            "path": _path(center, center, vm.name),
            "host": self._host_path(host) if host else None,
            "os": _SYSTEMS.get(vm.os, vm.os),
            "cpus": vm.topology.cpus,
            "memMb": vm.memory // _MIB,
            "state": _state(vm.state),
            "managedObjRef": vm.moid,
            "cpuUsagePerc": _usage(vm.id, "cpu") if on else 0,
            "memUsagePerc": _usage(vm.id, "memory") if on else 0,
        }

    def _hypervisor(self, host: Host, machines: int) -> dict[str, Any]:
        return {
            "name": host.name,
            "path": self._host_path(host),
            "address": host.address,
            "type": "VMware ESXi",
            "connectionStatus": "connected" if host.up else "disconnected",
            "cpuUsagePerc": _usage(host.id, "cpu") if host.up else 0,
            "memUsagePerc": _usage(host.id, "memory") if host.up else 0,
            "numVms": machines,
        }

    def _host_path(self, host: Host) -> str:
        cluster = self._world.cluster(host.cluster_id)
        """As an inventory path: a data center's clusters are in its folder of hosts."""
        center = self._datacenter(cluster)
        around = cluster.name if cluster else None
        return _path(center, center and "host", around, host.name)

    def _datacenter(self, cluster: Cluster | None) -> str | None:
        found = self._world.datacenter(cluster.datacenter_id) if cluster else None
        return found.name if found else None


def listed(items: Iterable[bytes], bare: bool) -> bytes:
    """The whole answer; ``bare`` as in older notes."""
    together = b"[" + b",".join(items) + b"]"
    return together if bare else b'{"items":' + together + b"}"


def _written(item: dict[str, Any]) -> bytes:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()


def _state(state: State) -> str:
    """A vCenter has three words: what has a process somewhere is on, whatever it is at."""
    if state is State.SUSPENDED:
        return "suspended"
    return "poweredOn" if state.on_a_host else "poweredOff"


def _path(*parts: str | None) -> str:
    return "".join(f"/{_part(part)}" for part in parts if part is not None)


def _part(name: str) -> str:
    """As a vCenter writes names within paths."""
    return name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")


def _usage(of: str, what: str) -> int:
    """Some percentage, the same for the same machine."""
    return 1 + zlib.crc32(f"{of} {what}".encode()) % 90
