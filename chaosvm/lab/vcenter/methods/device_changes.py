"""Device changes of a VM's ConfigSpec: network cards, disks and everything else.

Network cards and disks are those of the simulation, so that both platforms show them.
Other devices, such as CD drives and serial ports, only exist on the vCenter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Disk, Machine, Nic, derived_id
from chaosvm.lab.vcenter.devices import CARD_TYPES, OTHER_DEVICES
from chaosvm.lab.vcenter.managed_object import SoapFault

__all__ = ["changed_devices"]

_d = vim.vm.device
_CARD, _DISK = _d.VirtualEthernetCard, _d.VirtualDisk
# The first key, label and summary of devices that are added (vSphere numbers them so).
_KINDS: Sequence[tuple[Any, int, str]] = (
    (_d.VirtualCdrom, 3000, "CD/DVD drive"),
    (_d.VirtualFloppy, 8000, "Floppy drive"),
    (_d.VirtualSerialPort, 9000, "Serial port"),
    (_d.VirtualParallelPort, 10000, "Parallel port"),
    (_d.VirtualSoundCard, 5000, "Sound card"),
    (_d.VirtualUSBController, 7000, "USB controller"),
    (_d.VirtualUSBXHCIController, 14000, "USB xHCI controller"),
    (_d.VirtualUSB, 7100, "USB"),
    (_d.VirtualSCSIController, 1001, "SCSI controller"),
    (_d.VirtualIDEController, 202, "IDE"),
    (_d.VirtualAHCIController, 15000, "SATA controller"),
    (_d.VirtualNVMEController, 31000, "NVME controller"),
    (_d.VirtualTPM, 11000, "Virtual TPM"),
    (_d.VirtualWDT, 18000, "Virtual watchdog timer"),
    (_d.VirtualPrecisionClock, 19000, "Precision clock"),
    (_d.VirtualPCIPassthrough, 13000, "PCI device"),
)


@dataclass(slots=True)
class _Devices:
    """The devices of a VM while they are being changed."""

    vm: Machine
    on: bool
    nics: list[Nic]
    disks: list[Disk]
    others: list[Any]
    # Of the standard devices, which cannot be removed.
    standard: Mapping[int, Any]
    network_name: Callable[[Any], str]


def changed_devices(
    vm: Machine,
    on: bool,
    specs: Sequence[Any],
    current: Sequence[Any],
    network_name: Callable[[Any], str],
) -> dict[str, Any]:
    """The fields of the machine after these device changes."""
    others = list(vm.platform_data.get(OTHER_DEVICES, ()))
    standard = {device.key: device for device in current}
    devices = _Devices(vm, on, list(vm.nics), list(vm.disks), others, standard, network_name)
    for index, spec in enumerate(specs):
        _apply(devices, index, spec)
    data = {**vm.platform_data, OTHER_DEVICES: tuple(devices.others)}
    return {
        "nics": tuple(devices.nics),
        "disks": tuple(devices.disks),
        "platform_data": data,
    }


def _apply(devices: _Devices, index: int, spec: Any) -> None:
    device, operation = spec.device, str(spec.operation or "edit")
    if isinstance(device, _CARD):
        _CARD_CHANGES[operation](devices, index, device)
    elif isinstance(device, _DISK):
        _DISK_CHANGES[operation](devices, index, device)
    else:
        _OTHER_CHANGES[operation](devices, index, device)


def _invalid(index: int, name: str, message: str) -> SoapFault:
    return SoapFault(vim.fault.InvalidDeviceSpec(property=name, deviceIndex=index), message)


def _position(items: Sequence[Any], index: int, device: Any) -> int:
    for position, item in enumerate(items):
        if item.key == device.key:
            return position
    raise _invalid(index, "deviceChange.device.key", f"There is no device {device.key}.")


def _free_key(items: Sequence[Any], first: int) -> int:
    taken = {item.key for item in items}
    return next(key for key in range(first, first + 1000) if key not in taken)


# Network cards ---------------------------------------------------------------------------


def _model(device: Any) -> str:
    return next((name for name, kind in CARD_TYPES.items() if type(device) is kind), "vmxnet3")


def _add_card(devices: _Devices, index: int, device: Any) -> None:
    key = _free_key(devices.nics, 4000)
    number = key - 4000
    connectable = device.connectable
    start = True if connectable is None else bool(connectable.startConnected)
    mac = device.macAddress or _new_mac(devices.vm, number)
    card = Nic(
        id=derived_id(devices.vm.id, f"nic{number + 1}"),
        key=key,
        name=f"nic{number + 1}",
        mac=mac.lower(),
        network=devices.network_name(device.backing),
        connected=start,
        start_connected=start,
        model=_model(device),
    )
    devices.nics.append(card)


def _new_mac(vm: Machine, number: int) -> str:
    """In the range that a vCenter assigns."""
    index = int(vm.moid.rpartition("-")[2])
    return f"00:50:56:{0x80 | number & 0x3F:02x}:{index >> 8 & 0xFF:02x}:{index & 0xFF:02x}"


def _edit_card(devices: _Devices, index: int, device: Any) -> None:
    position = _position(devices.nics, index, device)
    card = devices.nics[position]
    if device.backing is not None:
        card = replace(card, network=devices.network_name(device.backing))
    if device.connectable is not None:
        wanted = bool(device.connectable.connected)
        start = bool(device.connectable.startConnected)
        card = replace(card, start_connected=start, connected=wanted if devices.on else start)
    if device.macAddress and device.macAddress.lower() != card.mac:
        if devices.on:
            raise _invalid(index, "deviceChange.device.macAddress", "The card is in use.")
        card = replace(card, mac=device.macAddress.lower())
    devices.nics[position] = card


def _remove_card(devices: _Devices, index: int, device: Any) -> None:
    del devices.nics[_position(devices.nics, index, device)]


# Disks -----------------------------------------------------------------------------------


def _bytes(device: Any) -> int:
    return int(device.capacityInBytes or (device.capacityInKB or 0) * 1024)


def _add_disk(devices: _Devices, index: int, device: Any) -> None:
    size = _bytes(device)
    exists = getattr(device.backing, "parent", None) is not None
    if size <= 0 and not exists and not getattr(device.backing, "fileName", None):
        raise _invalid(index, "deviceChange.device.capacityInKB", "The disk has no capacity.")
    key = _free_key(devices.disks, 2000)
    number = key - 2000
    disk = Disk(
        id=derived_id(devices.vm.id, f"disk{number + 1}"),
        key=key,
        name=f"{devices.vm.name}_Disk{number + 1}",
        size_bytes=size or 16 * 1024**3,
        mode=getattr(device.backing, "diskMode", None) or "persistent",
    )
    devices.disks.append(disk)


def _edit_disk(devices: _Devices, index: int, device: Any) -> None:
    position = _position(devices.disks, index, device)
    disk, size = devices.disks[position], _bytes(device)
    if size and size < disk.size_bytes:
        raise _invalid(index, "deviceChange.device.capacityInKB", "A disk cannot shrink.")
    if size > disk.size_bytes and devices.vm.snapshots:
        fault = vim.fault.InvalidDeviceOperation(deviceIndex=index, badOp="edit", badFileOp=None)
        raise SoapFault(fault, "The disk of a virtual machine with snapshots cannot be extended.")
    mode = getattr(device.backing, "diskMode", None) or disk.mode
    devices.disks[position] = replace(disk, size_bytes=size or disk.size_bytes, mode=mode)


def _remove_disk(devices: _Devices, index: int, device: Any) -> None:
    del devices.disks[_position(devices.disks, index, device)]


# Other devices ---------------------------------------------------------------------------


def _add_other(devices: _Devices, index: int, device: Any) -> None:
    known = next((each for each in _KINDS if isinstance(device, each[0])), None)
    if known is None:
        raise _invalid(index, "deviceChange.device", "The lab does not model such a device.")
    kind, first, label = known
    taken = [*devices.others, *devices.standard.values()]
    device.key = _free_key(taken, first)
    number = sum(isinstance(each, kind) for each in devices.others) + 1
    if isinstance(device, _d.VirtualSCSIController):
        device.busNumber = number
    device.deviceInfo = vim.Description(label=f"{label} {number}", summary=label)
    if device.connectable is None and isinstance(device, _d.VirtualCdrom | _d.VirtualFloppy):
        device.connectable = _d.VirtualDevice.ConnectInfo(
            startConnected=True, connected=devices.on, allowGuestControl=True
        )
    devices.others.append(device)


def _edit_other(devices: _Devices, index: int, device: Any) -> None:
    if device.key in devices.standard and device.key not in {each.key for each in devices.others}:
        return  # a standard device, whose settings are not modelled
    position = _position(devices.others, index, device)
    device.deviceInfo = device.deviceInfo or devices.others[position].deviceInfo
    devices.others[position] = device


def _remove_other(devices: _Devices, index: int, device: Any) -> None:
    del devices.others[_position(devices.others, index, device)]


_Change = Callable[[_Devices, int, Any], None]
_CARD_CHANGES: Mapping[str, _Change] = {
    "add": _add_card,
    "edit": _edit_card,
    "remove": _remove_card,
}
_DISK_CHANGES: Mapping[str, _Change] = {
    "add": _add_disk,
    "edit": _edit_disk,
    "remove": _remove_disk,
}
_OTHER_CHANGES: Mapping[str, _Change] = {
    "add": _add_other,
    "edit": _edit_other,
    "remove": _remove_other,
}
