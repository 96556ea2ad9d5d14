"""Hosts that stop answering, and what happens to the VMs on them."""

from __future__ import annotations

from functools import partial

from chaosvm.lab.simulation.compute import Host
from chaosvm.lab.simulation.events import EventKind, Origin
from chaosvm.lab.simulation.inventory import Inventory
from chaosvm.lab.simulation.machine import Machine, State
from chaosvm.lab.simulation.power import Power

__all__ = ["Outages"]


class Outages:
    """Which hosts answer. Recorded order: ``up``, ``connecting``, ``non_responsive``.

    VMs on a lost host keep their state until the platform gives the host up; then their
    state is unknown.
    """

    def __init__(self, world: Inventory, power: Power) -> None:
        self._world = world
        self._power = power

    def lose(self, host: str) -> None:
        """Let a host, by name or id, stop answering. What its VMs were doing is cancelled."""
        with self._world.present():
            lost = self._world.change_host(self._find(host).id, answers=False)
            for vm in self._vms_on(lost):
                self._world.cancel_plan(vm)
                self._world.put(vm.changed(powering_off=False))
            missed = self._world.durations.host_missed
            given_up = missed + self._world.durations.host_given_up
            self._world.call_later(missed, partial(self._on_missed, lost.id))
            self._world.call_later(given_up, partial(self._on_given_up, lost.id))

    def restore(self, host: str) -> None:
        """Let a host answer again. Its VMs run as before."""
        with self._world.present():
            restored = self._world.change_host(self._find(host).id, answers=True, condition="up")
            for vm in self._vms_on(restored):
                if vm.state is State.UNREACHABLE:
                    self._world.put(vm.changed(state=State.RUNNING))
            self._world.record(EventKind.HOST_BACK, host_id=restored.id)

    def confirm_rebooted(self, host: str, origin: Origin | None = None) -> None:
        """Confirm that a host was rebooted manually: its VMs are off."""
        with self._world.present():
            host_id = (rebooted := self._find(host)).id
            self._world.record(EventKind.HOST_CONFIRMED_REBOOTED, None, origin, host_id=host_id)
            for vm in self._vms_on(rebooted):
                self._world.record(EventKind.LOST_WITH_ITS_HOST, vm)
                self._world.cancel_plan(vm)
                off = vm.changed(state=State.OFF, host_id=None, started_at=None, booted_at=None)
                self._world.put(off.changed(stopped_at=self._world.now, hibernating_until=0.0))
                if vm.highly_available:
                    self._power.restart_elsewhere(vm.id)

    def _on_missed(self, host_id: str) -> None:
        host = self._world.host(host_id)
        if host is not None and not host.answers:
            self._world.change_host(host_id, condition="connecting")

    def _on_given_up(self, host_id: str) -> None:
        host = self._world.host(host_id)
        if host is None or host.answers:
            return
        self._world.change_host(host_id, condition="non_responsive")
        for vm in self._vms_on(host):
            self._world.put(vm.changed(state=State.UNREACHABLE))
            self._world.record(EventKind.SET_UNKNOWN, vm)
        self._world.record(EventKind.HOST_LOST, host_id=host_id)

    def _vms_on(self, host: Host) -> list[Machine]:
        return [vm for vm in self._world.vms if vm.host_id == host.id]

    def _find(self, id_or_name: str) -> Host:
        for host in self._world.hosts:
            if id_or_name in (host.id, host.name):
                return host
        raise LookupError(f"no host is called {id_or_name!r}")
