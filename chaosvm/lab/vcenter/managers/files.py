"""FileManager and VirtualDiskManager: files and disks on datastores that are of no VM."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.datastore_files import DatastoreFile, DatastoreFiles, parse_path
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, SoapFault, method
from chaosvm.lab.vcenter.methods.task_method import task_method

__all__ = ["FileManager", "VirtualDiskManager"]


class _Files(ManagedObject):
    def __init__(self, inventory: Inventory, moid: str) -> None:
        super().__init__(moid)
        self.inventory = inventory

    @property
    def task_entity(self) -> Any:
        """These tasks are about the whole inventory."""
        return self.inventory.root

    def raise_if_busy(self) -> None:
        """Files are never in the way of each other."""

    def _at(self, call: Call, name: str, datacenter: str) -> tuple[DatastoreFiles, str]:
        place = call.get(datacenter)
        if place is None and name.startswith("dest"):
            place = call.get("sourceDatacenter")
        store, path = parse_path(self.inventory, call.get(name), place)
        files: DatastoreFiles = self.inventory.own_objects.files_of(store.moid)
        return files, path

    def _own(self, call: Call) -> tuple[DatastoreFiles, str]:
        return self._at(call, "name", "datacenter")

    def _copy(self, call: Call, target: str, target_datacenter: str, move: bool) -> None:
        source, path = self._at(call, "sourceName", "sourceDatacenter")
        files, new = self._at(call, target, target_datacenter)
        source.copy_to(path, files, new, bool(call.get("force")))
        if move:
            source.delete(path)


class FileManager(_Files):
    kind = vim.FileManager

    @method("MakeDirectory")
    def make_directory(self, call: Call) -> None:
        files, path = self._own(call)
        files.make_folder(path, parents=bool(call.get("createParentDirectories")))

    @task_method("DeleteDatastoreFile_Task")
    def delete(self, call: Call) -> None:
        files, path = self._own(call)
        if path in {vm.name for vm in self.inventory.world.vms}:
            raise SoapFault(vim.fault.FileLocked(file=path), f"{path} is in use by a VM.")
        files.delete(path)

    @task_method("CopyDatastoreFile_Task")
    def copy(self, call: Call) -> None:
        self._copy(call, "destinationName", "destinationDatacenter", move=False)

    @task_method("MoveDatastoreFile_Task")
    def move(self, call: Call) -> None:
        self._copy(call, "destinationName", "destinationDatacenter", move=True)


class VirtualDiskManager(_Files):
    kind = vim.VirtualDiskManager

    @task_method("CreateVirtualDisk_Task")
    def create(self, call: Call) -> str:
        files, path = self._own(call)
        capacity = getattr(call.get("spec"), "capacityKb", None) or 0
        files.put(path, DatastoreFile(capacity=capacity * 1024), force=False)
        return str(call.get("name"))

    @task_method("ExtendVirtualDisk_Task")
    def extend(self, call: Call) -> None:
        files, path = self._own(call)
        disk, size = files.disk(path), call.get("newCapacityKb") * 1024
        if size < (disk.capacity or 0):
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="newCapacityKb"))
        files.put(path, replace(disk, capacity=size))

    @task_method("DeleteVirtualDisk_Task")
    def delete(self, call: Call) -> None:
        files, path = self._own(call)
        files.disk(path)
        files.delete(path)

    @task_method("CopyVirtualDisk_Task")
    def copy(self, call: Call) -> None:
        self._copy(call, "destName", "destDatacenter", move=False)

    @task_method("MoveVirtualDisk_Task")
    def move(self, call: Call) -> str:
        self._copy(call, "destName", "destDatacenter", move=True)
        return str(call.get("destName"))

    @task_method("InflateVirtualDisk_Task")
    def inflate(self, call: Call) -> None:
        self._require_disk(call)

    @task_method("ShrinkVirtualDisk_Task")
    def shrink(self, call: Call) -> None:
        self._require_disk(call)

    @task_method("EagerZeroVirtualDisk_Task")
    def zero(self, call: Call) -> None:
        self._require_disk(call)

    @method("QueryVirtualDiskUuid")
    def uuid(self, call: Call) -> str:
        self._require_disk(call)
        pairs = bytes(str(call.get("name")), "utf-8").hex()[:32].ljust(32, "0")
        return " ".join(pairs[number : number + 2] for number in range(0, 32, 2))

    def _require_disk(self, call: Call) -> None:
        files, path = self._own(call)
        files.disk(path)
