"""The files of a VM and the storage that they take.

Disks are thin and empty, so only the small files take space.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.templated_values import Details, TemplatedValue

__all__ = [
    "base_path",
    "disk_suffix",
    "layout",
    "layout_ex",
    "storage_summary",
    "storage_usage",
    "vm_files",
    "vmx_path",
]

_VMX_BYTES = 4096


def folder_path(inventory: Inventory, vm: Machine) -> str:
    return f"[{inventory.datastore_of(vm).plain_name}] {vm.name}/"


def base_path(inventory: Inventory, vm: Machine) -> str:
    """The path of its files without what differs between them."""
    return f"{folder_path(inventory, vm)}{vm.name}"


def vmx_path(inventory: Inventory, vm: Machine) -> str:
    return f"{base_path(inventory, vm)}.vmx"


def disk_suffix(number: int) -> str:
    return f"_{number}" if number else ""


def vm_files(base: str, disks: int) -> Iterator[tuple[str, str, int]]:
    """Name, type (of FileLayoutExFileType) and bytes of each file of a VM."""
    yield f"{base}.vmx", "config", _VMX_BYTES
    yield f"{base}.nvram", "nvram", 0
    yield f"{base}.vmsd", "snapshotList", 0
    for number in range(disks):
        yield f"{base}{disk_suffix(number)}.vmdk", "diskDescriptor", 0
        yield f"{base}{disk_suffix(number)}-flat.vmdk", "diskExtent", 0


def _layout_ex(disk_keys: tuple[int, ...], base: str, moment: dt.datetime) -> Any:
    layout = vim.vm.FileLayoutEx
    files = list(vm_files(base, len(disk_keys)))
    first = next(
        (number for number, (_, kind, _) in enumerate(files) if kind == "diskDescriptor"), 0
    )
    return layout(
        file=[
            layout.FileInfo(
                key=number, name=name, type=kind, size=size, uniqueSize=size, accessible=True
            )
            for number, (name, kind, size) in enumerate(files)
        ],
        disk=[
            layout.DiskLayout(
                key=key,
                chain=[layout.DiskUnit(fileKey=[first + 2 * number, first + 2 * number + 1])],
            )
            for number, key in enumerate(disk_keys)
        ],
        timestamp=moment,
    )


def _layout(disk_keys: tuple[int, ...], name: str, base: str) -> Any:
    layout = vim.vm.FileLayout
    return layout(
        configFile=[f"{name}.vmx", f"{name}.nvram", f"{name}.vmsd"],
        logFile=["vmware.log"],
        disk=[
            layout.DiskLayout(key=key, diskFile=[f"{base}{disk_suffix(number)}.vmdk"])
            for number, key in enumerate(disk_keys)
        ],
    )


def _storage_usage(total: int, datastore: str, moment: dt.datetime) -> Any:
    usage = vim.vm.StorageInfo.UsageOnDatastore(
        datastore=vim.Datastore(datastore),
        committed=_VMX_BYTES,
        uncommitted=total,
        unshared=_VMX_BYTES,
    )
    return vim.vm.StorageInfo(perDatastoreUsage=[usage], timestamp=moment)


def _storage_summary(total: int, moment: dt.datetime) -> Any:
    return vim.vm.Summary.StorageSummary(
        committed=_VMX_BYTES, uncommitted=total, unshared=_VMX_BYTES, timestamp=moment
    )


def _disk_keys(vm: Machine) -> tuple[int, ...]:
    return tuple(disk.key for disk in vm.disks)


def _total(vm: Machine) -> int:
    return sum(disk.size_bytes for disk in vm.disks)


def _layout_ex_details(inventory: Inventory, vm: Machine) -> Details:
    return (_disk_keys(vm),), (base_path(inventory, vm), vm.created)


layout_ex = TemplatedValue(_layout_ex, _layout_ex_details)
layout = TemplatedValue(
    _layout, lambda inventory, vm: ((_disk_keys(vm),), (vm.name, base_path(inventory, vm)))
)
storage_summary = TemplatedValue(
    _storage_summary, lambda inventory, vm: ((_total(vm),), (vm.created,))
)
storage_usage = TemplatedValue(
    _storage_usage,
    lambda inventory, vm: ((_total(vm),), (inventory.datastore_of(vm).moid, vm.created)),
)
