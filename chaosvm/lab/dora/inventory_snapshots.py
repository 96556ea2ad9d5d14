"""Snapshots of the simulation: what Dora last read, which may be outdated."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chaosvm.errors import InvalidValue
from chaosvm.lab.simulation import Host, Machine, World

__all__ = ["InventorySnapshot", "InventorySnapshots"]


@dataclass(frozen=True, slots=True)
class InventorySnapshot:
    """The simulation at one moment. ``hosts_of`` maps VMs to hosts, running or not."""

    vms: Sequence[Machine]
    hosts: Sequence[Host]
    hosts_of: Mapping[str, str | None]


class InventorySnapshots:
    """Takes a snapshot every ``lag`` seconds, or for each request if ``lag`` is 0."""

    def __init__(self, world: World, lag: float) -> None:
        if lag < 0:
            raise InvalidValue(f"dora_lag must not be negative, it is {lag!r}")
        self._world = world
        self._lag = lag
        self._hosts_of: dict[str, str | None] = {}
        self._latest = self._read()
        if lag:
            world.call_every(lag, _weak_refresh(weakref.ref(self)))

    def latest(self) -> InventorySnapshot:
        # Entering present() runs what is due, which includes the refresh.
        with self._world.present():
            return self._latest if self._lag else self._read()

    def refresh(self) -> None:
        self._latest = self._read()

    def _read(self) -> InventorySnapshot:
        with self._world.present():
            vms, hosts = self._world.vms, self._world.hosts
            self._hosts_of = self._place(vms, hosts)
        return InventorySnapshot(vms, hosts, self._hosts_of)

    def _place(self, vms: Sequence[Machine], hosts: Sequence[Host]) -> dict[str, str | None]:
        """The host of each VM.

        A VM that is powered off keeps its host in a vCenter, but has none in the
        simulation: it stays on its last host, or gets one of its cluster.
        """
        host_ids: dict[str, list[str]] = defaultdict(list)
        for host in hosts:
            host_ids[host.cluster_id].append(host.id)
        previous = self._hosts_of
        return {
            vm.id: vm.host_id
            or previous.get(vm.id)
            or vm.home_id
            or _default_host(host_ids.get(vm.cluster_id), vm)
            for vm in vms
        }


def _weak_refresh(snapshots: weakref.ref[InventorySnapshots]) -> Callable[[], bool]:
    """A callback that ends with the lab, which the simulation may outlive."""

    def refresh() -> bool:
        target = snapshots()
        if target is not None:
            target.refresh()
        return target is not None

    return refresh


def _default_host(host_ids: Sequence[str] | None, vm: Machine) -> str | None:
    """The host that the lab's vCenter returns."""
    return host_ids[int(vm.moid.rpartition("-")[2]) % len(host_ids)] if host_ids else None
