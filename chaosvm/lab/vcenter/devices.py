"""The devices of a VM, which are always the same: a disk and a network card; and its files."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.interfaces import Estate
from chaosvm.lab.vcenter.shaped import Details, Shaped
from chaosvm.lab.vcenter.words import POWER_STATES, VM_NETWORK, tools_running
from chaosvm.lab.world import Machine

__all__ = ["devices", "guest_nics", "layout", "storage_summary", "storage_usage", "vmx_path"]

_CONTROLLER, _DISK, _CARD = 1000, 2000, 4000
_DISK_BYTES = 16 * 1024**3
_VMX_BYTES = 4096


def vmx_path(estate: Estate, vm: Machine) -> str:
    return _path(estate, vm, "vmx")


def _path(estate: Estate, vm: Machine, extension: str) -> str:
    return f"[{estate.datastore_of(vm).plain_name}] {vm.name}/{vm.name}.{extension}"


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


def _guest_nics_of(estate: Estate, vm: Machine) -> Details | None:
    if not tools_running(vm):
        return None
    return (len(vm.ip_addresses),), (_mac(vm), *vm.ip_addresses)


def _devices(connected: bool, file: str, store: str, network: str, mac: str) -> list[Any]:
    return [_controller(), _disk(file, store), _card(connected, network, mac)]


def _devices_of(estate: Estate, vm: Machine) -> Details:
    store, network = estate.datastore_of(vm).moid, estate.network_of(vm).moid
    on = POWER_STATES[vm.state] == "poweredOn"
    return (on,), (_path(estate, vm, "vmdk"), store, network, _mac(vm))


def _controller() -> Any:
    return vim.vm.device.ParaVirtualSCSIController(
        key=_CONTROLLER,
        deviceInfo=vim.Description(label="SCSI controller 0", summary="VMware paravirtual SCSI"),
        busNumber=0,
        device=[_DISK],
        sharedBus="noSharing",
        scsiCtlrUnitNumber=7,
    )


def _disk(file: str, store: str) -> Any:
    return vim.vm.device.VirtualDisk(
        key=_DISK,
        deviceInfo=vim.Description(label="Hard disk 1", summary=f"{_DISK_BYTES // 1024:,} KB"),
        backing=vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
            fileName=file,
            datastore=vim.Datastore(store),
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


# What it takes of its datastore, of which nothing is written to its disk.


def _storage_usage(store: str, moment: dt.datetime) -> Any:
    usage = vim.vm.StorageInfo.UsageOnDatastore(
        datastore=vim.Datastore(store),
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


devices = Shaped(_devices, _devices_of)
guest_nics = Shaped(_guest_nics, _guest_nics_of)
layout = Shaped(
    _layout,
    lambda estate, vm: (
        (),
        (vmx_path(estate, vm), _path(estate, vm, "vmdk"), vm.created),
    ),
)
storage_summary = Shaped(_storage_summary, lambda estate, vm: ((), (vm.created,)))
storage_usage = Shaped(
    _storage_usage, lambda estate, vm: ((), (estate.datastore_of(vm).moid, vm.created))
)
