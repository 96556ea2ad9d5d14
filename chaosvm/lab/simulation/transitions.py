"""The state changes of a VM that several power operations share."""

from __future__ import annotations

from collections.abc import Callable

from chaosvm.lab.simulation.events import EventKind, Origin
from chaosvm.lab.simulation.inventory import Inventory
from chaosvm.lab.simulation.machine import Machine, State

__all__ = ["Transitions"]


class Transitions:
    """Each takes the VM as it is now, or returns a function that does, for plans."""

    def __init__(self, world: Inventory) -> None:
        self._world = world

    def boot_seconds(self, vm: Machine) -> float:
        durations = self._world.durations
        return durations.boot if vm.guest.agent else durations.boot_without_agent

    def set_running(self, vm: Machine) -> None:
        booted_at = vm.booted_at or self._world.now
        self._world.put(vm.changed(state=State.RUNNING, booted_at=booted_at, booting_again=False))

    def run_and_record(self, kind: EventKind, origin: Origin | None) -> Callable[[Machine], None]:
        def run(vm: Machine) -> None:
            self.set_running(vm)
            self._world.record(kind, vm, origin)

        return run

    def set_suspended(self, vm: Machine) -> None:
        now = self._world.now
        self._world.put(vm.changed(state=State.SUSPENDED, host_id=None, suspended_at=now))
        self._world.record(EventKind.SUSPENDED, vm)

    def set_paused(self, vm: Machine) -> None:
        self._world.put(vm.changed(state=State.PAUSED))
        self._world.record(EventKind.PAUSED, vm)

    def set_off(self, vm: Machine, recorded: bool = True, detail: str | None = None) -> None:
        if recorded and vm.state is not State.SUSPENDED:
            self._world.record(EventKind.WENT_DOWN, vm, detail=detail)
        off = vm.switched_off(stopped_at=self._world.now)
        if vm.stateless:
            until = self._world.now + self._world.durations.clean_up
            off = off.changed(busy_until=until, snapshot_busy=True)
        self._world.put(off)

    def set_state(self, state: State) -> Callable[[Machine], None]:
        def set_state(vm: Machine) -> None:
            self._world.put(vm.changed(state=state))

        return set_state

    def boot_again(self, vm: Machine) -> None:
        self._world.put(self.booting_again(vm))
        self._world.record(EventKind.REBOOTED, vm)

    def booting_again(self, vm: Machine) -> Machine:
        return vm.changed(booted_at=self._world.now, booting_again=True, boots=vm.boots + 1)

    def fail_shutdown(self, vm: Machine) -> None:
        self.set_running(vm.changed(stop_reason=None))
        self._world.record(EventKind.SHUTDOWN_FAILED, vm)
