"""Snapshots of the simulation: what Dora last read, which may be outdated."""

from __future__ import annotations

import weakref
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
            registered = ((vm.id, self._world.registered_host(vm)) for vm in vms)
            hosts_of = {vm_id: host.id if host else None for vm_id, host in registered}
        return InventorySnapshot(vms, hosts, hosts_of)


def _weak_refresh(snapshots: weakref.ref[InventorySnapshots]) -> Callable[[], bool]:
    """A callback that ends with the lab, which the simulation may outlive."""

    def refresh() -> bool:
        target = snapshots()
        if target is not None:
            target.refresh()
        return target is not None

    return refresh
