"""Devices, storage and files of a VM: always one disk and one network card."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.states import POWER_STATES, VM_NETWORK, tools_running
from chaosvm.lab.vcenter.templated_values import Details, TemplatedValue

__all__ = ["devices", "guest_nics", "layout", "storage_summary", "storage_usage", "vmx_path"]

_CONTROLLER, _DISK, _CARD = 1000, 2000, 4000
_DISK_BYTES = 16 * 1024**3
_VMX_BYTES = 4096


def vmx_path(inventory: Inventory, vm: Machine) -> str:
    return _path(inventory, vm, "vmx")


def _path(inventory: Inventory, vm: Machine, extension: str) -> str:
    return f"[{inventory.datastore_of(vm).plain_name}] {vm.name}/{vm.name}.{extension}"


def _mac(vm: Machine) -> str:
    number = int(vm.moid.rpartition("-")[2])
    return f"00:50:56:{number >> 16 & 0x3F:02x}:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"


def _guest_nics(count: int, mac: str, *addresses: str) -> list[Any]:
    return [
        vim.vm.GuestInfo.NicInfo(
            network=VM_NETWORK,
            ipAddress=list(addresses),
            macAddress=mac,
            connected=True,
            deviceConfigId=_CARD,
        )
    ]


def _guest_nics_details(inventory: Inventory, vm: Machine) -> Details | None:
    if not tools_running(vm):
        return None
    return (len(vm.ip_addresses),), (_mac(vm), *vm.ip_addresses)


def _devices(connected: bool, file: str, datastore: str, network: str, mac: str) -> list[Any]:
    return [_controller(), _disk(file, datastore), _card(connected, network, mac)]


def _devices_details(inventory: Inventory, vm: Machine) -> Details:
    datastore, network = inventory.datastore_of(vm).moid, inventory.network_of(vm).moid
    on = POWER_STATES[vm.state] == "poweredOn"
    return (on,), (_path(inventory, vm, "vmdk"), datastore, network, _mac(vm))


def _controller() -> Any:
    return vim.vm.device.ParaVirtualSCSIController(
        key=_CONTROLLER,
        deviceInfo=vim.Description(label="SCSI controller 0", summary="VMware paravirtual SCSI"),
        busNumber=0,
        device=[_DISK],
        sharedBus="noSharing",
        scsiCtlrUnitNumber=7,
    )


def _disk(file: str, datastore: str) -> Any:
    return vim.vm.device.VirtualDisk(
        key=_DISK,
        deviceInfo=vim.Description(label="Hard disk 1", summary=f"{_DISK_BYTES // 1024:,} KB"),
        backing=vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
            fileName=file,
            datastore=vim.Datastore(datastore),
            diskMode="persistent",
            thinProvisioned=True,
        ),
        controllerKey=_CONTROLLER,
        unitNumber=0,
        capacityInKB=_DISK_BYTES // 1024,
        capacityInBytes=_DISK_BYTES,
    )


def _card(connected: bool, network: str, mac: str) -> Any:
    return vim.vm.device.VirtualVmxnet3(
        key=_CARD,
        deviceInfo=vim.Description(label="Network adapter 1", summary=VM_NETWORK),
        backing=vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(
            deviceName=VM_NETWORK, network=vim.Network(network)
        ),
        connectable=vim.vm.device.VirtualDevice.ConnectInfo(
            startConnected=True,
            allowGuestControl=True,
            connected=connected,
        ),
        controllerKey=100,
        unitNumber=7,
        addressType="assigned",
        macAddress=mac,
    )


# The disk is thin and empty, so only the configuration file takes space.


def _storage_usage(datastore: str, moment: dt.datetime) -> Any:
    usage = vim.vm.StorageInfo.UsageOnDatastore(
        datastore=vim.Datastore(datastore),
        committed=_VMX_BYTES,
        uncommitted=_DISK_BYTES,
        unshared=_VMX_BYTES,
    )
    return vim.vm.StorageInfo(perDatastoreUsage=[usage], timestamp=moment)


def _storage_summary(moment: dt.datetime) -> Any:
    return vim.vm.Summary.StorageSummary(
        committed=_VMX_BYTES,
        uncommitted=_DISK_BYTES,
        unshared=_VMX_BYTES,
        timestamp=moment,
    )


def _layout(vmx: str, vmdk: str, moment: dt.datetime) -> Any:
    files = ((vmx, "config", _VMX_BYTES), (vmdk, "diskDescriptor", 0))
    return vim.vm.FileLayoutEx(
        file=[
            vim.vm.FileLayoutEx.FileInfo(
                key=number, name=name, type=kind, size=size, accessible=True
            )
            for number, (name, kind, size) in enumerate(files)
        ],
        timestamp=moment,
    )


devices = TemplatedValue(_devices, _devices_details)
guest_nics = TemplatedValue(_guest_nics, _guest_nics_details)
layout = TemplatedValue(
    _layout,
    lambda inventory, vm: (
        (),
        (vmx_path(inventory, vm), _path(inventory, vm, "vmdk"), vm.created),
    ),
)
storage_summary = TemplatedValue(_storage_summary, lambda inventory, vm: ((), (vm.created,)))
storage_usage = TemplatedValue(
    _storage_usage, lambda inventory, vm: ((), (inventory.datastore_of(vm).moid, vm.created))
)
