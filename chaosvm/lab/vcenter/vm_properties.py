"""All simulated properties of a VM, by full path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.devices import (
    devices,
    guest_nics,
    layout,
    storage_summary,
    storage_usage,
    vmx_path,
)
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.states import (
    CONNECTION_STATES,
    GUEST_STATES,
    POWER_STATES,
    escape_name,
    guest_family,
    guest_full_name,
    guest_id,
    question_of,
    tools_running,
)
from chaosvm.lab.vcenter.templated_values import TemplatedValue

__all__ = ["VOLATILE", "LEAVES", "Leaf", "bios_uuid"]

Leaf = Callable[[Inventory, Machine], Any]

_MIB = 1024**2
_TOOLS_VERSION = 12352
_MHZ = 2400


def bios_uuid(vm: Machine) -> str:
    return f"42{vm.id[2:]}"


def _tools_status(inventory: Inventory, vm: Machine) -> str:
    if not vm.guest.agent:
        return "toolsNotInstalled"
    return "toolsOk" if tools_running(vm) else "toolsNotRunning"


def _if_tools_running(getter: Callable[[Machine], Any]) -> Leaf:
    """A property that is unset unless VMware Tools are running."""
    return lambda inventory, vm: getter(vm) if tools_running(vm) else None


def _if_powered_on(value: int) -> Leaf:
    return lambda inventory, vm: value if POWER_STATES[vm.state] == "poweredOn" else None


_managed_by = TemplatedValue(
    lambda key: vim.ext.ManagedByInfo(extensionKey=key, type="agent"),
    lambda inventory, vm: None if vm.managed_by is None else ((), (vm.managed_by,)),
)


def _values(keys: tuple[int, ...], *values: str) -> list[Any]:
    return [
        vim.CustomFieldsManager.StringValue(key=key, value=value)
        for key, value in zip(keys, values, strict=True)
    ]


_custom_values = TemplatedValue(
    _values,
    lambda inventory, vm: (
        (tuple(map(inventory.fields.key, vm.attributes)),),
        tuple(vm.attributes.values()),
    ),
)


def _question(inventory: Inventory, vm: Machine) -> Any:
    text = question_of(vm)
    if text is None:
        return None
    choices = [
        vim.ElementDescription(key=str(number), label=label, summary=label)
        for number, label in enumerate(("Cancel", "Retry"))
    ]
    choice = vim.option.ChoiceOption(choiceInfo=choices, defaultIndex=0)
    return vim.vm.QuestionInfo(id=vm.moid, text=text, choice=choice)


def _uptime(inventory: Inventory, vm: Machine) -> int | None:
    if vm.started_at is None or POWER_STATES[vm.state] != "poweredOn":
        return None
    return max(0, int(inventory.world.now - vm.started_at))


_ENTITY: Mapping[str, Leaf] = {
    "name": lambda inventory, vm: escape_name(vm.name),
    "parent": lambda inventory, vm: inventory.folder_of(vm).reference,
    "resourcePool": lambda inventory, vm: (
        None if vm.template else inventory.compute_of(vm).pool.reference
    ),
    "datastore": lambda inventory, vm: [inventory.datastore_of(vm).reference],
    "network": lambda inventory, vm: [inventory.network_of(vm).reference],
    "customValue": _custom_values,
    "value": _custom_values,
    "availableField": lambda inventory, vm: inventory.fields.definitions(),
    "overallStatus": lambda inventory, vm: "green",
    "configStatus": lambda inventory, vm: "green",
    "guestHeartbeatStatus": lambda inventory, vm: "green" if tools_running(vm) else "gray",
    "alarmActionsEnabled": lambda inventory, vm: True,
    "triggeredAlarmState": lambda inventory, vm: [],
    "declaredAlarmState": lambda inventory, vm: [],
    "effectiveRole": lambda inventory, vm: [-1],
    "disabledMethod": lambda inventory, vm: [],
    "recentTask": lambda inventory, vm: inventory.tasks.recent(vm.moid),
    "storage": storage_usage,
    "layoutEx": layout,
}

_CONFIG: Mapping[str, Leaf] = {
    "name": _ENTITY["name"],
    "template": lambda inventory, vm: vm.template,
    "uuid": lambda inventory, vm: bios_uuid(vm),
    "instanceUuid": lambda inventory, vm: vm.id,
    "guestId": lambda inventory, vm: guest_id(vm.os),
    "guestFullName": lambda inventory, vm: guest_full_name(vm.os),
    "alternateGuestName": lambda inventory, vm: "",
    "annotation": lambda inventory, vm: vm.description or "",
    "version": lambda inventory, vm: "vmx-19",
    "changeVersion": lambda inventory, vm: "1",
    "modified": lambda inventory, vm: vm.created,
    "createDate": lambda inventory, vm: vm.created,
    "firmware": lambda inventory, vm: "bios",
    "managedBy": _managed_by,
    "files.vmPathName": vmx_path,
    "hardware.numCPU": lambda inventory, vm: vm.topology.cpus,
    "hardware.numCoresPerSocket": lambda inventory, vm: vm.topology.cores * vm.topology.threads,
    "hardware.memoryMB": lambda inventory, vm: vm.memory // _MIB,
    "hardware.device": devices,
    "cpuAllocation.limit": lambda inventory, vm: -1,
    "memoryAllocation.limit": lambda inventory, vm: -1,
    "extraConfig": lambda inventory, vm: [],
}

_RUNTIME: Mapping[str, Leaf] = {
    "host": lambda inventory, vm: inventory.host_of(vm),
    "connectionState": lambda inventory, vm: CONNECTION_STATES.get(vm.state, "connected"),
    "powerState": lambda inventory, vm: POWER_STATES[vm.state],
    "bootTime": lambda inventory, vm: (
        inventory.world.date_of(vm.started_at)
        if vm.started_at is not None and POWER_STATES[vm.state] == "poweredOn"
        else None
    ),
    "question": _question,
    "faultToleranceState": lambda inventory, vm: "notConfigured",
    "maxCpuUsage": lambda inventory, vm: vm.topology.cpus * _MHZ,
    "maxMemoryUsage": lambda inventory, vm: vm.memory // _MIB,
    "recordReplayState": lambda inventory, vm: "inactive",
}

_GUEST: Mapping[str, Leaf] = {
    "toolsStatus": _tools_status,
    "toolsRunningStatus": lambda inventory, vm: (
        "guestToolsRunning" if tools_running(vm) else "guestToolsNotRunning"
    ),
    "toolsVersionStatus": lambda inventory, vm: (
        "guestToolsCurrent" if vm.guest.agent else "guestToolsNotInstalled"
    ),
    "toolsVersionStatus2": lambda inventory, vm: (
        "guestToolsCurrent" if vm.guest.agent else "guestToolsNotInstalled"
    ),
    "toolsVersion": lambda inventory, vm: str(_TOOLS_VERSION if vm.guest.agent else 0),
    "guestId": _if_tools_running(lambda vm: guest_id(vm.os)),
    "guestFullName": _if_tools_running(lambda vm: guest_full_name(vm.os)),
    "guestFamily": _if_tools_running(lambda vm: guest_family(vm.os)),
    "hostName": _if_tools_running(lambda vm: vm.fqdn),
    "ipAddress": _if_tools_running(lambda vm: next(iter(vm.ip_addresses), None)),
    "net": guest_nics,
    "guestState": lambda inventory, vm: (
        "running" if tools_running(vm) else GUEST_STATES.get(vm.state, "notRunning")
    ),
    "guestOperationsReady": lambda inventory, vm: tools_running(vm),
    "interactiveGuestOperationsReady": lambda inventory, vm: False,
}

_SUMMARY: Mapping[str, Leaf] = {
    "vm": lambda inventory, vm: vim.VirtualMachine(vm.moid),
    "overallStatus": _ENTITY["overallStatus"],
    "customValue": _custom_values,
    "config.memorySizeMB": _CONFIG["hardware.memoryMB"],
    "config.numCpu": _CONFIG["hardware.numCPU"],
    "config.vmPathName": vmx_path,
    "config.numEthernetCards": lambda inventory, vm: 1,
    "config.numVirtualDisks": lambda inventory, vm: 1,
    "storage": storage_summary,
    "quickStats.overallCpuUsage": _if_powered_on(0),
    "quickStats.hostMemoryUsage": _if_powered_on(0),
    "quickStats.guestMemoryUsage": _if_powered_on(0),
    "quickStats.guestHeartbeatStatus": _ENTITY["guestHeartbeatStatus"],
    "quickStats.uptimeSeconds": _uptime,
}
_SUMMARY_COPIES: Mapping[str, tuple[Mapping[str, Leaf], tuple[str, ...]]] = {
    "config": (
        _CONFIG,
        (
            "name",
            "template",
            "uuid",
            "instanceUuid",
            "guestId",
            "guestFullName",
            "annotation",
            "managedBy",
        ),
    ),
    "guest": (
        _GUEST,
        (
            "toolsStatus",
            "toolsRunningStatus",
            "toolsVersionStatus",
            "toolsVersionStatus2",
            "guestId",
            "guestFullName",
            "hostName",
            "ipAddress",
        ),
    ),
    "runtime": (_RUNTIME, tuple(_RUNTIME)),
}


def _with_prefix(prefix: str, leaves: Mapping[str, Leaf]) -> dict[str, Leaf]:
    return {f"{prefix}.{path}": leaf for path, leaf in leaves.items()}


LEAVES: Mapping[str, Leaf] = {
    **_ENTITY,
    **_with_prefix("config", _CONFIG),
    **_with_prefix("runtime", _RUNTIME),
    **_with_prefix("guest", _GUEST),
    **_with_prefix("summary", _SUMMARY),
    **{
        f"summary.{part}.{name}": leaves[name]
        for part, (leaves, names) in _SUMMARY_COPIES.items()
        for name in names
    },
}

# Change even if the machine does not, so they are not cached.
VOLATILE = ("recentTask", "summary.quickStats.uptimeSeconds", "availableField")
