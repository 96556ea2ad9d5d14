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
    "ClusterComputeResource.addHost": "Add host",
    "ClusterComputeResource.destroy": "Remove cluster",
    "ClusterComputeResource.moveHostInto": "Move host into cluster",
    "ClusterComputeResource.moveInto": "Move host into cluster",
    "ClusterComputeResource.reconfigure": "Reconfigure cluster",
    "ClusterComputeResource.reconfigureEx": "Reconfigure cluster",
    "ClusterComputeResource.rename": "Rename cluster",
    "ComputeResource.destroy": "Remove host",
    "ComputeResource.reconfigureEx": "Reconfigure compute-resource",
    "ComputeResource.rename": "Rename compute-resource",
    "Datacenter.destroy": "Remove datacenter",
    "Datacenter.powerOnVm": "Initialize powering On",
    "Datacenter.reconfigure": "Reconfigure datacenter",
    "Datacenter.rename": "Rename datacenter",
    "FileManager.copyFile": "Copy file",
    "FileManager.deleteFile": "Delete file",
    "FileManager.moveFile": "Move file",
    "Folder.addStandaloneHost": "Add standalone host",
    "Folder.createVm": "Create virtual machine",
    "Folder.destroy": "Delete folder",
    "Folder.moveInto": "Move entities",
    "Folder.registerVm": "Register virtual machine",
    "Folder.rename": "Rename folder",
    "Folder.unregisterAndDestroy": "Unregister and Delete",
    "HostSystem.destroy": "Remove host",
    "HostSystem.disconnect": "Disconnect host",
    "HostSystem.enterMaintenanceMode": "Enter maintenance mode",
    "HostSystem.enterStandbyMode": "Enter standby mode",
    "HostSystem.exitMaintenanceMode": "Exit maintenance mode",
    "HostSystem.exitStandbyMode": "Exit standby mode",
    "HostSystem.reboot": "Initiate host reboot",
    "HostSystem.reconfigureDAS": "Reconfigure vSphere HA host",
    "HostSystem.reconnect": "Reconnect host",
    "HostSystem.shutdown": "Initiate host shutdown",
    "ResourcePool.createVm": "Create virtual machine",
    "ResourcePool.destroy": "Delete resource pool",
    "ResourcePool.rename": "Rename resource pool",
    "VirtualDiskManager.copyVirtualDisk": "Copy virtual disk",
    "VirtualDiskManager.createVirtualDisk": "Create virtual disk",
    "VirtualDiskManager.deleteVirtualDisk": "Delete virtual disk",
    "VirtualDiskManager.eagerZeroVirtualDisk": "Zero out virtual disk",
    "VirtualDiskManager.extendVirtualDisk": "Extend virtual disk",
    "VirtualDiskManager.inflateVirtualDisk": "Inflate virtual disk",
    "VirtualDiskManager.moveVirtualDisk": "Move virtual disk",
    "VirtualDiskManager.shrinkVirtualDisk": "Shrink virtual disk",
    "VirtualMachine.clone": "Clone virtual machine",
    "VirtualMachine.consolidateDisks": "Consolidate virtual machine disk files",
    "VirtualMachine.createScreenshot": "Take virtual machine screenshot",
    "VirtualMachine.createSnapshot": "Create virtual machine snapshot",
    "VirtualMachine.createSnapshotEx": "Create virtual machine snapshot",
    "VirtualMachine.customize": "Customize virtual machine guest OS",
    "VirtualMachine.destroy": "Delete virtual machine",
    "VirtualMachine.instantClone": "instantClone",
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
    "VirtualMachine.upgradeTools": "Initiated VMware Tools install or upgrade",
    "VirtualMachine.upgradeVirtualHardware": "Upgrade VM compatibility",
    "encryption.CryptoManagerKmip.retrieveKmipServersStatus": "retrieveKmipServersStatus",
    "host.DatastoreBrowser.search": "Search datastore",
    "host.DatastoreBrowser.searchSubFolders": "Search datastore subfolders",
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
