"""ReconfigVM_Task, Rename_Task, and what they share with the creation of a VM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Allocation, Machine, Topology
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import Call, SoapFault
from chaosvm.lab.vcenter.methods.device_changes import changed_devices
from chaosvm.lab.vcenter.methods.snapshots import SnapshotMethods
from chaosvm.lab.vcenter.methods.task_method import task_method
from chaosvm.lab.vcenter.states import POWER_STATES, system_of, unescape_name
from chaosvm.lab.vcenter.vm_config import EXTRA_CONFIG, SETTINGS, merged

__all__ = ["ReconfigurationMethods", "check_name", "spec_fields"]

_MIB = 1024**2
_NAME_LENGTH = 80
# Fields of a ConfigSpec that are read again as they are, below ``config``.
_KEPT = (
    "alternateGuestName",
    "changeTrackingEnabled",
    "cpuHotAddEnabled",
    "cpuHotRemoveEnabled",
    "firmware",
    "latencySensitivity",
    "memoryHotAddEnabled",
    "memoryReservationLockedToMax",
    "nestedHVEnabled",
    "swapPlacement",
    "version",
    "vPMCEnabled",
)
_MERGED = ("bootOptions", "flags", "tools")


def check_name(inventory: Inventory, name: str | None, folder: Any, entity: Any = None) -> str:
    """A name for a new child of a folder. Raises SoapFault."""
    plain = unescape_name(name or "")
    if not plain or len(plain) > _NAME_LENGTH:
        raise SoapFault(vim.fault.InvalidName(name=name or "", entity=entity))
    for child in folder.children:
        if child.plain_name == plain and (entity is None or child.moid != entity._moId):
            fault = vim.fault.DuplicateName(name=plain, object=child.reference)
            raise SoapFault(fault, f"The name '{plain}' already exists.")
    return plain


class ReconfigurationMethods(SnapshotMethods):
    @task_method("ReconfigVM_Task")
    def reconfigure(self, call: Call) -> None:
        vm, spec = self.machine, call.get("spec")
        self.raise_if_unavailable()
        change_version = self.get("config.changeVersion")
        if spec.changeVersion and spec.changeVersion != change_version:
            raise SoapFault(vim.fault.ConcurrentAccess(), "The configuration has changed since.")
        on = POWER_STATES[vm.state] == "poweredOn"
        if on:
            _raise_unless_hot(vm, spec, self.get)
        fields = spec_fields(self.inventory, vm, spec, on, self.get("config.hardware.device"))
        if spec.name and unescape_name(spec.name) != vm.name:
            folder = self.inventory.folder_of(vm)
            fields["name"] = check_name(self.inventory, spec.name, folder, self.reference)
        self.inventory.world.change(vm.id, **fields)
        self.inventory.own_events.of_vm(
            vim.event.VmReconfiguredEvent, "Reconfigured {vm} on {host}", self.machine, call.origin
        )

    @task_method("Rename_Task")
    def rename(self, call: Call) -> None:
        vm = self.machine
        name = check_name(
            self.inventory, call.get("newName"), self.inventory.folder_of(vm), self.reference
        )
        self.inventory.world.change(vm.id, name=name)
        self.inventory.own_events.of_vm(
            vim.event.VmRenamedEvent,
            f"Renamed {vm.name} to {name}",
            self.machine,
            call.origin,
            oldName=vm.name,
            newName=name,
        )


def _raise_unless_hot(vm: Machine, spec: Any, get: Callable[[str], Any]) -> None:
    """Refuse changes of size that a running VM does not allow."""
    cpus, memory = spec.numCPUs, spec.memoryMB
    if cpus and cpus != vm.topology.cpus and not get("config.cpuHotAddEnabled"):
        raise SoapFault(vim.fault.CpuHotPlugNotSupported(), "CPU hot plug is not supported.")
    if cpus and cpus < vm.topology.cpus and not get("config.cpuHotRemoveEnabled"):
        raise SoapFault(vim.fault.CpuHotPlugNotSupported(), "CPU hot remove is not supported.")
    grows = bool(memory) and memory > vm.memory // _MIB
    shrinks = bool(memory) and memory < vm.memory // _MIB
    if shrinks or (grows and not get("config.memoryHotAddEnabled")):
        fault = vim.fault.MemoryHotPlugNotSupported()
        raise SoapFault(fault, "Memory hot plug is not supported.")


def spec_fields(
    inventory: Inventory, vm: Machine, spec: Any, on: bool, devices: Any
) -> dict[str, Any]:
    """The fields of the machine that a ConfigSpec changes, except for its name."""
    fields: dict[str, Any] = {}
    if spec.deviceChange:
        fields |= changed_devices(vm, on, spec.deviceChange, devices, _network_name(inventory, vm))
    if spec.annotation is not None:
        fields["description"] = spec.annotation
    if spec.numCPUs or spec.numCoresPerSocket:
        fields["topology"] = _topology(vm, spec)
    if spec.memoryMB:
        fields["memory"] = spec.memoryMB * _MIB
    if spec.guestId:
        fields["os"] = system_of(spec.guestId)
    if spec.managedBy is not None:
        fields["managed_by"] = spec.managedBy.extensionKey or None
    if spec.cpuAllocation or spec.memoryAllocation:
        fields["limits"] = replace(
            vm.limits,
            cpu=_allocation(vm.limits.cpu, spec.cpuAllocation),
            memory=_allocation(vm.limits.memory, spec.memoryAllocation),
        )
    data = fields.get("platform_data", vm.platform_data)
    fields["platform_data"] = _platform_data(data, spec)
    return fields


def _network_name(inventory: Inventory, vm: Machine) -> Callable[[Any], str]:
    def name(backing: Any) -> str:
        network = getattr(backing, "network", None)
        if network is None and hasattr(backing, "port"):
            network = vim.Network(backing.port.portgroupKey)
        if network is not None:
            found = inventory.find(network._moId)
            if found is None:
                fault = vmodl.fault.ManagedObjectNotFound(obj=network)
                raise SoapFault(fault, "The network does not exist.")
            return str(found.plain_name)
        own = str(inventory.network_of(vm).plain_name)
        wanted = str(getattr(backing, "deviceName", None) or own)
        if wanted != own and wanted not in _network_names(inventory):
            fault = vim.fault.InvalidDeviceBacking(property="backing.deviceName", deviceIndex=0)
            raise SoapFault(fault, f"There is no network '{wanted}'.")
        return wanted

    return name


def _network_names(inventory: Inventory) -> set[str]:
    """The networks that cards of VMs are on, and the port groups of hosts."""
    world = inventory.world
    groups = (inventory.settings_of(host).get("port groups", ()) for host in world.hosts)
    cards = {nic.network for vm in world.vms for nic in vm.nics}
    return cards.union(*groups)


def _topology(vm: Machine, spec: Any) -> Topology:
    cpus = spec.numCPUs or vm.topology.cpus
    cores = spec.numCoresPerSocket or vm.topology.cores * vm.topology.threads
    if cpus % cores:
        if spec.numCoresPerSocket:
            fault = vmodl.fault.InvalidArgument(invalidProperty="configSpec.numCoresPerSocket")
            raise SoapFault(fault, f"{cpus} CPUs cannot have {cores} cores per socket.")
        cores = 1
    return Topology(cpus // cores, cores, 1)


def _allocation(before: Allocation, given: Any) -> Allocation:
    if given is None:
        return before
    fields: dict[str, Any] = {}
    if given.reservation is not None:
        fields["reservation"] = given.reservation
    if given.limit is not None:
        fields["limit"] = None if given.limit < 0 else given.limit
    if given.shares is not None:
        level = str(given.shares.level)
        custom = given.shares.shares if level == "custom" else None
        fields |= {"level": level, "shares": custom}
    after = replace(before, **fields)
    if after.limit is not None and after.limit < after.reservation:
        fault = vmodl.fault.InvalidArgument(invalidProperty="configSpec.limit")
        raise SoapFault(fault, "The limit is below the reservation.")
    return after


def _platform_data(data: Mapping[str, Any], spec: Any) -> dict[str, Any]:
    options = dict(data.get(EXTRA_CONFIG, {}))
    for option in spec.extraConfig or ():
        if option.value in (None, ""):
            options.pop(option.key, None)  # an empty value removes the option
        else:
            options[option.key] = option.value
    settings = dict(data.get(SETTINGS, {}))
    for name in _KEPT:
        if getattr(spec, name, None) is not None:
            settings[name] = getattr(spec, name)
    for name in _MERGED:
        given = getattr(spec, name, None)
        if given is not None:
            settings[name] = merged(settings.get(name), given)
    settings["changeVersion"] = str(int(settings.get("changeVersion", 1)) + 1)
    return {**data, EXTRA_CONFIG: options, SETTINGS: settings}
