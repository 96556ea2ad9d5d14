"""Snapshots of VMs: to create, revert to, rename and remove them, and their tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Machine, Origin, Snapshot, State
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.methods.power import PowerMethods
from chaosvm.lab.vcenter.methods.task_method import task_method
from chaosvm.lab.vcenter.tasks import Pending

__all__ = ["SnapshotMethods", "VMSnapshot", "find_snapshot", "root_snapshots", "snapshot_info"]

_PREFIX = "snapshot-"
# As VirtualMachine.powerState; a snapshot without memory is of a VM that is off.
_POWER_STATES = {State.RUNNING: "poweredOn", State.SUSPENDED: "suspended"}


def reference(snapshot: Snapshot) -> Any:
    return vim.vm.Snapshot(f"{_PREFIX}{snapshot.number}")


def root_snapshots(inventory: Inventory, vm: Machine) -> list[Any]:
    return [reference(each) for each in vm.snapshots if each.parent_id is None]


def snapshot_info(inventory: Inventory, vm: Machine) -> Any:
    """The tree, None without snapshots."""
    if not vm.snapshots:
        return None
    current = next((each for each in vm.snapshots if each.id == vm.snapshot_id), None)
    return vim.vm.SnapshotInfo(
        currentSnapshot=reference(current) if current is not None else None,
        rootSnapshotList=_subtrees(inventory, vm, None),
    )


def _subtrees(inventory: Inventory, vm: Machine, parent_id: str | None) -> list[Any]:
    return [
        vim.vm.SnapshotTree(
            snapshot=reference(each),
            vm=vim.VirtualMachine(vm.moid),
            name=each.name,
            description=each.description,
            id=each.number,
            createTime=inventory.world.date_of(each.created_at),
            state=_POWER_STATES.get(each.state, "poweredOff"),
            quiesced=False,
            replaySupported=False,
            childSnapshotList=_subtrees(inventory, vm, each.id),
        )
        for each in vm.snapshots
        if each.parent_id == parent_id
    ]


class SnapshotMethods(PowerMethods):
    @task_method("CreateSnapshot_Task")
    def create_snapshot(self, call: Call) -> Pending:
        return self._create(call)

    @task_method("CreateSnapshotEx_Task")
    def create_snapshot_ex(self, call: Call) -> Pending:
        return self._create(call)

    def _create(self, call: Call) -> Pending:
        name = call.get("name")
        if not name:
            raise SoapFault(vim.fault.InvalidName(name=name or "", entity=self.reference))
        self.raise_if_unavailable()
        snapshot = self.inventory.world.snapshots.create(
            self.vm_id, name, call.get("description") or "", bool(call.get("memory")), call.origin
        )
        return self.when_made(reference(snapshot))

    @task_method("RevertToCurrentSnapshot_Task")
    def revert_to_current(self, call: Call) -> Pending:
        current = self.inventory.world.snapshots.current(self.vm_id)
        if current is None:
            raise SoapFault(vim.fault.NotFound(), "The virtual machine has no snapshot.")
        return self.revert_to(current, call)

    def revert_to(self, snapshot: Snapshot, call: Call) -> Pending:
        self.raise_if_unavailable()
        world = self.inventory.world
        world.snapshots.revert(self.vm_id, snapshot.id, call.origin)
        if call.get("suppressPowerOn") and snapshot.state is State.RUNNING:
            world.power.power_off(self.vm_id, Origin())
        return self.when_made()

    @task_method("RemoveAllSnapshots_Task")
    def remove_all_snapshots(self, call: Call) -> Pending:
        self.inventory.world.snapshots.remove_all(self.vm_id, call.origin)
        return self.when_made()

    @task_method("ConsolidateVMDisks_Task")
    def consolidate(self, call: Call) -> None:
        """Nothing is left to consolidate."""

    def when_made(self, result: Any = None) -> Pending:
        """Wait while the VM is busy with its disks."""
        world = self.inventory.world
        seconds = max(0.0, self.machine.busy_until - world.now)
        return Pending(
            lambda: self.machine.busy_until <= world.now,
            seconds,
            lambda: result,
            check_after=seconds,
        )


class VMSnapshot(ManagedObject):
    kind = vim.vm.Snapshot

    def __init__(self, vm: SnapshotMethods, number: int) -> None:
        super().__init__(f"{_PREFIX}{number}")
        self.task_entity = vm
        self.inventory = vm.inventory
        self._number = number

    @property
    def _siblings(self) -> Sequence[Snapshot]:
        return self.task_entity.machine.snapshots

    @property
    def _snapshot(self) -> Snapshot:
        for each in self._siblings:
            if each.number == self._number:
                return each
        raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=self.reference))

    def raise_if_busy(self) -> None:
        self.task_entity.raise_if_busy()

    @managed_property
    def vm(self, session: Any = None) -> Any:
        return self.task_entity.reference

    @managed_property
    def config(self, session: Any = None) -> Any:
        """Of the VM as it is now, except for its size."""
        config, then = self.task_entity.get("config"), self._snapshot.machine
        config.hardware.numCPU = then.topology.cpus
        config.hardware.memoryMB = then.memory // 1024**2
        return config

    @managed_property
    def childSnapshot(self, session: Any = None) -> Any:
        own = self._snapshot.id
        children = (reference(each) for each in self._siblings if each.parent_id == own)
        return vim.vm.Snapshot.Array(children)

    @task_method("RevertToSnapshot_Task")
    def revert(self, call: Call) -> Pending:
        return self.task_entity.revert_to(self._snapshot, call)

    @task_method("RemoveSnapshot_Task")
    def remove(self, call: Call) -> Pending:
        self.inventory.world.snapshots.remove(
            self.task_entity.vm_id, self._snapshot.id, bool(call.get("removeChildren")), call.origin
        )
        return self.task_entity.when_made()

    @method("RenameSnapshot")
    def rename(self, call: Call) -> None:
        self.inventory.world.snapshots.rename(
            self.task_entity.vm_id, self._snapshot.id, call.get("name"), call.get("description")
        )


def find_snapshot(inventory: Inventory, moid: str) -> VMSnapshot | None:
    number = moid.removeprefix(_PREFIX)
    if number == moid or not number.isdigit():
        return None
    for vm in inventory.world.vms:
        if any(each.number == int(number) for each in vm.snapshots):
            return VMSnapshot(inventory.find(vm.moid), int(number))
    return None
