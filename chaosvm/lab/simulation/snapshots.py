"""Snapshots of VMs: a tree, and what a revert restores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from chaosvm.lab.simulation.events import EventKind, Origin
from chaosvm.lab.simulation.inventory import Inventory, NotFound
from chaosvm.lab.simulation.machine import Machine, Snapshot, State

__all__ = ["Snapshots"]

# What a revert restores, besides the state.
_REVERTED = ("topology", "memory", "nics", "disks", "limits", "os", "platform_data")


class Snapshots:
    """The snapshots of all VMs. They exist at once; the VM is busy until they are made.

    Nothing is checked: each protocol server decides what its platform allows.
    """

    def __init__(self, world: Inventory) -> None:
        self._world = world
        self._last_number = 0

    def of(self, vm_id: str) -> list[Snapshot]:
        """Oldest first."""
        return list(self._world.vm(vm_id).snapshots)

    def current(self, vm_id: str) -> Snapshot | None:
        """The snapshot that the VM's disks are based on."""
        vm = self._world.vm(vm_id)
        return next((each for each in vm.snapshots if each.id == vm.snapshot_id), None)

    def find(self, vm_id: str, snapshot_id: str) -> Snapshot:
        """Raises NotFound."""
        for snapshot in self._world.vm(vm_id).snapshots:
            if snapshot.id == snapshot_id:
                return snapshot
        raise NotFound(f"no snapshot has the id {snapshot_id!r}")

    def create(
        self,
        vm_id: str,
        name: str,
        description: str = "",
        memory: bool = False,
        origin: Origin | None = None,
    ) -> Snapshot:
        with self._world.present():
            vm = self._world.vm(vm_id)
            self._last_number += 1
            snapshot = Snapshot(
                id=self._world.new_id(),
                number=self._last_number,
                name=name,
                description=description,
                created_at=self._world.now,
                parent_id=vm.snapshot_id,
                memory=memory and vm.state.on_a_host,
                machine=vm.changed(snapshots=(), snapshot_id=None),
            )
            busy = self._occupied(vm)
            vm = busy.changed(snapshots=(*vm.snapshots, snapshot), snapshot_id=snapshot.id)
            self._world.put(vm)
            self._record(vm, origin, name, EventKind.SNAPSHOT_REQUESTED, EventKind.SNAPSHOT_CREATED)
            return snapshot

    def revert(
        self, vm_id: str, snapshot_id: str, origin: Origin | None = None, *, locked: bool = False
    ) -> None:
        """Give a VM the state and hardware that it had.

        locked: its disks are locked meanwhile, as an engine shows it.
        """
        with self._world.present():
            snapshot, vm = self.find(vm_id, snapshot_id), self._world.vm(vm_id)
            requested = EventKind.SNAPSHOT_REVERT_REQUESTED
            self._record(vm, origin, snapshot.name, requested, EventKind.SNAPSHOT_REVERTED)
            fields = {name: getattr(snapshot.machine, name) for name in _REVERTED}
            vm = self._occupied(vm).changed(snapshot_id=snapshot.id, **fields)
            if locked:
                self._world.put(vm.switched_off(state=State.DISKS_LOCKED))
                seconds = self._world.durations.snapshot
                self._world.plan(vm, (seconds, lambda vm: self._finish(vm, snapshot)))
            else:
                self._world.cancel_plan(vm)
                self._finish(vm, snapshot)

    def remove(
        self,
        vm_id: str,
        snapshot_id: str,
        children: bool = False,
        origin: Origin | None = None,
    ) -> None:
        """Remove a snapshot, and those that are based on it, or else join these to its parent."""
        with self._world.present():
            snapshot, vm = self.find(vm_id, snapshot_id), self._world.vm(vm_id)
            removed = _descendants(vm.snapshots, snapshot) if children else {snapshot.id}
            kept = tuple(
                replace(each, parent_id=snapshot.parent_id) if each.parent_id in removed else each
                for each in vm.snapshots
                if each.id not in removed
            )
            current = snapshot.parent_id if vm.snapshot_id in removed else vm.snapshot_id
            self._world.put(self._occupied(vm).changed(snapshots=kept, snapshot_id=current))
            requested = EventKind.SNAPSHOT_REMOVAL_REQUESTED
            self._record(vm, origin, snapshot.name, requested, EventKind.SNAPSHOT_REMOVED)

    def remove_all(self, vm_id: str, origin: Origin | None = None) -> None:
        with self._world.present():
            for snapshot in self.of(vm_id):
                if snapshot.parent_id is None:
                    self.remove(vm_id, snapshot.id, children=True, origin=origin)

    def rename(
        self, vm_id: str, snapshot_id: str, name: str | None = None, description: str | None = None
    ) -> None:
        """Change the name, the description or both."""
        with self._world.present():
            snapshot, vm = self.find(vm_id, snapshot_id), self._world.vm(vm_id)
            changed = replace(
                snapshot,
                name=snapshot.name if name is None else name,
                description=snapshot.description if description is None else description,
            )
            snapshots = tuple(changed if each is snapshot else each for each in vm.snapshots)
            self._world.put(vm.changed(snapshots=snapshots))

    def _occupied(self, vm: Machine) -> Machine:
        until = self._world.now + self._world.durations.snapshot
        return vm.changed(busy_until=until, snapshot_busy=True)

    def _finish(self, vm: Machine, snapshot: Snapshot) -> None:
        now, then = self._world.now, snapshot.machine
        if snapshot.state is not State.RUNNING:
            self._world.put(vm.switched_off(state=snapshot.state))
            return
        # The guest goes on from the memory that was saved.
        booted_at = now - (snapshot.created_at - (then.booted_at or snapshot.created_at))
        host_id = vm.host_id or self._world.choose_host(vm)
        running = vm.changed(state=State.RUNNING, host_id=host_id, booted_at=booted_at)
        self._world.put(running.changed(started_at=vm.started_at or now, powering_off=False))

    def _record(
        self,
        vm: Machine,
        origin: Origin | None,
        name: str,
        requested: EventKind,
        completed: EventKind,
    ) -> None:
        """One event now, another when it is completed."""
        self._world.record(requested, vm, origin, detail=name)
        self._world.call_later(
            self._world.durations.snapshot,
            lambda: self._world.record(completed, vm, origin, detail=name),
        )


def _descendants(snapshots: Iterable[Snapshot], root: Snapshot) -> set[str]:
    """A snapshot and all that are based on it. Parents come before their children."""
    found = {root.id}
    for snapshot in snapshots:
        if snapshot.parent_id in found:
            found.add(snapshot.id)
    return found
