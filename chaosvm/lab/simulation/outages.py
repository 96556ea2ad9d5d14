"""Hosts that stop answering or lose power, and what happens to the VMs on them."""

from __future__ import annotations

from functools import partial

from chaosvm.lab.simulation.availability import Availability
from chaosvm.lab.simulation.compute import Host
from chaosvm.lab.simulation.events import EventKind, Origin
from chaosvm.lab.simulation.inventory import Inventory, NotFound
from chaosvm.lab.simulation.machine import Machine, State
from chaosvm.lab.simulation.power import Power

__all__ = ["Outages"]


class Outages:
    """Which hosts answer. Recorded order: ``up``, ``connecting``, ``non_responsive``.

    VMs on a lost host keep their state until the platform gives the host up; then their
    state is unknown. A cluster with high availability, or an engine with power management,
    then restarts those whose host has no power.
    """

    def __init__(self, world: Inventory, power: Power, availability: Availability) -> None:
        self._world = world
        self._power = power
        self._availability = availability
        self._states_before: dict[str, State] = {}

    # Failures --------------------------------------------------------------------------

    def lose(self, host: str, back_after: float | None = None) -> None:
        """Let a host, by name or id, stop answering. What its VMs were doing is cancelled.

        They run on. back_after: it answers again after this many seconds.
        """
        with self._world.present():
            lost = self._world.change_host(self.find(host).id, answers=False)
            for vm in self._vms_on(lost):
                self._world.cancel_plan(vm)
                self._world.put(vm.changed(powering_off=False))
            missed = self._world.durations.host_missed
            given_up = missed + self._world.durations.host_given_up
            self._world.call_later(missed, partial(self._on_missed, lost.id))
            self._world.call_later(given_up, partial(self._on_given_up, lost.id))
            if back_after is not None:
                self._world.call_later(back_after, partial(self._come_back, lost.id))

    def fail(self, host: str, back_after: float | None = None) -> None:
        """Let a host lose power: its VMs die with it, unnoticed until it is given up.

        back_after: it boots, and answers again after this many seconds.
        """
        with self._world.present():
            self._world.change_host((failed := self.find(host)).id, powered=False)
            for vm in self._vms_on(failed):
                self._world.put(vm.changed(process_gone=True))
            self.lose(failed.id, back_after)

    def restore(self, host: str) -> None:
        """Let a host answer again. Its VMs run as before, unless it had no power."""
        with self._world.present():
            before = self.find(host)
            booted_at = before.booted_at if before.powered else self._world.now
            restored = self._world.change_host(
                before.id, answers=True, powered=True, condition="up", booted_at=booted_at
            )
            self._world.record(EventKind.HOST_BACK, host_id=restored.id)
            self._let_vms_die(restored)
            self.show_vms(restored)
            self.retry_restarts()

    def confirm_rebooted(self, host: str, origin: Origin | None = None) -> None:
        """Confirm that a host was rebooted manually: its VMs are off."""
        with self._world.present():
            host_id = (rebooted := self.find(host)).id
            self._world.record(EventKind.HOST_CONFIRMED_REBOOTED, None, origin, host_id=host_id)
            for vm in self._vms_on(rebooted):
                self._world.put(vm.changed(process_gone=True))
            self._let_vms_die(rebooted)

    # VMs on a host ---------------------------------------------------------------------

    def hide_vms(self, host: Host) -> None:
        """Let the state of its VMs be unknown."""
        for vm in self._vms_on(host):
            if vm.state is not State.UNREACHABLE:
                self._states_before[vm.id] = vm.state
                self._world.put(vm.changed(state=State.UNREACHABLE))
                self._world.record(EventKind.SET_UNKNOWN, vm)

    def show_vms(self, host: Host) -> None:
        """Let the state of its VMs be known again."""
        for vm in self._vms_on(host):
            if vm.state is State.UNREACHABLE:
                state = self._states_before.pop(vm.id, State.RUNNING)
                self._world.put(vm.changed(state=state))

    def retry_restarts(self) -> None:
        """Restart the VMs for which there was no host."""
        for vm in self._world.vms:
            if vm.awaits_restart:
                self._power.restart_elsewhere(vm.id)

    def find(self, id_or_name: str) -> Host:
        for host in self._world.hosts:
            if id_or_name in (host.id, host.name):
                return host
        raise NotFound(f"no host is called {id_or_name!r}")

    # What follows ------------------------------------------------------------------------

    def _on_missed(self, host_id: str) -> None:
        host = self._world.host(host_id)
        if host is not None and not host.answers and host.condition == "up":
            self._world.change_host(host_id, condition="connecting")
            self._world.record(EventKind.HOST_MISSED, host_id=host_id)

    def _on_given_up(self, host_id: str) -> None:
        host = self._world.host(host_id)
        if host is None or host.answers or host.condition != "connecting":
            return
        host = self._world.change_host(host_id, condition="non_responsive")
        self.hide_vms(host)
        self._world.record(EventKind.HOST_LOST, host_id=host_id)
        self.fail_over(host)
        if host.power_management:
            self._fence(host)

    def fail_over(self, host: Host) -> None:
        """Restart elsewhere what died on a host, if its cluster or engine does that."""
        cluster = self._world.cluster(host.cluster_id)
        rules = cluster.ha if cluster else None
        isolated = host.powered and rules and rules.isolation_response != "none"
        if host.power_management or isolated:
            for vm in self._vms_on(host):
                self._world.put(vm.changed(process_gone=True))
            self._let_vms_die(host)
        elif rules and rules.enabled:
            self._let_vms_die(host, only_protected=True)

    def _fence(self, host: Host) -> None:
        """Reboot a host by its power management."""
        self._world.record(EventKind.HOST_FENCED, host_id=host.id)
        self._world.change_host(host.id, powered=False, condition="reboot")
        boot = self._world.durations.host_boot
        self._world.call_later(boot, partial(self._come_back, host.id))

    def _let_vms_die(self, host: Host, only_protected: bool = False) -> None:
        """Switch off the VMs whose processes are gone, and restart the protected ones."""
        died = [vm for vm in self._vms_on(host) if vm.process_gone]
        restarted = self._availability.in_order(died)
        for vm in restarted if only_protected else died:
            self._states_before.pop(vm.id, None)
            self._world.record(EventKind.LOST_WITH_ITS_HOST, vm)
            self._world.cancel_plan(vm)
            self._world.put(vm.switched_off(stopped_at=self._world.now))
        for vm in restarted:
            self._power.restart_elsewhere(vm.id)

    def _come_back(self, host_id: str) -> None:
        host = self._world.host(host_id)
        if host is not None and not host.answers:
            self.restore(host_id)

    def _vms_on(self, host: Host) -> list[Machine]:
        return [vm for vm in self._world.vms if vm.host_id == host.id]
