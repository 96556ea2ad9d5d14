"""Power operations and the state changes that follow.

They check nothing: each protocol server decides which operations its platform allows,
within ``with world.present():`` so that nothing changes in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from chaosvm.lab.simulation.events import EventKind, Origin
from chaosvm.lab.simulation.hardware import Nic
from chaosvm.lab.simulation.inventory import Inventory
from chaosvm.lab.simulation.machine import Machine, State

__all__ = ["Power"]

_PROCESS_EXITED = "internal error: process exited while connecting to monitor."


class Power:
    """The power operations of all VMs in an inventory."""

    def __init__(self, world: Inventory) -> None:
        self._world = world

    # Operations -------------------------------------------------------------------

    def start(
        self,
        vm_id: str,
        origin: Origin | None = None,
        *,
        paused: bool = False,
        waits_for_launch: bool = False,
    ) -> None:
        """Start a VM that is off, or resume one that is suspended or paused.

        paused: start it in state PAUSED.
        waits_for_launch: a suspended VM is in state LAUNCHING before RESTORING.
        """
        with self._world.present():
            vm = self._world.vm(vm_id)
            if vm.stuck:
                return
            if vm.state is State.PAUSED:
                resumed = self._run_and_record(EventKind.RESUMED, origin)
                self._world.plan(vm, (self._world.durations.resume, resumed))
            elif vm.state is State.SUSPENDED:
                self._restore(vm, origin, waits_for_launch)
            elif vm.state is State.OFF and vm.fails_to_start:
                self._try_hosts(vm, origin)
            elif vm.state is State.OFF and vm.stateless and not paused:
                self._launch_stateless(vm, origin)
            elif vm.state is State.OFF:
                self._launch(vm, origin, paused)

    def power_off(
        self,
        vm_id: str,
        origin: Origin | None = None,
        kind: EventKind = EventKind.POWERED_OFF,
        *,
        shown: State | None = State.SHUTTING_DOWN,
    ) -> None:
        """Power off without the guest. A suspended VM loses its saved memory.

        shown: its state until it is off; None keeps the current one.
        """
        with self._world.present():
            vm = self._world.vm(vm_id)
            if vm.state is State.SUSPENDED:
                kind = EventKind.MEMORY_DISCARDED
            self._world.record(kind, vm, origin)
            if vm.stuck:
                return
            if vm.state is State.SUSPENDED:
                self._set_off(vm)
            elif vm.state is not State.OFF and not vm.powering_off:
                reason = origin.reason if origin else None
                state = shown or vm.state
                self._world.put(vm.changed(state=state, stop_reason=reason, powering_off=True))
                self._world.plan(vm, (self._world.durations.power_off, self._set_off))

    def shut_down(self, vm_id: str, origin: Origin | None = None) -> None:
        """Request a guest shutdown, which the guest may ignore."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.record(EventKind.SHUTDOWN_REQUESTED, vm, origin)
            if vm.stuck:
                return
            reason = origin.reason if origin else None
            self._world.put(vm.changed(state=State.SHUTTING_DOWN, stop_reason=reason))
            obeys = vm.guest.obedient and vm.guest.reachable
            end = self._shut_down_by_guest if obeys else self._fail_shutdown
            self._world.plan(vm, (vm.guest.seconds, end))

    def reboot(self, vm_id: str, origin: Origin | None = None) -> None:
        """Request a guest reboot, which the guest may ignore."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.record(EventKind.REBOOT_REQUESTED, vm, origin)
            if vm.stuck:
                return
            if vm.guest.shows_reboot:
                self._world.put(vm.changed(state=State.REBOOTING))
            if vm.guest.obedient and vm.guest.reachable:
                self._world.plan(
                    vm,
                    (vm.guest.seconds, self._boot_again),
                    (self._boot_seconds(vm), self._set_running),
                )
            else:
                self._world.plan(vm, (vm.guest.seconds, self._set_running))

    def reset(self, vm_id: str, origin: Origin | None = None) -> None:
        """Reset like the hardware button: the guest boots again, in the same process."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.record(EventKind.RESET, vm, origin)
            if vm.stuck:
                return
            vm = vm.changed(state=State.REBOOTING, booted_at=self._world.now, booting_again=True)
            self._world.put(vm)
            self._world.plan(vm, (self._boot_seconds(vm), self._set_running))

    def suspend(
        self, vm_id: str, origin: Origin | None = None, *, only_if_running: bool = False
    ) -> None:
        """Save its memory and remove it from its host, after it ran on for a moment.

        only_if_running: do not cancel operations that start in that moment, and suspend
            only if the VM is running after it.
        """
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.record(EventKind.SUSPEND_REQUESTED, vm, origin)
            if vm.stuck:
                return
            before = self._world.durations.before_saving
            if only_if_running:
                self._world.put(vm.changed(hibernating_until=self._world.now + before))
                self._world.call_later(before, partial(self._save_if_running, vm.id))
                return
            saving = (before, self._set_state(State.SAVING))
            saved = (self._world.durations.save, self._set_suspended)
            self._world.plan(vm, saving, saved)

    def migrate(self, vm_id: str, origin: Origin | None = None) -> None:
        """Move it to another host of its cluster while it is running."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            others = [host for host in self._world.usable_hosts(vm) if host.id != vm.host_id]
            if vm.stuck or not others:
                return
            self._world.record(EventKind.MIGRATION_REQUESTED, vm, origin, detail=others[0].name)
            before = vm.state

            def arrive(vm: Machine) -> None:
                self._world.record(EventKind.MIGRATED, vm, origin, detail=others[0].name)
                self._world.put(vm.changed(state=before, host_id=others[0].id))

            self._world.put(vm.changed(state=State.MIGRATING))
            self._world.plan(vm, (self._world.durations.migrate, arrive))

    def pause(self, vm_id: str) -> None:
        """Pause it, as platforms do when storage fails."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            if not vm.stuck:
                self._world.plan(vm, (0, self._set_state(State.PAUSED)))

    def crash(self, vm_id: str) -> None:
        """Let its process die. A highly available VM is restarted."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            if vm.stuck or not vm.state.on_a_host:
                return
            self._world.record(EventKind.CRASHED, vm, detail="Lost connection with qemu process.")
            self._world.plan(vm)
            self._set_off(vm, recorded=False)
            if vm.highly_available:
                self._world.record(EventKind.WILL_BE_RESTARTED, vm)
                self._world.plan(vm, (self._world.durations.restart, self._restart))

    def restart_elsewhere(self, vm_id: str) -> None:
        """Restart it, as platforms do for a highly available VM whose host is lost."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.plan(vm, (self._world.durations.restart, self._restart))

    # State changes -----------------------------------------------------------------

    def _restore(self, vm: Machine, origin: Origin | None, waits_for_launch: bool) -> None:
        state = State.LAUNCHING if waits_for_launch else State.RESTORING
        vm = self._put_on_host(vm, state, booted_at=vm.booted_at)
        self._record_start(EventKind.START_REQUESTED, vm, origin)
        restored = (self._world.durations.restore, self._run_and_record(EventKind.STARTED, origin))
        if waits_for_launch:
            restoring = self._set_state(State.RESTORING)
            self._world.plan(vm, (self._world.durations.launch, restoring), restored)
        else:
            self._world.plan(vm, restored)

    def _launch(
        self, vm: Machine, origin: Origin | None, paused: bool = False, stateless: bool = False
    ) -> None:
        vm = vm.changed(nics=tuple(map(_as_at_start, vm.nics)))
        vm = self._put_on_host(vm, State.LAUNCHING, booted_at=self._world.now)
        if not stateless:
            kind = EventKind.PAUSED_START_REQUESTED if paused else EventKind.START_REQUESTED
            self._record_start(kind, vm, origin)
        started = self._run_and_record(
            EventKind.STATELESS_STARTED if stateless else EventKind.STARTED, origin
        )
        launch = self._world.durations.launch
        if paused:
            self._world.plan(vm, (launch, self._set_paused))
            return
        booting = self._set_state(State.BOOTING)
        self._world.plan(vm, (launch, booting), (self._boot_seconds(vm), started))

    def _launch_stateless(self, vm: Machine, origin: Origin | None) -> None:
        """It stays off while a snapshot of its disks is made."""
        seconds = self._world.durations.stateless_start
        self._record_start(EventKind.STATELESS_START_REQUESTED, vm, origin)
        self._world.put(vm.changed(busy_until=self._world.now + seconds))
        self._world.plan(vm, (seconds, lambda vm: self._launch(vm, origin, stateless=True)))

    def _try_hosts(self, vm: Machine, origin: Origin | None) -> None:
        """Start it on one host after the other. Its process exits on each."""
        seconds = self._world.durations.failed_start

        def try_host(host_id: str) -> Callable[[Machine], None]:
            def attempt(vm: Machine) -> None:
                self._world.put(vm.changed(state=State.LAUNCHING, host_id=host_id))
                self._record_start(EventKind.START_REQUESTED, self._world.vm(vm.id), origin)

            return attempt

        def fail(vm: Machine) -> None:
            self._world.record(EventKind.CRASHED, vm, detail=_PROCESS_EXITED)
            self._world.record(EventKind.START_FAILED_ON_HOST, vm, origin)

        def give_up(vm: Machine) -> None:
            self._world.record(EventKind.START_FAILED, vm, origin)
            self._set_off(vm, recorded=False)

        hosts = [host.id for host in self._world.usable_hosts(vm)]
        steps: list[tuple[float, Callable[[Machine], None]]] = []
        for host_id in hosts[1:]:
            steps += [(seconds, fail), (0.0, try_host(host_id))]
        if hosts:
            try_host(hosts[0])(vm)
        self._world.plan(vm, *steps, (seconds, fail), (0.0, give_up))

    def _put_on_host(self, vm: Machine, state: State, booted_at: float | None) -> Machine:
        now, host_id = self._world.now, self._world.choose_host(vm)
        vm = vm.changed(state=state, host_id=host_id, started_at=now, booted_at=booted_at)
        return self._world.put(vm.changed(tells_start=True, stop_reason=None))

    def _record_start(self, kind: EventKind, vm: Machine, origin: Origin | None) -> None:
        if origin is not None:
            self._world.record(kind, vm, origin)

    def _boot_seconds(self, vm: Machine) -> float:
        durations = self._world.durations
        return durations.boot if vm.guest.agent else durations.boot_without_agent

    def _set_running(self, vm: Machine) -> None:
        booted_at = vm.booted_at or self._world.now
        self._world.put(vm.changed(state=State.RUNNING, booted_at=booted_at, booting_again=False))

    def _run_and_record(self, kind: EventKind, origin: Origin | None) -> Callable[[Machine], None]:
        def run(vm: Machine) -> None:
            self._set_running(vm)
            self._world.record(kind, vm, origin)

        return run

    def _fail_shutdown(self, vm: Machine) -> None:
        self._set_running(vm.changed(stop_reason=None))
        self._world.record(EventKind.SHUTDOWN_FAILED, vm)

    def _boot_again(self, vm: Machine) -> None:
        self._world.put(vm.changed(booted_at=self._world.now, booting_again=True))
        self._world.record(EventKind.REBOOTED, vm)

    def _set_suspended(self, vm: Machine) -> None:
        self._world.put(vm.changed(state=State.SUSPENDED, host_id=None))
        self._world.record(EventKind.SUSPENDED, vm)

    def _restart(self, vm: Machine) -> None:
        self.start(vm.id)
        self._world.record(EventKind.RESTARTED, self._world.vm(vm.id))

    def _save_if_running(self, vm_id: str) -> None:
        """Drop the request if the VM is not running any more."""
        if not self._world.has_vm(vm_id):
            return
        vm = self._world.vm(vm_id).changed(hibernating_until=0.0)
        if vm.stuck or vm.state is not State.RUNNING:
            self._world.put(vm)
            return
        self._world.put(vm.changed(state=State.SAVING))
        self._world.plan(vm, (self._world.durations.save, self._set_suspended))

    def _set_paused(self, vm: Machine) -> None:
        self._world.put(vm.changed(state=State.PAUSED))
        self._world.record(EventKind.PAUSED, vm)

    def _shut_down_by_guest(self, vm: Machine) -> None:
        self._set_off(vm, detail="User shut down from within the guest")

    def _set_off(self, vm: Machine, recorded: bool = True, detail: str | None = None) -> None:
        if recorded and vm.state is not State.SUSPENDED:
            self._world.record(EventKind.WENT_DOWN, vm, detail=detail)
        off = vm.changed(state=State.OFF, host_id=None, started_at=None, booted_at=None)
        off = off.changed(booting_again=False, powering_off=False)
        if vm.stateless:
            until = self._world.now + self._world.durations.clean_up
            off = off.changed(busy_until=until, snapshot_busy=True)
        self._world.put(off.changed(stopped_at=self._world.now))
        if vm.comes_back_after is not None:
            self._world.plan(vm, (vm.comes_back_after, lambda vm: self.start(vm.id)))

    def _set_state(self, state: State) -> Callable[[Machine], None]:
        def set_state(vm: Machine) -> None:
            self._world.put(vm.changed(state=state))

        return set_state


def _as_at_start(nic: Nic) -> Nic:
    if nic.connected is nic.start_connected:
        return nic
    return replace(nic, connected=nic.start_connected)
