"""What can be done to a machine's power, and what becomes of it.

These are the physical verbs. Which of them a platform allows, when, and what
it says instead, is for its face to decide, within ``with world.present():`` so
that nothing changes in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chaosvm.lab.world.events import Asked, EventKind
from chaosvm.lab.world.machine import Machine, State

if TYPE_CHECKING:
    from chaosvm.lab.world.world import World

__all__ = ["Power"]


class Power:
    """The power switch of every machine in a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    # The verbs -------------------------------------------------------------------

    def start(self, vm_id: str, asked: Asked | None = None) -> None:
        """Start a machine that is off, or go on with one that is suspended or paused."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            if vm.stuck:
                return
            if vm.state is State.PAUSED:
                resumed = self._running(EventKind.RESUMED, asked)
                self._world.plan(vm, (self._world.durations.resume, resumed))
            elif vm.state is State.SUSPENDED:
                self._launch(vm, asked, State.RESTORING)
            elif vm.state is State.OFF:
                self._launch(vm, asked, State.LAUNCHING)

    def cut(
        self,
        vm_id: str,
        asked: Asked | None = None,
        told_as: EventKind = EventKind.POWERED_OFF,
    ) -> None:
        """Take its power away. A suspended machine loses its memory."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            if vm.state is State.SUSPENDED:
                told_as = EventKind.MEMORY_DISCARDED
            self._world.record(told_as, vm, asked)
            if vm.stuck:
                return
            if vm.state is State.SUSPENDED:
                self._goes_off(vm)
            elif vm.state is not State.OFF:
                reason = asked.reason if asked else None
                self._world.put(vm.changed(state=State.SHUTTING_DOWN, stop_reason=reason))
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
            ends = self._goes_off if obeys else self._stays_up
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

    def suspend(self, vm_id: str, asked: Asked | None = None) -> None:
        """Save its memory and take it off its host; it runs on for a moment."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.record(EventKind.SUSPEND_ASKED, vm, asked)
            if vm.stuck:
                return
            self._world.plan(
                vm,
                (self._world.durations.before_saving, self._becomes(State.SAVING)),
                (self._world.durations.save, self._is_suspended),
            )

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
            self._world.record(EventKind.CRASHED, vm)
            self._world.plan(vm)
            self._goes_off(vm, told=False)
            if vm.highly_available:
                self._world.plan(vm, (self._world.durations.restart, self._is_restarted))

    # What becomes of them ----------------------------------------------------------

    def _launch(self, vm: Machine, asked: Asked | None, state: State) -> None:
        now, host_id = self._world.now, self._world.place(vm)
        booted_at = vm.booted_at if state is State.RESTORING else now
        vm = vm.changed(state=state, host_id=host_id, started_at=now, booted_at=booted_at)
        vm = vm.changed(tells_start=True, stopped_at=None, stop_reason=None)
        self._world.put(vm)
        if asked is not None:
            self._world.record(EventKind.START_ASKED, vm, asked)
        started = self._running(EventKind.STARTED, asked)
        if state is State.RESTORING:
            self._world.plan(vm, (self._world.durations.restore, started))
            return
        booting = self._becomes(State.BOOTING)
        self._world.plan(vm, (self._world.durations.launch, booting), (self._boot(vm), started))

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
        self._world.record(EventKind.RESTARTED, vm)
        self.start(vm.id)

    def _goes_off(self, vm: Machine, told: bool = True) -> None:
        if told and vm.state is not State.SUSPENDED:
            self._world.record(EventKind.WENT_DOWN, vm)
        gone = vm.changed(state=State.OFF, host_id=None, started_at=None, booted_at=None)
        gone = gone.changed(booting_again=False)
        if vm.stateless:
            gone = gone.changed(busy_until=self._world.now + self._world.durations.clean_up)
        self._world.put(gone.changed(stopped_at=self._world.now))
        if vm.comes_back_after is not None:
            self._world.plan(vm, (vm.comes_back_after, lambda vm: self.start(vm.id)))

    def _becomes(self, state: State) -> Callable[[Machine], None]:
        return lambda vm: self._world.put(vm.changed(state=state))
