"""The devices of a VM: those that every VM has, its disks and its network cards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.states import POWER_STATES
from chaosvm.lab.vcenter.templated_values import Details, Overridable, TemplatedValue
from chaosvm.lab.vcenter.vm_storage import base_path, disk_suffix

__all__ = ["CARD_TYPES", "OTHER_DEVICES", "devices"]

# The devices in Machine.platform_data that clients have added.
OTHER_DEVICES = "devices"

_d = vim.vm.device
_IDE, _PS2, _PCI, _SIO, _SCSI = 200, 300, 100, 400, 1000
_FIRST_CARD_UNIT = 7
_SCSI_CONTROLLER_UNIT = 7
# Types of network cards, by the simulation's model. Others are shown as VMXNET 3.
CARD_TYPES = {
    "vmxnet3": _d.VirtualVmxnet3,
    "e1000": _d.VirtualE1000,
    "e1000e": _d.VirtualE1000e,
    "vmxnet2": _d.VirtualVmxnet2,
    "pcnet32": _d.VirtualPCNet32,
}

# Key, model, whether it is connected now and at the next start.
_Card = tuple[int, str, bool, bool]
# Key, bytes and mode.
_Disk = tuple[int, int, str]


def _details(inventory: Inventory, vm: Machine) -> Details:
    on = POWER_STATES[vm.state] == "poweredOn"
    cards = tuple(
        (nic.key, nic.model, on and nic.connected and nic.plugged, nic.start_connected)
        for nic in vm.nics
    )
    disks = tuple((disk.key, disk.size_bytes, disk.mode) for disk in vm.disks)
    datastore, network = inventory.datastore_of(vm).moid, inventory.network_of(vm).moid
    texts = (nic.mac for nic in vm.nics), (nic.network for nic in vm.nics)
    return (cards, disks), (
        base_path(inventory, vm),
        vm.id,
        datastore,
        network,
        *sum(map(tuple, texts), ()),
    )


def _build(
    cards: Sequence[_Card],
    disks: Sequence[_Disk],
    base: str,
    vm_id: str,
    datastore: str,
    network: str,
    *texts: str,
) -> list[Any]:
    macs, networks = texts[: len(cards)], texts[len(cards) :]
    return [
        *_standard([key for key, *_ in cards]),
        _scsi_controller([key for key, *_ in disks]),
        *(
            _disk(number, each, f"{base}{disk_suffix(number)}.vmdk", vm_id, datastore)
            for number, each in enumerate(disks)
        ),
        *(
            _card(number, each, macs[number], networks[number], network)
            for number, each in enumerate(cards)
        ),
    ]


_usual = TemplatedValue(_build, _details)


def _with_others(inventory: Inventory, vm: Machine) -> list[Any] | None:
    others = vm.platform_data.get(OTHER_DEVICES)
    return [*_usual(inventory, vm), *others] if others else None


devices = Overridable(_usual, _with_others)


def _standard(cards: Sequence[int]) -> Iterator[Any]:
    """What every VM has, with the keys that a vCenter gives."""
    for number in range(2):
        yield _d.VirtualIDEController(
            key=_IDE + number, deviceInfo=_info(f"IDE {number}", f"IDE {number}"), busNumber=number
        )
    yield _d.VirtualPS2Controller(
        key=_PS2,
        deviceInfo=_info("PS2 controller 0", "PS2 controller 0"),
        busNumber=0,
        device=[600, 700],
    )
    yield _d.VirtualPCIController(
        key=_PCI,
        deviceInfo=_info("PCI controller 0", "PCI controller 0"),
        busNumber=0,
        device=[500, 12000, _SCSI, *cards],
    )
    yield _d.VirtualSIOController(
        key=_SIO, deviceInfo=_info("SIO controller 0", "SIO controller 0"), busNumber=0
    )
    yield _d.VirtualKeyboard(
        key=600, deviceInfo=_info("Keyboard", "Keyboard"), controllerKey=_PS2, unitNumber=0
    )
    yield _d.VirtualPointingDevice(
        key=700,
        deviceInfo=_info("Pointing device", "Pointing device; Device"),
        backing=_d.VirtualPointingDevice.DeviceBackingInfo(
            deviceName="", useAutoDetect=False, hostPointingDevice="autodetect"
        ),
        controllerKey=_PS2,
        unitNumber=1,
    )
    yield _d.VirtualVideoCard(
        key=500,
        deviceInfo=_info("Video card", "Video card"),
        controllerKey=_PCI,
        unitNumber=0,
        videoRamSizeInKB=4096,
        numDisplays=1,
        useAutoDetect=False,
        enable3DSupport=False,
        use3dRenderer="automatic",
        graphicsMemorySizeInKB=262_144,
    )
    yield _d.VirtualVMCIDevice(
        key=12000,
        deviceInfo=_info("VMCI device", "Device on the virtual machine PCI bus"),
        controllerKey=_PCI,
        unitNumber=17,
        id=-1,
        allowUnrestrictedCommunication=False,
        filterEnable=True,
    )


def _scsi_controller(disks: Sequence[int]) -> Any:
    return _d.ParaVirtualSCSIController(
        key=_SCSI,
        deviceInfo=_info("SCSI controller 0", "VMware paravirtual SCSI"),
        controllerKey=_PCI,
        unitNumber=3,
        busNumber=0,
        device=list(disks),
        hotAddRemove=True,
        sharedBus="noSharing",
        scsiCtlrUnitNumber=_SCSI_CONTROLLER_UNIT,
    )


def _disk(number: int, disk: _Disk, file: str, vm_id: str, datastore: str) -> Any:
    key, size, mode = disk
    return _d.VirtualDisk(
        key=key,
        deviceInfo=_info(f"Hard disk {number + 1}", f"{size // 1024:,} KB"),
        backing=_d.VirtualDisk.FlatVer2BackingInfo(
            fileName=file,
            datastore=vim.Datastore(datastore),
            backingObjectId="",
            diskMode=mode,
            split=False,
            writeThrough=False,
            thinProvisioned=True,
            uuid=f"{vm_id}-{key}",
            contentId="ffffffffffffffffffffffffffffffff",
            digestEnabled=False,
            sharing="sharingNone",
        ),
        controllerKey=_SCSI,
        unitNumber=number + (number >= _SCSI_CONTROLLER_UNIT),
        capacityInKB=size // 1024,
        capacityInBytes=size,
        shares=vim.SharesInfo(shares=1000, level="normal"),
        storageIOAllocation=vim.StorageResourceManager.IOAllocationInfo(
            limit=-1, shares=vim.SharesInfo(shares=1000, level="normal"), reservation=0
        ),
        diskObjectId=f"1-{key}",
        nativeUnmanagedLinkedClone=False,
    )


def _card(number: int, card: _Card, mac: str, network_name: str, network: str) -> Any:
    key, model, connected, start_connected = card
    return CARD_TYPES.get(model, _d.VirtualVmxnet3)(
        key=key,
        deviceInfo=_info(f"Network adapter {number + 1}", network_name),
        backing=_d.VirtualEthernetCard.NetworkBackingInfo(
            deviceName=network_name, useAutoDetect=False, network=vim.Network(network)
        ),
        connectable=_d.VirtualDevice.ConnectInfo(
            migrateConnect="unset",
            startConnected=start_connected,
            allowGuestControl=True,
            connected=connected,
            status="ok" if connected else "untried",
        ),
        controllerKey=_PCI,
        unitNumber=_FIRST_CARD_UNIT + number,
        addressType="assigned",
        macAddress=mac,
        wakeOnLanEnabled=True,
        resourceAllocation=_d.VirtualEthernetCard.ResourceAllocation(
            reservation=0, share=vim.SharesInfo(shares=50, level="normal"), limit=-1
        ),
        uptCompatibilityEnabled=True,
    )


def _info(label: str, summary: str) -> Any:
    return vim.Description(label=label, summary=summary)
