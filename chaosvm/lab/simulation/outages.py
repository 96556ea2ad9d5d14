"""Hosts that stop answering, and what becomes of the machines on them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chaosvm.lab.simulation.events import Asked, EventKind
from chaosvm.lab.simulation.machine import Host, Machine, State

if TYPE_CHECKING:
    from chaosvm.lab.simulation.world import World

__all__ = ["Outages"]


class Outages:
    """Which hosts answer. Recorded order: ``up``, ``connecting``, ``non_responsive``.

    Machines on a dead host read as before until it is given up, then they are
    unknown.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def lose(self, host: str) -> None:
        """It stops answering, by name or id; nobody knows what its machines do from then on."""
        with self._world.present():
            lost = self._world.change_host(self._found(host).id, answers=False)
            for vm in self._on(lost):
                self._world.leave(vm)
                self._world.put(vm.changed(being_cut=False))
            missed = self._world.durations.host_missed
            given_up = missed + self._world.durations.host_given_up
            self._world.later(missed, partial(self._is_missed, lost.id))
            self._world.later(given_up, partial(self._is_given_up, lost.id))

    def restore(self, host: str) -> None:
        """It answers again, and its machines run as before."""
        with self._world.present():
            back = self._world.change_host(self._found(host).id, answers=True, condition="up")
            for vm in self._on(back):
                if vm.state is State.UNREACHABLE:
                    self._world.put(vm.changed(state=State.RUNNING))
            self._world.record(EventKind.HOST_BACK, host_id=back.id)

    def confirm_rebooted(self, host: str, asked: Asked | None = None) -> None:
        """Somebody says that the host was rebooted by hand: what ran there is off."""
        with self._world.present():
            confirmed = self._found(host)
            self._world.record(EventKind.HOST_CONFIRMED_REBOOTED, None, asked, host_id=confirmed.id)
            for vm in self._on(confirmed):
                self._world.record(EventKind.LOST_WITH_ITS_HOST, vm)
                self._world.leave(vm)
                off = vm.changed(state=State.OFF, host_id=None, started_at=None, booted_at=None)
                self._world.put(off.changed(stopped_at=self._world.now, hibernating_until=0.0))
                if vm.highly_available:
                    self._world.power.restart_elsewhere(vm.id)

    def _is_missed(self, host_id: str) -> None:
        host = self._world.host(host_id)
        if host is not None and not host.answers:
            self._world.change_host(host_id, condition="connecting")

    def _is_given_up(self, host_id: str) -> None:
        host = self._world.host(host_id)
        if host is None or host.answers:
            return
        self._world.change_host(host_id, condition="non_responsive")
        for vm in self._on(host):
            self._world.put(vm.changed(state=State.UNREACHABLE))
            self._world.record(EventKind.SET_UNKNOWN, vm)
        self._world.record(EventKind.HOST_LOST, host_id=host_id)

    def _on(self, host: Host) -> list[Machine]:
        return [vm for vm in self._world.vms if vm.host_id == host.id]

    def _found(self, wanted: str) -> Host:
        for host in self._world.hosts:
            if wanted in (host.id, host.name):
                return host
        raise LookupError(f"no host is called {wanted!r}")
