"""The virtual hardware of a VM: processors, network cards, disks and limits."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

__all__ = [
    "DEFAULT_NETWORK",
    "GIB",
    "Allocation",
    "Disk",
    "Limits",
    "Nic",
    "Topology",
    "default_disk",
    "default_nic",
    "derived_id",
]

GIB = 1024**3
DEFAULT_NETWORK = "VM Network"
_FIRST_NIC, _FIRST_DISK = 4000, 2000  # device keys, as a vCenter numbers them
_DISK_BYTES = 16 * GIB


@dataclass(frozen=True, slots=True)
class Topology:
    sockets: int = 1
    cores: int = 1
    threads: int = 1

    @property
    def cpus(self) -> int:
        return self.sockets * self.cores * self.threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A network card. ``key`` is its number on a vCenter, ``id`` its id on an engine."""

    id: str
    key: int
    name: str
    mac: str
    network: str = DEFAULT_NETWORK
    # Whether its link is up while the VM is on, and whether it is after the next start.
    connected: bool = True
    start_connected: bool = True
    # An engine can unplug a card and keep it.
    plugged: bool = True
    model: str = "vmxnet3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk. ``key`` is its number on a vCenter, ``id`` its id on an engine."""

    id: str
    key: int
    name: str
    size_bytes: int = _DISK_BYTES
    # An engine can deactivate a disk and keep it.
    active: bool = True
    bootable: bool = False
    mode: str = "persistent"


@dataclass(frozen=True, slots=True)
class Allocation:
    """A share of a host's CPU, in MHz, or memory, in MiB. Without limit: None."""

    reservation: int = 0
    limit: int | None = None
    # low, normal, high, or custom with a number of shares.
    level: str = "normal"
    shares: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    cpu: Allocation = Allocation()
    memory: Allocation = Allocation()


def default_nic(vm_id: str, moid: str, number: int = 0) -> Nic:
    """A network card with a MAC address that no other VM has, as a vCenter assigns them."""
    index = int(moid.rpartition("-")[2])
    # The first byte of a card's own address is even; that of a group of cards is odd.
    mac = (number << 1 & 0xFF, 0x50, 0x56, index >> 16 & 0x3F, index >> 8 & 0xFF, index & 0xFF)
    return Nic(
        id=derived_id(vm_id, f"nic{number + 1}"),
        key=_FIRST_NIC + number,
        name=f"nic{number + 1}",
        mac=":".join(f"{part:02x}" for part in mac),
    )


def default_disk(vm_id: str, vm_name: str, number: int = 0, *, bootable: bool = True) -> Disk:
    return Disk(
        id=derived_id(vm_id, f"disk{number + 1}"),
        key=_FIRST_DISK + number,
        name=f"{vm_name}_Disk{number + 1}",
        bootable=bootable,
    )


def derived_id(*parts: str) -> str:
    """An id that is the same each time for the same parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "/".join(parts)))
