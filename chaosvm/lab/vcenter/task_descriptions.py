"""The keys and labels that the methods behind tasks have in a vCenter's TaskDescription."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyVmomi import VmomiSupport

from chaosvm.lab.vcenter.serialization import NAMESPACE

__all__ = ["LABELS", "description_id"]

# Labels by description id, as in the TaskDescription of a vCenter that govmomi's simulator
# has (simulator/vpx/task_manager.go).
LABELS: Mapping[str, str] = {
    "ClusterComputeResource.destroy": "Remove cluster",
    "ClusterComputeResource.reconfigureEx": "Reconfigure cluster",
    "ClusterComputeResource.rename": "Rename cluster",
    "Datacenter.destroy": "Remove datacenter",
    "Datacenter.powerOnVm": "Initialize powering On",
    "Datacenter.rename": "Rename datacenter",
    "Folder.createVm": "Create virtual machine",
    "Folder.destroy": "Delete folder",
    "Folder.moveInto": "Move entities",
    "Folder.registerVm": "Register virtual machine",
    "Folder.rename": "Rename folder",
    "HostSystem.destroy": "Remove host",
    "HostSystem.disconnect": "Disconnect host",
    "HostSystem.enterMaintenanceMode": "Enter maintenance mode",
    "HostSystem.enterStandbyMode": "Enter standby mode",
    "HostSystem.exitMaintenanceMode": "Exit maintenance mode",
    "HostSystem.exitStandbyMode": "Exit standby mode",
    "HostSystem.reboot": "Initiate host reboot",
    "HostSystem.reconnect": "Reconnect host",
    "HostSystem.shutdown": "Initiate host shutdown",
    "ResourcePool.destroy": "Delete resource pool",
    "ResourcePool.rename": "Rename resource pool",
    "VirtualMachine.clone": "Clone virtual machine",
    "VirtualMachine.createSnapshot": "Create virtual machine snapshot",
    "VirtualMachine.createSnapshotEx": "Create virtual machine snapshot",
    "VirtualMachine.destroy": "Delete virtual machine",
    "VirtualMachine.migrate": "Migrate virtual machine",
    "VirtualMachine.powerOff": "Power Off virtual machine",
    "VirtualMachine.powerOn": "Power On virtual machine",
    "VirtualMachine.reconfigure": "Reconfigure virtual machine",
    "VirtualMachine.relocate": "Relocate virtual machine",
    "VirtualMachine.removeAllSnapshots": "Remove all snapshots",
    "VirtualMachine.rename": "Rename virtual machine",
    "VirtualMachine.reset": "Reset virtual machine",
    "VirtualMachine.revertToCurrentSnapshot": "Revert to current snapshot",
    "VirtualMachine.suspend": "Suspend virtual machine",
    "vm.Snapshot.remove": "Remove snapshot",
    "vm.Snapshot.revert": "Revert snapshot",
}


def description_id(kind: Any, method_name: str) -> str:
    """The key of a method in TaskDescription, such as VirtualMachine.powerOn.

    It has the type of the object itself, not the one that declares the method, as in the
    TaskDescription of a vCenter that govmomi's simulator has (simulator/vpx).
    """
    name = VmomiSupport.GetWsdlMethod(NAMESPACE, method_name).info.name
    owner = VmomiSupport.GetVmodlName(kind).removeprefix("vim.")
    return f"{owner}.{name[:1].lower()}{name[1:]}"
