"""Folders: what is created in them, moved into them, renamed and destroyed."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Origin
from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, SoapFault, method
from chaosvm.lab.vcenter.methods.placement import find_entity
from chaosvm.lab.vcenter.methods.provisioning import create_vm, register_vm
from chaosvm.lab.vcenter.methods.reconfiguration import check_name
from chaosvm.lab.vcenter.methods.task_method import task_method
from chaosvm.lab.vcenter.own_objects import OwnFolder
from chaosvm.lab.vcenter.states import POWER_STATES

__all__ = ["FolderMethods"]

_PREFIXES = {"root": "group-d", "vm": "group-v", "host": "group-h"}
_WRONG_KIND = "The folder does not hold such objects."


class FolderMethods(ManagedObject):
    """Methods of a folder, which is an entity of the inventory."""

    kind = vim.Folder
    inventory: Any
    plain_name: str
    parent_entity: Any
    content: str
    children: list[Any]

    @method("CreateFolder")
    def create_folder(self, call: Call) -> Any:
        name = check_name(self.inventory, call.get("name"), self)
        objects = self.inventory.own_objects
        prefix = _PREFIXES.get(self.content, f"group-{self.content[0]}")
        folder = OwnFolder(objects.new_moid(prefix), name, self.moid, self.content)
        objects.folders[folder.moid] = folder
        self._changed()
        return vim.Folder(folder.moid)

    @task_method("CreateVM_Task")
    def create_vm(self, call: Call) -> Any:
        return create_vm(self.inventory, self, call)

    @task_method("RegisterVM_Task")
    def register_vm(self, call: Call) -> Any:
        return register_vm(self.inventory, self, call)

    @method("CreateDatacenter")
    def create_datacenter(self, call: Call) -> Any:
        self._require("root")
        name = check_name(self.inventory, call.get("name"), self)
        datacenter = self.inventory.world.add_datacenter(name)
        moid = self.inventory.tree.datacenters[datacenter.id].moid
        self._adopt(moid)
        return vim.Datacenter(moid)

    @method("CreateCluster", "CreateClusterEx")
    def create_cluster(self, call: Call) -> Any:
        self._require("host")
        name = check_name(self.inventory, call.get("name"), self)
        datacenter = self._datacenter()
        world = self.inventory.world
        cluster = world.add_cluster(name, world.datacenter(datacenter.datacenter_id))
        compute = self.inventory.tree.computes[cluster.id]
        self._adopt(compute.moid)
        if call.get("spec") is not None:
            self.inventory.find(compute.moid).apply(call.get("spec"))
        return vim.ClusterComputeResource(compute.moid)

    @task_method("AddStandaloneHost_Task")
    def add_standalone_host(self, call: Call) -> Any:
        self._require("host")
        name = call.get("spec").hostName
        world = self.inventory.world
        if not name:
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="spec.hostName"))
        if any(host.name == name for host in world.hosts):
            raise SoapFault(vim.fault.AlreadyConnected(name=name), f"{name} is in the inventory.")
        datacenter = world.datacenter(self._datacenter().datacenter_id)
        cluster = world.add_cluster(name, datacenter, standalone=True)
        world.add_host(name, cluster)
        return self.inventory.tree.computes[cluster.id].reference

    @task_method("MoveIntoFolder_Task")
    def move_into(self, call: Call) -> None:
        for reference in call.get("list") or ():
            self._take(find_entity(self.inventory, reference, vim.ManagedEntity))
        self._changed()

    def _take(self, entity: Any) -> None:
        objects = self.inventory.own_objects
        if issubclass(entity.kind, vim.VirtualMachine):
            self._require("vm")
            check_name(self.inventory, entity.plain_name, self, entity.reference)
            self.inventory.put_in_folder(entity.machine, self)
        elif entity.moid in objects.folders:
            self._require(entity.content)
            if self.moid == entity.moid or self._is_inside(entity):
                raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="list"))
            check_name(self.inventory, entity.plain_name, self, entity.reference)
            self._move_folder(entity)
        elif issubclass(entity.kind, (vim.Datacenter, vim.ComputeResource)):
            self._require("root" if issubclass(entity.kind, vim.Datacenter) else "host")
            objects.parents[entity.moid] = self.moid
        else:
            raise SoapFault(vmodl.fault.NotSupported(), _WRONG_KIND)

    def _move_folder(self, entity: Any) -> None:
        old = self.inventory.path_of(entity)
        self.inventory.own_objects.folders[entity.moid].parent = self.moid
        self.inventory.own_objects.changed()
        if entity.content == "vm":
            self._rewrite(entity, old, (*self.inventory.path_of(self), entity.plain_name))

    def _rewrite(self, entity: Any, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Give the VMs below a folder their new path."""
        world = self.inventory.world
        for vm in _vms_below(entity):
            folder = (*new, *vm.folder[len(old) :])
            world.change(vm.id, folder=folder)

    @task_method("Rename_Task")
    def rename(self, call: Call) -> None:
        own = self._own_record("renamed")
        name = check_name(self.inventory, call.get("newName"), self.parent_entity, self.reference)
        old = self.inventory.path_of(self)
        own.name = name
        self._changed()
        if self.content == "vm":
            self._rewrite(self, old, (*old[:-1], name))

    @task_method("Destroy_Task")
    def destroy(self, call: Call) -> None:
        """Destroy the folder with all VMs below it."""
        self._own_record("destroyed")
        vms = _vms_below(self)
        if any(POWER_STATES[vm.state] == "poweredOn" for vm in vms):
            fault = vim.fault.InvalidPowerState(
                requestedState="poweredOff", existingState="poweredOn"
            )
            raise SoapFault(fault, "A virtual machine in the folder is powered on.")
        if any(issubclass(child.kind, vim.ComputeResource) for child in self.children):
            raise SoapFault(vim.fault.ResourceInUse(type=vim.Folder, name=self.plain_name))
        self._remove(vms, call.origin)

    @task_method("UnregisterAndDestroy_Task")
    def unregister_and_destroy(self, call: Call) -> None:
        self._own_record("destroyed")
        self._remove(_vms_below(self), call.origin)

    def _remove(self, vms: list[Any], origin: Origin) -> None:
        for vm in vms:
            self.inventory.find(vm.moid).remove(origin)
        self.inventory.own_objects.remove_folder(self.moid)
        self._changed()

    def _own_record(self, verb: str) -> OwnFolder:
        own: OwnFolder | None = self.inventory.own_objects.folders.get(self.moid)
        if own is None:
            raise SoapFault(vmodl.fault.NotSupported(), f"This folder cannot be {verb}.")
        return own

    def _require(self, content: str) -> None:
        if self.content != content:
            raise SoapFault(vmodl.fault.NotSupported(), _WRONG_KIND)

    def _adopt(self, moid: str) -> None:
        self.inventory.own_objects.parents[moid] = self.moid
        self._changed()

    def _datacenter(self) -> Any:
        entity = self.parent_entity
        while entity.kind is not vim.Datacenter:
            entity = entity.parent_entity
        return entity

    def _is_inside(self, other: Any) -> bool:
        entity = self.parent_entity
        while entity is not None:
            if entity.moid == other.moid:
                return True
            entity = entity.parent_entity
        return False

    def _changed(self) -> None:
        self.inventory.own_objects.changed()
        self.inventory.notify([self.moid])


def _vms_below(folder: Any) -> list[Any]:
    vms = []
    for child in folder.children:
        if issubclass(child.kind, vim.VirtualMachine):
            vms.append(child.machine)
        elif issubclass(child.kind, vim.Folder):
            vms += _vms_below(child)
    return vms
