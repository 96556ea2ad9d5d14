"""Power operations and the state changes that follow.

They check nothing: each protocol server decides which operations its platform allows,
within ``with world.present():`` so that nothing changes in between.
"""

from __future__ import annotations

from functools import partial

from chaosvm.lab.simulation.availability import Availability
from chaosvm.lab.simulation.events import EventKind, Origin
from chaosvm.lab.simulation.inventory import Inventory
from chaosvm.lab.simulation.machine import Machine, State
from chaosvm.lab.simulation.starts import Starts
from chaosvm.lab.simulation.transitions import Transitions

__all__ = ["Power"]


class Power:
    """The power operations of all VMs in an inventory."""

    def __init__(self, world: Inventory, availability: Availability) -> None:
        self._world = world
        self._availability = availability
        self.transitions = Transitions(world)
        self._starts = Starts(world, self.transitions)

    # Operations -------------------------------------------------------------------

    def start(
        self,
        vm_id: str,
        origin: Origin | None = None,
        *,
        paused: bool = False,
        waits_for_launch: bool = False,
        host_id: str | None = None,
    ) -> None:
        """Start a VM that is off, or resume one that is suspended or paused.

        paused: start it in state PAUSED.
        waits_for_launch: a suspended VM is in state LAUNCHING before RESTORING.
        host_id: where, by default on its last host or any of its cluster.
        """
        with self._world.present():
            vm = self._world.vm(vm_id)
            if not vm.stuck:
                self._starts.start(
                    vm, origin, paused=paused, waits_for_launch=waits_for_launch, host_id=host_id
                )

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
                self._go_off(vm)
            elif vm.state is not State.OFF and not vm.powering_off:
                reason = origin.reason if origin else None
                state = shown or vm.state
                self._world.put(vm.changed(state=state, stop_reason=reason, powering_off=True))
                self._world.plan(vm, (self._world.durations.power_off, self._go_off))

    def shut_down(self, vm_id: str, origin: Origin | None = None) -> None:
        """Request a guest shutdown, which the guest may ignore."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.record(EventKind.SHUTDOWN_REQUESTED, vm, origin)
            if vm.stuck:
                return
            reason = origin.reason if origin else None
            self._world.put(vm.changed(state=State.SHUTTING_DOWN, stop_reason=reason))
            end = self._shut_down_by_guest if vm.obeys else self.transitions.fail_shutdown
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
            if vm.obeys:
                self._world.plan(
                    vm,
                    (vm.guest.seconds, self.transitions.boot_again),
                    (self.transitions.boot_seconds(vm), self.transitions.set_running),
                )
            else:
                self._world.plan(vm, (vm.guest.seconds, self.transitions.set_running))

    def reset(self, vm_id: str, origin: Origin | None = None) -> None:
        """Reset like the hardware button: the guest boots again, in the same process."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.record(EventKind.RESET, vm, origin)
            if vm.stuck:
                return
            self._world.put(self.transitions.booting_again(vm).changed(state=State.REBOOTING))
            self._world.plan(vm, (self.transitions.boot_seconds(vm), self.transitions.set_running))

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
            saving = (before, self.transitions.set_state(State.SAVING))
            saved = (self._world.durations.save, self.transitions.set_suspended)
            self._world.plan(vm, saving, saved)

    def migrate(self, vm_id: str, origin: Origin | None = None, host_id: str | None = None) -> None:
        """Move it, running or not, to a host, by default to another one of its cluster."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            others = [host for host in self._world.usable_hosts(vm) if host.id != vm.host_id]
            target = self._world.host(host_id) or next(iter(others), None)
            if vm.stuck or target is None:
                return
            moved = {"cluster_id": target.cluster_id}
            self._world.record(EventKind.MIGRATION_REQUESTED, vm, origin, detail=target.name)
            if not vm.state.on_a_host:
                self._world.put(vm.changed(home_id=target.id, **moved))
                self._world.record(EventKind.MIGRATED, vm, origin, detail=target.name)
                return
            before = vm.state

            def arrive(vm: Machine) -> None:
                self._world.record(EventKind.MIGRATED, vm, origin, detail=target.name)
                self._world.put(vm.changed(state=before, host_id=target.id, **moved))

            self._world.put(vm.changed(state=State.MIGRATING))
            self._world.plan(vm, (self._world.durations.migrate, arrive))

    def pause(self, vm_id: str) -> None:
        """Pause it, as platforms do when storage fails."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            if not vm.stuck:
                self._world.plan(vm, (0, self.transitions.set_state(State.PAUSED)))

    def crash(self, vm_id: str) -> None:
        """Let its process die. A highly available VM is restarted."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            if vm.stuck or not vm.state.on_a_host:
                return
            self._world.record(EventKind.CRASHED, vm, detail="Lost connection with qemu process.")
            self._world.plan(vm)
            self._go_off(vm, recorded=False)
            if self._availability.is_protected(vm):
                self._world.record(EventKind.WILL_BE_RESTARTED, vm)
                self.restart_elsewhere(vm.id)

    def restart_elsewhere(self, vm_id: str) -> None:
        """Restart a VM that is off on another host if there is one, as high availability does."""
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._world.plan(vm, (self._world.durations.restart, self._restart))

    # State changes -----------------------------------------------------------------

    def _restart(self, vm: Machine) -> None:
        host_id = self._availability.choose_host(vm)
        if host_id is None:
            self._world.record(EventKind.RESTART_FAILED, vm)
            self._world.put(vm.changed(awaits_restart=True))
            return
        self.start(vm.id, host_id=host_id)
        self._world.record(EventKind.RESTARTED, self._world.vm(vm.id))

    def _go_off(self, vm: Machine, recorded: bool = True, detail: str | None = None) -> None:
        self.transitions.set_off(vm, recorded, detail)
        if vm.comes_back_after is not None:
            self._world.plan(vm, (vm.comes_back_after, lambda vm: self.start(vm.id)))

    def _save_if_running(self, vm_id: str) -> None:
        """Drop the request if the VM is no longer running."""
        if not self._world.has_vm(vm_id):
            return
        vm = self._world.vm(vm_id).changed(hibernating_until=0.0)
        if vm.stuck or vm.state is not State.RUNNING:
            self._world.put(vm)
            return
        self._world.put(vm.changed(state=State.SAVING))
        self._world.plan(vm, (self._world.durations.save, self.transitions.set_suspended))

    def _shut_down_by_guest(self, vm: Machine) -> None:
        self._go_off(vm, detail="User shut down from within the guest")
