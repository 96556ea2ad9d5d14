"""The configuration of a VM, by path below ``config``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyVmomi import VmomiSupport, vim

from chaosvm.lab.simulation import Allocation, Machine
from chaosvm.lab.vcenter.devices import devices
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.serialization import data_object
from chaosvm.lab.vcenter.states import escape_name, guest_full_name, guest_id
from chaosvm.lab.vcenter.templated_values import (
    Constant,
    Details,
    Leaf,
    Overridable,
    TemplatedValue,
)
from chaosvm.lab.vcenter.vm_storage import folder_path, vmx_path

__all__ = [
    "CAPABILITY",
    "CONFIG",
    "EXTRA_CONFIG",
    "HARDWARE_VERSION",
    "SETTINGS",
    "TOOLS_VERSION",
    "bios_uuid",
    "merged",
    "resource_config",
]

# In Machine.platform_data: extraConfig, and properties of config that clients have set.
EXTRA_CONFIG, SETTINGS = "extraConfig", "settings"
HARDWARE_VERSION = "vmx-19"
TOOLS_VERSION = 12352
_MIB = 1024**2
# Shares of each level for a virtual CPU and for a MiB of memory (SharesInfo of the API).
_CPU_SHARES = {"low": 500, "normal": 1000, "high": 2000}
_MEMORY_SHARES = {"low": 5, "normal": 10, "high": 20}


def bios_uuid(vm: Machine) -> str:
    return f"42{vm.id[2:]}"


managed_by = TemplatedValue(
    lambda key: vim.ext.ManagedByInfo(extensionKey=key, type="agent"),
    lambda inventory, vm: None if vm.managed_by is None else ((), (vm.managed_by,)),
)


def _settable(name: str, default: Any) -> Leaf:
    """A property that is the same for all VMs until a client sets it."""

    def override(inventory: Inventory, vm: Machine) -> Any:
        given = vm.platform_data.get(SETTINGS, {}).get(name)
        return given if given is None else merged(default, given)

    return Overridable.of_constant(default, override)


def merged(before: Any, given: Any) -> Any:
    """A value in place of another; of an object, only what is given replaces it."""
    if given is None or before is None or not isinstance(given, VmomiSupport.DataObject):
        return before if given is None else given
    both = type(given)()
    for source in (before, given):
        for info in both._GetPropertyList():
            value = getattr(source, info.name, None)
            if value is not None:
                setattr(both, info.name, value)
    return both


def _extra_config(inventory: Inventory, vm: Machine) -> Any:
    options = vm.platform_data.get(EXTRA_CONFIG)
    if not options:
        return None
    return [vim.option.OptionValue(key=key, value=value) for key, value in options.items()]


def _allocation(allocation: Allocation, units: int, per_unit: Mapping[str, int]) -> Any:
    shares = allocation.shares
    if shares is None:
        shares = units * per_unit[allocation.level]
    return vim.ResourceAllocationInfo(
        reservation=allocation.reservation,
        expandableReservation=False,
        limit=-1 if allocation.limit is None else allocation.limit,
        shares=vim.SharesInfo(shares=shares, level=allocation.level),
    )


def _cpu(allocation: Allocation, cpus: int) -> Any:
    return _allocation(allocation, cpus, _CPU_SHARES)


def _memory(allocation: Allocation, mebibytes: int) -> Any:
    return _allocation(allocation, mebibytes, _MEMORY_SHARES)


def _resources(cpu: Allocation, cpus: int, memory: Allocation, mebibytes: int, moid: str) -> Any:
    return vim.ResourceConfigSpec(
        entity=vim.VirtualMachine(moid),
        changeVersion="1",
        cpuAllocation=_cpu(cpu, cpus),
        memoryAllocation=_memory(memory, mebibytes),
    )


def _resource_details(inventory: Inventory, vm: Machine) -> Details:
    limits = vm.limits
    return (limits.cpu, vm.topology.cpus, limits.memory, vm.memory // _MIB), (vm.moid,)


resource_config = TemplatedValue(_resources, _resource_details)

_TOOLS = _settable(
    "tools",
    vim.vm.ToolsConfigInfo(
        toolsVersion=TOOLS_VERSION,
        toolsInstallType="guestToolsTypeOpenVMTools",
        afterPowerOn=True,
        afterResume=True,
        beforeGuestStandby=True,
        beforeGuestShutdown=True,
        beforeGuestReboot=False,
        toolsUpgradePolicy="manual",
        syncTimeWithHostAllowed=True,
        syncTimeWithHost=False,
        lastInstallInfo=vim.vm.ToolsConfigInfo.ToolsLastInstallInfo(counter=0),
    ),
)
_FLAGS = _settable(
    "flags",
    vim.vm.FlagInfo(
        disableAcceleration=False,
        enableLogging=True,
        useToe=False,
        runWithDebugInfo=False,
        monitorType="release",
        htSharing="any",
        snapshotDisabled=False,
        snapshotLocked=False,
        diskUuidEnabled=False,
        virtualMmuUsage="automatic",
        virtualExecUsage="hvAuto",
        snapshotPowerOffBehavior="powerOff",
        recordReplayEnabled=False,
        faultToleranceType="unset",
        cbrcCacheEnabled=False,
        vvtdEnabled=False,
        vbsEnabled=False,
    ),
)
_BOOT_OPTIONS = _settable(
    "bootOptions",
    vim.vm.BootOptions(
        bootDelay=0,
        enterBIOSSetup=False,
        efiSecureBootEnabled=False,
        bootRetryEnabled=False,
        bootRetryDelay=10_000,
        networkBootProtocol="ipv4",
    ),
)
_POWER_OPERATIONS = Constant(
    vim.vm.DefaultPowerOpInfo(
        powerOffType="soft",
        suspendType="hard",
        resetType="soft",
        defaultPowerOffType="soft",
        defaultSuspendType="hard",
        defaultResetType="soft",
        standbyAction="checkpoint",
    )
)

CONFIG: Mapping[str, Leaf] = {
    "name": lambda inventory, vm: escape_name(vm.name),
    "template": lambda inventory, vm: vm.template,
    "uuid": lambda inventory, vm: bios_uuid(vm),
    "instanceUuid": lambda inventory, vm: vm.id,
    "guestId": lambda inventory, vm: guest_id(vm.os),
    "guestFullName": lambda inventory, vm: guest_full_name(vm.os),
    "alternateGuestName": _settable("alternateGuestName", ""),
    "annotation": lambda inventory, vm: vm.description or "",
    "version": _settable("version", HARDWARE_VERSION),
    "changeVersion": _settable("changeVersion", "1"),
    "modified": lambda inventory, vm: vm.created,
    "createDate": lambda inventory, vm: vm.created,
    "firmware": _settable("firmware", "bios"),
    "managedBy": managed_by,
    "files.vmPathName": vmx_path,
    "files.snapshotDirectory": folder_path,
    "files.suspendDirectory": folder_path,
    "files.logDirectory": folder_path,
    "hardware.numCPU": lambda inventory, vm: vm.topology.cpus,
    "hardware.numCoresPerSocket": lambda inventory, vm: vm.topology.cores * vm.topology.threads,
    "hardware.memoryMB": lambda inventory, vm: vm.memory // _MIB,
    "hardware.virtualICH7MPresent": Constant(False),
    "hardware.virtualSMCPresent": Constant(False),
    "hardware.motherboardLayout": Constant("i440bxHostBridge"),
    "hardware.device": devices,
    "cpuAllocation": TemplatedValue(
        _cpu, lambda inventory, vm: ((vm.limits.cpu, vm.topology.cpus), ())
    ),
    "memoryAllocation": TemplatedValue(
        _memory, lambda inventory, vm: ((vm.limits.memory, vm.memory // _MIB), ())
    ),
    "tools": _TOOLS,
    "flags": _FLAGS,
    "defaultPowerOps": _POWER_OPERATIONS,
    "bootOptions": _BOOT_OPTIONS,
    "latencySensitivity": _settable("latencySensitivity", vim.LatencySensitivity(level="normal")),
    "memoryHotAddEnabled": _settable("memoryHotAddEnabled", True),
    "cpuHotAddEnabled": _settable("cpuHotAddEnabled", True),
    "cpuHotRemoveEnabled": _settable("cpuHotRemoveEnabled", False),
    "extraConfig": Overridable.of_constant([], _extra_config),
    "datastoreUrl": TemplatedValue(
        lambda name, url: [vim.vm.ConfigInfo.DatastoreUrlPair(name=name, url=url)],
        lambda inventory, vm: (
            (),
            (inventory.datastore_of(vm).plain_name, inventory.datastore_of(vm).url),
        ),
    ),
    "swapPlacement": _settable("swapPlacement", "inherit"),
    "changeTrackingEnabled": _settable("changeTrackingEnabled", False),
    "maxMksConnections": Constant(40),
    "guestAutoLockEnabled": Constant(True),
    "memoryReservationLockedToMax": _settable("memoryReservationLockedToMax", False),
    "nestedHVEnabled": _settable("nestedHVEnabled", False),
    "vPMCEnabled": _settable("vPMCEnabled", False),
    "npivTemporaryDisabled": Constant(True),
    "scheduledHardwareUpgradeInfo": Constant(
        vim.vm.ScheduledHardwareUpgradeInfo(
            upgradePolicy="never", scheduledHardwareUpgradeStatus="none"
        )
    ),
    "vFlashCacheReservation": Constant(0),
    "messageBusTunnelEnabled": Constant(False),
    "guestIntegrityInfo": Constant(vim.vm.GuestIntegrityInfo(enabled=False)),
    "migrateEncryption": Constant("opportunistic"),
    "ftEncryptionMode": Constant("ftEncryptionOpportunistic"),
    "sevEnabled": Constant(False),
}

# What the lab can do with a VM; everything else is false.
CAPABILITY = Constant(
    data_object(
        vim.vm.Capability,
        **dict.fromkeys(
            (
                "snapshotOperationsSupported",
                "multipleSnapshotsSupported",
                "poweredOffSnapshotsSupported",
                "memorySnapshotsSupported",
                "revertToSnapshotSupported",
                "bootOptionsSupported",
                "multipleCoresPerSocketSupported",
                "settingVideoRamSizeSupported",
                "diskSharesSupported",
                "toolsSyncTimeSupported",
            ),
            True,
        ),
    )
)
