"""The state changes of a VM that several power operations share."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from functools import partial

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
        booted = vm.booting_again or vm.state is State.BOOTING
        booted_at = vm.booted_at or self._world.now
        vm = vm.changed(state=State.RUNNING, booted_at=booted_at, booting_again=False)
        self._world.put(self._guest_booted(vm) if booted else vm)

    def _guest_booted(self, vm: Machine) -> Machine:
        """Its agent and its addresses may come later."""
        guest = vm.guest
        for flag, seconds in (
            ("agent_starting", guest.agent_after),
            ("addresses_missing", guest.ip_after),
        ):
            if seconds:
                self._world.call_later(seconds, partial(self._clear, vm.id, vm.boots, flag))
        addresses = vm.ip_addresses
        if guest.new_addresses:
            addresses = tuple(map(_next_address, addresses))
        return vm.changed(
            hung=False,
            agent_starting=guest.agent_after > 0,
            addresses_missing=guest.ip_after > 0,
            heartbeat_lost=vm.heartbeat_lost if guest.agent_after else "",
            ip_addresses=addresses,
        )

    def _clear(self, vm_id: str, boots: int, flag: str) -> None:
        """Clear a flag if the VM has not booted again."""
        if self._world.has_vm(vm_id) and (vm := self._world.vm(vm_id)).boots == boots:
            lost = "" if flag == "agent_starting" else vm.heartbeat_lost
            self._world.put(vm.changed(**{flag: False}, heartbeat_lost=lost))

    def lose_heartbeat(self, vm: Machine) -> Machine:
        """The agent falls silent while the VM is on: yellow for a moment, then red."""
        if not vm.agent_running:
            return vm
        self._world.call_later(self._world.durations.heartbeat, partial(self._redden, vm.id))
        return vm.changed(heartbeat_lost="yellow")

    def _redden(self, vm_id: str) -> None:
        if self._world.has_vm(vm_id) and self._world.vm(vm_id).heartbeat == "yellow":
            self._world.change(vm_id, heartbeat_lost="red")

    def run_and_record(self, *kinds: EventKind, origin: Origin | None) -> Callable[[Machine], None]:
        def run(vm: Machine) -> None:
            self.set_running(vm)
            for kind in kinds:
                self._world.record(kind, vm, origin)

        return run

    def boot_and_record(self, origin: Origin | None) -> Callable[[Machine], None]:
        def boot(vm: Machine) -> None:
            self._world.put(vm.changed(state=State.BOOTING))
            self._world.record(EventKind.POWERED_ON, vm, origin)

        return boot

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
        vm = self.lose_heartbeat(vm)
        return vm.changed(
            booted_at=self._world.now,
            booting_again=True,
            boots=vm.boots + 1,
            hung=False,
            agent_starting=False,
            addresses_missing=False,
        )

    def fail_shutdown(self, vm: Machine) -> None:
        self.set_running(vm.changed(stop_reason=None))
        self._world.record(EventKind.SHUTDOWN_FAILED, vm)


def _next_address(address: str) -> str:
    """Another address of its network, as a DHCP server gives it."""
    parsed = ipaddress.ip_address(address)
    network = ipaddress.ip_network(f"{address}/{24 if parsed.version == 4 else 64}", strict=False)
    after = parsed + 1
    return str(after if after in network and after != network.broadcast_address else network[1])
