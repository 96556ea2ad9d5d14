"""Creates and removes VMs: clones, templates, registration and removal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Machine, Origin, State, Topology
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import Call, SoapFault, method
from chaosvm.lab.vcenter.methods.placement import PlacementMethods, find_entity
from chaosvm.lab.vcenter.methods.reconfiguration import check_name, spec_fields
from chaosvm.lab.vcenter.methods.task_method import task_method
from chaosvm.lab.vcenter.states import POWER_STATES

__all__ = ["ProvisioningMethods", "create_vm", "register_vm"]

_e = vim.event
_CLONED = ("topology", "memory", "limits", "os", "description", "guest", "attributes")
# What the files of a VM say of it.
_REGISTERED = (*_CLONED, "id", "nics", "disks", "platform_data", "fqdn", "ip_addresses")
_DEFAULT_MEMORY = 32 * 1024**2


class ProvisioningMethods(PlacementMethods):
    @method("MarkAsTemplate")
    def mark_as_template(self, call: Call) -> None:
        with self.inventory.world.present():
            vm = self.machine
            self.raise_if_busy()
            if vm.template:
                raise SoapFault(vmodl.fault.NotSupported(), "It is a template already.")
            self._raise_unless_off("poweredOff")
            self.inventory.world.change(vm.id, template=True)
            self.inventory.moved(vm)

    @method("MarkAsVirtualMachine")
    def mark_as_vm(self, call: Call) -> None:
        with self.inventory.world.present():
            vm = self.machine
            if not vm.template:
                raise SoapFault(vmodl.fault.NotSupported(), "It is no template.")
            pool = find_entity(self.inventory, call.get("pool"), vim.ResourcePool)
            target = self._target(call.get("host"), call.get("pool"))
            home_id = target.id if target is not None else vm.home_id
            cluster_id = pool.cluster_id
            self.inventory.world.change(
                vm.id, template=False, cluster_id=cluster_id, home_id=home_id
            )
            self.inventory.put_in_pool(self.machine, pool)

    @task_method("CloneVM_Task")
    def clone(self, call: Call) -> Any:
        self.raise_if_unavailable()
        spec, source = call.get("spec"), self.machine
        folder = find_entity(self.inventory, call.get("folder"), vim.Folder)
        name, location = call.get("name"), spec.location
        if source.template and location.pool is None and not spec.template:
            fault = vmodl.fault.InvalidArgument(invalidProperty="spec.location.pool")
            raise SoapFault(fault, "A virtual machine needs a resource pool.")
        clone = self.add_clone(name, folder, location.pool, location.host)
        vm = clone.machine
        self.inventory.world.change(vm.id, template=bool(spec.template))
        if spec.config is not None:
            clone.apply(spec.config)
        self.inventory.own_events.of_vm(
            _e.VmClonedEvent,
            f"{source.name} cloned to {{vm}} on {{host}}",
            vm,
            call.origin,
            sourceVm=_e.VmEventArgument(name=source.name, vm=self.reference),
        )
        if spec.powerOn and not spec.template:
            self.inventory.world.power.start(vm.id, call.origin)
        return clone.reference

    def add_clone(self, name: str, folder: Any, pool: Any, host: Any) -> Any:
        """A clone that is off, with disks of the same sizes."""
        source = self.machine
        name = check_name(self.inventory, name, folder)
        fields = {field: getattr(source, field) for field in _CLONED}
        vm = _add(self.inventory, name, folder, pool, host, source, fields)
        sizes = {disk.key: disk.size_bytes for disk in source.disks}
        disks = (
            replace(each, size_bytes=sizes.get(each.key, each.size_bytes)) for each in vm.disks
        )
        self.inventory.world.change(vm.id, disks=tuple(disks))
        return self.inventory.find(vm.moid)

    def apply(self, spec: Any) -> None:
        """Change the VM as a ConfigSpec says, before it is visible to clients."""
        devices = self.get("config.hardware.device")
        fields = spec_fields(self.inventory, self.machine, spec, False, devices)
        self.inventory.world.change(self.vm_id, **fields)

    @method("UnregisterVM")
    def unregister(self, call: Call) -> None:
        with self.inventory.world.present():
            self.raise_if_busy()
            self._raise_unless_off("poweredOff")
            self.inventory.own_objects.unregistered[self.get("config.files.vmPathName")] = (
                self.machine
            )
            self.remove(call.origin)

    @task_method("Destroy_Task")
    def destroy(self, call: Call) -> None:
        self._raise_unless_off("poweredOff")
        self.remove(call.origin)

    def _raise_unless_off(self, requested: str) -> None:
        existing = POWER_STATES[self.machine.state]
        if existing == "poweredOn":
            fault = vim.fault.InvalidPowerState(requestedState=requested, existingState=existing)
            raise SoapFault(fault, "The virtual machine is powered on.")

    def remove(self, origin: Origin) -> None:
        """Remove the VM, whatever its state is."""
        vm = self.machine
        self.inventory.own_events.of_vm(
            _e.VmRemovedEvent, f"Removed {vm.name} from {{host}}", vm, origin
        )
        self.inventory.world.remove_vm(vm.id)
        self.inventory.forget(vm)


def create_vm(inventory: Inventory, folder: Any, call: Call) -> Any:
    """Carry out CreateVM_Task."""
    spec = call.get("config")
    name = check_name(inventory, spec.name, folder)
    if spec.files is None:
        fault = vmodl.fault.InvalidArgument(invalidProperty="configSpec.files")
        raise SoapFault(fault, "There is no datastore for the virtual machine.")
    fields: dict[str, Any] = {"topology": Topology(spec.numCPUs or 1), "memory": _DEFAULT_MEMORY}
    vm = _add(inventory, name, folder, call.get("pool"), call.get("host"), None, fields)
    inventory.world.change(vm.id, nics=(), disks=())
    created = inventory.find(vm.moid)
    try:
        created.apply(spec)
    except SoapFault:
        inventory.world.remove_vm(vm.id)
        raise
    inventory.own_events.of_vm(
        _e.VmCreatedEvent, "Created virtual machine {vm} on {host}", vm, call.origin
    )
    return created.reference


def register_vm(inventory: Inventory, folder: Any, call: Call) -> Any:
    """Carry out RegisterVM_Task, for a VM that has been unregistered."""
    path = call.get("path") or ""
    if not path.startswith("[") or not path.endswith((".vmx", ".vmtx")):
        raise SoapFault(vim.fault.InvalidDatastorePath(datastorePath=path, name=path))
    before = inventory.own_objects.unregistered.get(path)
    if before is None:
        raise SoapFault(vim.fault.NotFound(), f"There is no file {path}.")
    name = check_name(inventory, call.get("name") or before.name, folder)
    fields = {field: getattr(before, field) for field in _REGISTERED}
    vm = _add(inventory, name, folder, call.get("pool"), call.get("host"), before, fields)
    if call.get("asTemplate"):
        inventory.world.change(vm.id, template=True)
    del inventory.own_objects.unregistered[path]
    inventory.own_events.of_vm(_e.VmRegisteredEvent, "Registered {vm} on {host}", vm, call.origin)
    return inventory.find(vm.moid).reference


def _add(
    inventory: Inventory,
    name: str,
    folder: Any,
    pool: Any,
    host: Any,
    like: Machine | None,
    fields: dict[str, Any],
) -> Machine:
    """Add a VM that is off, in a folder of VMs, a pool and on a host."""
    if folder.content != "vm":
        raise SoapFault(vmodl.fault.NotSupported(), "The folder is not one of virtual machines.")
    entity = find_entity(inventory, pool, vim.ResourcePool) if pool is not None else None
    world = inventory.world
    target = find_entity(inventory, host, vim.HostSystem) if host is not None else None
    cluster_id = entity.cluster_id if entity is not None else None
    if cluster_id is None and target is not None:
        cluster_id = target.cluster_id
    if cluster_id is None and like is not None:
        cluster_id = like.cluster_id
    cluster = world.cluster(cluster_id)
    if cluster is None:
        raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="pool"))
    home = world.host(target.host_id) if target is not None else None
    vm = world.add_vm(
        name, State.OFF, cluster=cluster, host=home, folder=inventory.path_of(folder), **fields
    )
    if entity is not None:
        inventory.put_in_pool(vm, entity)
    return vm
