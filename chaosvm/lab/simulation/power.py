"""What can be done to a machine's power, and what becomes of it.

These are the physical verbs. Which of them a platform allows, when, and what
it says instead, is for its face to decide, within ``with world.present():`` so
that nothing changes in between.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from chaosvm.lab.simulation.events import Asked, EventKind
from chaosvm.lab.simulation.machine import Machine, State

if TYPE_CHECKING:
    from chaosvm.lab.simulation.world import World

__all__ = ["Power"]


_EXITED = "internal error: process exited while connecting to monitor."


class Power:
    """The power switch of every machine in a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    # The verbs -------------------------------------------------------------------

    def start(
        self,
        vm_id: str,
        asked: Asked | None = None,
        *,
        paused: bool = False,
        waits_for_launch: bool = False,
    ) -> None:
        """Start a machine that is off, or go on with one that is suspended or paused.

        ``paused``: it is not to go on by itself. ``waits_for_launch``: a suspended
        one shows that it is launched before it is restored.
        """
        with self._world.present():
            vm = self._world.vm(vm_id)
            if vm.stuck:
                return
            if vm.state is State.PAUSED:
                resumed = self._running(EventKind.RESUMED, asked)
                self._world.plan(vm, (self._world.durations.resume, resumed))
            elif vm.state is State.SUSPENDED:
                self._restore(vm, asked, waits_for_launch)
            elif vm.state is State.OFF and vm.fails_to_start:
                self._try_hosts(vm, asked)
            elif vm.state is State.OFF and vm.stateless and not paused:
                self._launch_stateless(vm, asked)
            elif vm.state is State.OFF:
                self._launch(vm, asked, paused)

    def cut(
        self,
        vm_id: str,
        asked: Asked | None = None,
        told_as: EventKind = EventKind.POWERED_OFF,
        *,
        shown: State | None = State.SHUTTING_DOWN,
    ) -> None:
        """Take its power away. A suspended machine loses its memory.

        ``shown`` is its state until it is off; None leaves it as it is.
        """
        with self._world.present():
            vm = self._world.vm(vm_id)
            if vm.state is State.SUSPENDED:
                told_as = EventKind.MEMORY_DISCARDED
            self._world.record(told_as, vm, asked)
            if vm.stuck:
                return
            if vm.state is State.SUSPENDED:
                self._goes_off(vm)
            elif vm.state is not State.OFF and not vm.being_cut:
                reason = asked.reason if asked else None
                cut = vm.changed(state=shown or vm.state, stop_reason=reason, being_cut=True)
                self._world.put(cut)
                self._world.plan(vm, (self._world.durations.power_off, self._goes_off))

    def shut_down(self, vm_id: str, asked: Asked | None = None) -> None:
        """Ask the guest to shut down, which it may not do."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.record(EventKind.SHUTDOWN_ASKED, vm, asked)
            if vm.stuck:
                return
            reason = asked.reason if asked else None
            self._world.put(vm.changed(state=State.SHUTTING_DOWN, stop_reason=reason))
            obeys = vm.guest.obedient and vm.guest.reachable
            ends = self._shut_down_from_within if obeys else self._stays_up
            self._world.plan(vm, (vm.guest.seconds, ends))

    def reboot(self, vm_id: str, asked: Asked | None = None) -> None:
        """Ask the guest to reboot, which it may not do."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.record(EventKind.REBOOT_ASKED, vm, asked)
            if vm.stuck:
                return
            if vm.guest.shows_reboot:
                self._world.put(vm.changed(state=State.REBOOTING))
            if vm.guest.obedient and vm.guest.reachable:
                self._world.plan(
                    vm, (vm.guest.seconds, self._boots_again), (self._boot(vm), self._runs)
                )
            else:
                self._world.plan(vm, (vm.guest.seconds, self._runs))

    def reset(self, vm_id: str, asked: Asked | None = None) -> None:
        """As the button of that name: the guest boots anew, in the same process."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.record(EventKind.RESET, vm, asked)
            if vm.stuck:
                return
            vm = vm.changed(state=State.REBOOTING, booted_at=self._world.now, booting_again=True)
            self._world.put(vm)
            self._world.plan(vm, (self._boot(vm), self._runs))

    def suspend(
        self, vm_id: str, asked: Asked | None = None, *, only_if_it_runs: bool = False
    ) -> None:
        """Save its memory and take it off its host; it runs on for a moment.

        ``only_if_it_runs``: what it is made to do in that moment goes on, and if it
        does not run at the end of it, nothing more is done.
        """
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.record(EventKind.SUSPEND_ASKED, vm, asked)
            if vm.stuck:
                return
            before = self._world.durations.before_saving
            if only_if_it_runs:
                self._world.put(vm.changed(hibernating_until=self._world.now + before))
                self._world.later(before, partial(self._saves, vm.id))
                return
            saving = (before, self._becomes(State.SAVING))
            saved = (self._world.durations.save, self._is_suspended)
            self._world.plan(vm, saving, saved)

    def migrate(self, vm_id: str, asked: Asked | None = None) -> None:
        """Move it to another host of its cluster while it runs."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            others = [host for host in self._world.usable_hosts(vm) if host.id != vm.host_id]
            if vm.stuck or not others:
                return
            self._world.record(EventKind.MIGRATION_ASKED, vm, asked, detail=others[0].name)
            before = vm.state

            def arrives(vm: Machine) -> None:
                self._world.record(EventKind.MIGRATED, vm, asked, detail=others[0].name)
                self._world.put(vm.changed(state=before, host_id=others[0].id))

            self._world.put(vm.changed(state=State.MIGRATING))
            self._world.plan(vm, (self._world.durations.migrate, arrives))

    def pause(self, vm_id: str) -> None:
        """What a platform does by itself when storage fails."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            if not vm.stuck:
                self._world.plan(vm, (0, self._becomes(State.PAUSED)))

    def crash(self, vm_id: str) -> None:
        """Its process dies. A highly available machine is started again."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            if vm.stuck or not vm.state.on_a_host:
                return
            self._world.record(EventKind.CRASHED, vm, detail="Lost connection with qemu process.")
            self._world.plan(vm)
            self._goes_off(vm, told=False)
            if vm.highly_available:
                self._world.record(EventKind.WILL_BE_RESTARTED, vm)
                self._world.plan(vm, (self._world.durations.restart, self._is_restarted))

    def restart_elsewhere(self, vm_id: str) -> None:
        """What a platform does for a highly available machine whose host is gone."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.plan(vm, (self._world.durations.restart, self._is_restarted))

    # What becomes of them ----------------------------------------------------------

    def _restore(self, vm: Machine, asked: Asked | None, waits_for_launch: bool) -> None:
        state = State.LAUNCHING if waits_for_launch else State.RESTORING
        vm = self._on_a_host(vm, state, booted_at=vm.booted_at)
        self._start_asked(EventKind.START_ASKED, vm, asked)
        restored = (self._world.durations.restore, self._running(EventKind.STARTED, asked))
        if waits_for_launch:
            restoring = self._becomes(State.RESTORING)
            self._world.plan(vm, (self._world.durations.launch, restoring), restored)
        else:
            self._world.plan(vm, restored)

    def _launch(
        self, vm: Machine, asked: Asked | None, paused: bool = False, stateless: bool = False
    ) -> None:
        vm = self._on_a_host(vm, State.LAUNCHING, booted_at=self._world.now)
        if not stateless:
            kind = EventKind.PAUSED_START_ASKED if paused else EventKind.START_ASKED
            self._start_asked(kind, vm, asked)
        started = self._running(
            EventKind.STATELESS_STARTED if stateless else EventKind.STARTED, asked
        )
        launch = self._world.durations.launch
        if paused:
            self._world.plan(vm, (launch, self._is_paused))
            return
        booting = self._becomes(State.BOOTING)
        self._world.plan(vm, (launch, booting), (self._boot(vm), started))

    def _launch_stateless(self, vm: Machine, asked: Asked | None) -> None:
        """A snapshot of its disks is made first, and it stays off so long."""
        seconds = self._world.durations.stateless_start
        self._start_asked(EventKind.STATELESS_START_ASKED, vm, asked)
        self._world.put(vm.changed(busy_until=self._world.now + seconds))
        self._world.plan(vm, (seconds, lambda vm: self._launch(vm, asked, stateless=True)))

    def _try_hosts(self, vm: Machine, asked: Asked | None) -> None:
        """It is started on one host after the other, and ends on each."""
        seconds = self._world.durations.failed_start

        def tried(host_id: str) -> Callable[[Machine], None]:
            def attempt(vm: Machine) -> None:
                self._world.put(vm.changed(state=State.LAUNCHING, host_id=host_id))
                self._start_asked(EventKind.START_ASKED, self._world.vm(vm.id), asked)

            return attempt

        def failed(vm: Machine) -> None:
            self._world.record(EventKind.CRASHED, vm, detail=_EXITED)
            self._world.record(EventKind.START_FAILED_ON_HOST, vm, asked)

        def given_up(vm: Machine) -> None:
            self._world.record(EventKind.START_FAILED, vm, asked)
            self._goes_off(vm, told=False)

        hosts = [host.id for host in self._world.usable_hosts(vm)]
        steps: list[tuple[float, Callable[[Machine], None]]] = []
        for host_id in hosts[1:]:
            steps += [(seconds, failed), (0.0, tried(host_id))]
        if hosts:
            tried(hosts[0])(vm)
        self._world.plan(vm, *steps, (seconds, failed), (0.0, given_up))

    def _on_a_host(self, vm: Machine, state: State, booted_at: float | None) -> Machine:
        now, host_id = self._world.now, self._world.place(vm)
        vm = vm.changed(state=state, host_id=host_id, started_at=now, booted_at=booted_at)
        vm = vm.changed(tells_start=True, stop_reason=None)
        self._world.put(vm)
        return vm

    def _start_asked(self, kind: EventKind, vm: Machine, asked: Asked | None) -> None:
        if asked is not None:
            self._world.record(kind, vm, asked)

    def _boot(self, vm: Machine) -> float:
        durations = self._world.durations
        return durations.boot if vm.guest.agent else durations.boot_without_agent

    def _runs(self, vm: Machine) -> None:
        booted_at = vm.booted_at or self._world.now
        self._world.put(vm.changed(state=State.RUNNING, booted_at=booted_at, booting_again=False))

    def _running(self, told_as: EventKind, asked: Asked | None) -> Callable[[Machine], None]:
        def run(vm: Machine) -> None:
            self._runs(vm)
            self._world.record(told_as, vm, asked)

        return run

    def _stays_up(self, vm: Machine) -> None:
        self._runs(vm.changed(stop_reason=None))
        self._world.record(EventKind.SHUTDOWN_FAILED, vm)

    def _boots_again(self, vm: Machine) -> None:
        self._world.put(vm.changed(booted_at=self._world.now, booting_again=True))
        self._world.record(EventKind.REBOOTED, vm)

    def _is_suspended(self, vm: Machine) -> None:
        self._world.put(vm.changed(state=State.SUSPENDED, host_id=None))
        self._world.record(EventKind.SUSPENDED, vm)

    def _is_restarted(self, vm: Machine) -> None:
        self.start(vm.id)
        self._world.record(EventKind.RESTARTED, self._world.vm(vm.id))

    def _saves(self, vm_id: str) -> None:
        """Only a machine that runs is saved; of another one the request is forgotten."""
        if not self._world.knows(vm_id):
            return
        vm = self._world.vm(vm_id).changed(hibernating_until=0.0)
        if vm.stuck or vm.state is not State.RUNNING:
            self._world.put(vm)
            return
        self._world.put(vm.changed(state=State.SAVING))
        self._world.plan(vm, (self._world.durations.save, self._is_suspended))

    def _is_paused(self, vm: Machine) -> None:
        self._world.put(vm.changed(state=State.PAUSED))
        self._world.record(EventKind.PAUSED, vm)

    def _shut_down_from_within(self, vm: Machine) -> None:
        self._goes_off(vm, detail="User shut down from within the guest")

    def _goes_off(self, vm: Machine, told: bool = True, detail: str | None = None) -> None:
        if told and vm.state is not State.SUSPENDED:
            self._world.record(EventKind.WENT_DOWN, vm, detail=detail)
        gone = vm.changed(state=State.OFF, host_id=None, started_at=None, booted_at=None)
        gone = gone.changed(booting_again=False, being_cut=False)
        if vm.stateless:
            until = self._world.now + self._world.durations.clean_up
            gone = gone.changed(busy_until=until, snapshot_busy=True)
        self._world.put(gone.changed(stopped_at=self._world.now))
        if vm.comes_back_after is not None:
            self._world.plan(vm, (vm.comes_back_after, lambda vm: self.start(vm.id)))

    def _becomes(self, state: State) -> Callable[[Machine], None]:
        return lambda vm: self._world.put(vm.changed(state=state))
