"""The devices of a VM, which are always the same: a disk and a network card; and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyVmomi import vim

from chaosvm.lab.vcenter.words import POWER_STATES
from chaosvm.lab.world import Machine

if TYPE_CHECKING:
    from chaosvm.lab.vcenter.estate import Estate

__all__ = ["devices", "guest_nics", "layout", "storage_summary", "storage_usage", "vmx_path"]

_CONTROLLER, _DISK, _CARD = 1000, 2000, 4000
_DISK_BYTES = 16 * 1024**3
_VMX_BYTES = 4096
_NETWORK = "VM Network"


def vmx_path(estate: Estate, vm: Machine) -> str:
    return _path(estate, vm, "vmx")


def _path(estate: Estate, vm: Machine, extension: str) -> str:
    return f"[{estate.datastore_of(vm).plain_name}] {vm.name}/{vm.name}.{extension}"


def _mac(vm: Machine) -> str:
    number = int(vm.moid.rpartition("-")[2])
    return f"00:50:56:{number >> 16 & 0x3F:02x}:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"


def guest_nics(vm: Machine) -> list[Any]:
    return [
        vim.vm.GuestInfo.NicInfo(
            network=_NETWORK,
            ipAddress=list(vm.ip_addresses),
            macAddress=_mac(vm),
            connected=True,
            deviceConfigId=_CARD,
        )
    ]


def devices(estate: Estate, vm: Machine) -> list[Any]:
    return [_controller(), _disk(estate, vm), _card(vm)]


def _controller() -> Any:
    return vim.vm.device.ParaVirtualSCSIController(
        key=_CONTROLLER,
        deviceInfo=vim.Description(label="SCSI controller 0", summary="VMware paravirtual SCSI"),
        busNumber=0,
        device=[_DISK],
        sharedBus="noSharing",
        scsiCtlrUnitNumber=7,
    )


def _disk(estate: Estate, vm: Machine) -> Any:
    return vim.vm.device.VirtualDisk(
        key=_DISK,
        deviceInfo=vim.Description(label="Hard disk 1", summary=f"{_DISK_BYTES // 1024:,} KB"),
        backing=vim.vm.device.VirtualDisk.FlatVer2BackingInfo(
            fileName=_path(estate, vm, "vmdk"),
            datastore=estate.datastore_of(vm).reference,
            diskMode="persistent",
            thinProvisioned=True,
        ),
        controllerKey=_CONTROLLER,
        unitNumber=0,
        capacityInKB=_DISK_BYTES // 1024,
        capacityInBytes=_DISK_BYTES,
    )


def _card(vm: Machine) -> Any:
    return vim.vm.device.VirtualVmxnet3(
        key=_CARD,
        deviceInfo=vim.Description(label="Network adapter 1", summary=_NETWORK),
        backing=vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName=_NETWORK),
        connectable=vim.vm.device.VirtualDevice.ConnectInfo(
            startConnected=True,
            allowGuestControl=True,
            connected=POWER_STATES[vm.state] == "poweredOn",
        ),
        controllerKey=100,
        unitNumber=7,
        addressType="assigned",
        macAddress=_mac(vm),
    )


# What it takes of its datastore, of which nothing is written to its disk.


def storage_usage(estate: Estate, vm: Machine) -> Any:
    usage = vim.vm.StorageInfo.UsageOnDatastore(
        datastore=estate.datastore_of(vm).reference,
        committed=_VMX_BYTES,
        uncommitted=_DISK_BYTES,
        unshared=_VMX_BYTES,
    )
    return vim.vm.StorageInfo(perDatastoreUsage=[usage], timestamp=vm.created)


def storage_summary(estate: Estate, vm: Machine) -> Any:
    return vim.vm.Summary.StorageSummary(
        committed=_VMX_BYTES,
        uncommitted=_DISK_BYTES,
        unshared=_VMX_BYTES,
        timestamp=vm.created,
    )


def layout(estate: Estate, vm: Machine) -> Any:
    files = (("vmx", "config", _VMX_BYTES), ("vmdk", "diskDescriptor", 0))
    return vim.vm.FileLayoutEx(
        file=[
            vim.vm.FileLayoutEx.FileInfo(
                key=number, name=_path(estate, vm, extension), type=kind, size=size, accessible=True
            )
            for number, (extension, kind, size) in enumerate(files)
        ],
        timestamp=vm.created,
    )
