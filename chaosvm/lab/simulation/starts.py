"""How a VM gets onto a host: started, restored, or tried on one host after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chaosvm.lab.simulation.events import EventKind, Origin
from chaosvm.lab.simulation.hardware import Nic
from chaosvm.lab.simulation.inventory import Inventory
from chaosvm.lab.simulation.machine import Machine, State
from chaosvm.lab.simulation.transitions import Transitions

__all__ = ["Starts"]

_PROCESS_EXITED = "internal error: process exited while connecting to monitor."


class Starts:
    def __init__(self, world: Inventory, transitions: Transitions) -> None:
        self._world = world
        self._transitions = transitions

    def start(
        self,
        vm: Machine,
        origin: Origin | None,
        *,
        paused: bool,
        waits_for_launch: bool,
        host_id: str | None,
    ) -> None:
        """Start a VM that is off, or resume one that is suspended or paused."""
        host_id = host_id or self._world.choose_host(vm)
        if vm.state is State.PAUSED:
            resumed = self._transitions.run_and_record(EventKind.RESUMED, origin=origin)
            self._world.plan(vm, (self._world.durations.resume, resumed))
        elif vm.state is State.SUSPENDED:
            self._restore(vm, host_id, origin, waits_for_launch)
        elif vm.state is State.OFF and vm.fails_to_start:
            self._try_hosts(vm, origin)
        elif vm.state is State.OFF and vm.stateless and not paused:
            self._launch_stateless(vm, host_id, origin)
        elif vm.state is State.OFF:
            self._launch(vm, host_id, origin, paused)

    def _restore(
        self, vm: Machine, host_id: str | None, origin: Origin | None, waits_for_launch: bool
    ) -> None:
        state = State.LAUNCHING if waits_for_launch else State.RESTORING
        now = self._world.now
        # The guest does not notice the time in between.
        asleep = now - (vm.suspended_at or now)
        booted_at = None if vm.booted_at is None else vm.booted_at + asleep
        vm = self._put_on_host(vm, host_id, state, booted_at)
        self._record_start(EventKind.START_REQUESTED, vm, origin)
        restored = (
            self._world.durations.restore,
            self._transitions.run_and_record(
                EventKind.POWERED_ON, EventKind.STARTED, origin=origin
            ),
        )
        if waits_for_launch:
            restoring = self._transitions.set_state(State.RESTORING)
            self._world.plan(vm, (self._world.durations.launch, restoring), restored)
        else:
            self._world.plan(vm, restored)

    def _launch(
        self,
        vm: Machine,
        host_id: str | None,
        origin: Origin | None,
        paused: bool = False,
        stateless: bool = False,
    ) -> None:
        vm = vm.changed(nics=tuple(map(_as_at_start, vm.nics)), boots=vm.boots + 1)
        vm = self._put_on_host(vm, host_id, State.LAUNCHING, booted_at=self._world.now)
        if not stateless:
            kind = EventKind.PAUSED_START_REQUESTED if paused else EventKind.START_REQUESTED
            self._record_start(kind, vm, origin)
        started = self._transitions.run_and_record(
            EventKind.STATELESS_STARTED if stateless else EventKind.STARTED, origin=origin
        )
        launch = self._world.durations.launch
        if paused:
            self._world.plan(vm, (launch, self._transitions.set_paused))
            return
        booting = self._transitions.boot_and_record(origin)
        self._world.plan(vm, (launch, booting), (self._transitions.boot_seconds(vm), started))

    def _launch_stateless(self, vm: Machine, host_id: str | None, origin: Origin | None) -> None:
        """It stays off while a snapshot of its disks is made."""
        seconds = self._world.durations.stateless_start
        self._record_start(EventKind.STATELESS_START_REQUESTED, vm, origin)
        self._world.put(vm.changed(busy_until=self._world.now + seconds))
        self._world.plan(
            vm, (seconds, lambda vm: self._launch(vm, host_id, origin, stateless=True))
        )

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
            self._transitions.set_off(vm, recorded=False)

        hosts = [host.id for host in self._world.usable_hosts(vm)]
        steps: list[tuple[float, Callable[[Machine], None]]] = []
        for host_id in hosts[1:]:
            steps += [(seconds, fail), (0.0, try_host(host_id))]
        if hosts:
            try_host(hosts[0])(vm)
        self._world.plan(vm, *steps, (seconds, fail), (0.0, give_up))

    def _put_on_host(
        self, vm: Machine, host_id: str | None, state: State, booted_at: float | None
    ) -> Machine:
        started = vm.changed(
            state=state,
            host_id=host_id,
            started_at=self._world.now,
            booted_at=booted_at,
            tells_start=True,
            suspended_at=None,
            awaits_restart=False,
            stop_reason=None,
        )
        return self._world.put(started)

    def _record_start(self, kind: EventKind, vm: Machine, origin: Origin | None) -> None:
        if origin is not None:
            self._world.record(kind, vm, origin)


def _as_at_start(nic: Nic) -> Nic:
    if nic.connected is nic.start_connected:
        return nic
    return replace(nic, connected=nic.start_connected)
