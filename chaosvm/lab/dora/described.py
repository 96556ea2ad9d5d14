"""A world in Dora's words, as it was when Dora last looked."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from typing import Any

from chaosvm.lab.world import Host, Machine, State, World

__all__ = ["Item", "Snapshot"]

_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Item:
    """One VM or hypervisor, and by what it is chosen."""

    told: dict[str, Any]
    datacenter: str
    host: str


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    vms: list[Item]
    hypervisors: list[Item]


class Snapshot:
    """Refreshed when somebody asks, at most every ``lag`` seconds."""

    def __init__(self, world: World, lag: float) -> None:
        self._world = world
        self._lag = lag
        self._lock = threading.Lock()
        self._last: _Look | None = None

    def fresh(self) -> _Look:
        with self._lock:
            now = self._world.now
            if self._last is None or now - self._last.at >= self._lag:
                vms = [_vm(self._world, vm) for vm in self._world.vms]
                hosts = [_hypervisor(self._world, host) for host in self._world.hosts]
                self._last = _Look(now, vms, hosts)
            return self._last


def _vm(world: World, vm: Machine) -> Item:
    datacenter, cluster = _place(world, vm.cluster_id)
    host = world.host(vm.host_id) or _usual_host(world, vm)
    name = host.name if host else ""
    state = _state(vm.state)
    told = {
        "name": vm.name,
        "path": f"/{datacenter}/vm/{vm.name}",
        "host": f"/{datacenter}/host/{cluster}/{name}",
        "os": vm.os,
        "cpus": vm.topology.cpus,
        "memMb": vm.memory // _MIB,
        "state": state,
        "managedObjRef": vm.moid,
        "cpuUsagePerc": _usage(vm.id) if state == "poweredOn" else 0,
        "memUsagePerc": _usage(vm.name) if state == "poweredOn" else 0,
    }
    return Item(told, datacenter, name)


def _hypervisor(world: World, host: Host) -> Item:
    datacenter, cluster = _place(world, host.cluster_id)
    told = {
        "name": host.name,
        "path": f"/{datacenter}/host/{cluster}/{host.name}",
        "address": host.address,
        "type": "ESXi",
        "connectionStatus": "connected" if host.up else "disconnected",
        "cpuUsagePerc": _usage(host.id),
        "memUsagePerc": _usage(host.name),
    }
    return Item(told, datacenter, host.name)


def _place(world: World, cluster_id: str) -> tuple[str, str]:
    cluster = world.cluster(cluster_id)
    datacenter = world.datacenter(cluster.datacenter_id) if cluster else None
    return (datacenter.name if datacenter else ""), (cluster.name if cluster else "")


def _usual_host(world: World, vm: Machine) -> Host | None:
    """A vCenter keeps the host of a machine that is off; the world does not."""
    hosts = [host for host in world.hosts if host.cluster_id == vm.cluster_id]
    return hosts[zlib.crc32(vm.id.encode()) % len(hosts)] if hosts else None


def _state(state: State) -> str:
    if state is State.SUSPENDED:
        return "suspended"
    return "poweredOn" if state.on_a_host else "poweredOff"


def _usage(seed: str) -> float:
    """Some percentage, the same each time."""
    return zlib.crc32(seed.encode()) % 1000 / 10
