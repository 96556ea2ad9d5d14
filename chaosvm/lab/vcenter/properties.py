"""What a vCenter tells of a VM: every property that is known, by its whole path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.devices import (
    devices,
    guest_nics,
    layout,
    storage_summary,
    storage_usage,
    vmx_path,
)
from chaosvm.lab.vcenter.interfaces import Estate
from chaosvm.lab.vcenter.shaped import Shaped
from chaosvm.lab.vcenter.words import (
    CONNECTION_STATES,
    GUEST_STATES,
    POWER_STATES,
    escaped_name,
    guest_family,
    guest_full_name,
    guest_id,
    question_of,
    tools_running,
)
from chaosvm.lab.world import Machine

__all__ = ["FLEETING", "LEAVES", "Leaf", "bios_uuid"]

Leaf = Callable[["Estate", Machine], Any]

_MIB = 1024**2
_TOOLS_VERSION = 12352
_MHZ = 2400


def bios_uuid(vm: Machine) -> str:
    return f"42{vm.id[2:]}"


def _tools_status(estate: Estate, vm: Machine) -> str:
    if not vm.guest.agent:
        return "toolsNotInstalled"
    return "toolsOk" if tools_running(vm) else "toolsNotRunning"


def _running_tools_tell(told: Callable[[Machine], Any]) -> Leaf:
    """What a vCenter only knows while Tools run."""
    return lambda estate, vm: told(vm) if tools_running(vm) else None


def _when_on(value: int) -> Leaf:
    return lambda estate, vm: value if POWER_STATES[vm.state] == "poweredOn" else None


_managed_by = Shaped(
    lambda key: vim.ext.ManagedByInfo(extensionKey=key, type="agent"),
    lambda estate, vm: None if vm.managed_by is None else ((), (vm.managed_by,)),
)


def _values(keys: tuple[int, ...], *values: str) -> list[Any]:
    return [
        vim.CustomFieldsManager.StringValue(key=key, value=value)
        for key, value in zip(keys, values, strict=True)
    ]


_custom_values = Shaped(
    _values,
    lambda estate, vm: (
        (tuple(map(estate.fields.key, vm.attributes)),),
        tuple(vm.attributes.values()),
    ),
)


def _question(estate: Estate, vm: Machine) -> Any:
    text = question_of(vm)
    if text is None:
        return None
    choices = [
        vim.ElementDescription(key=str(number), label=label, summary=label)
        for number, label in enumerate(("Cancel", "Retry"))
    ]
    choice = vim.option.ChoiceOption(choiceInfo=choices, defaultIndex=0)
    return vim.vm.QuestionInfo(id=vm.moid, text=text, choice=choice)


def _uptime(estate: Estate, vm: Machine) -> int | None:
    if vm.started_at is None or POWER_STATES[vm.state] != "poweredOn":
        return None
    return max(0, int(estate.world.now - vm.started_at))


_ENTITY: Mapping[str, Leaf] = {
    "name": lambda estate, vm: escaped_name(vm.name),
    "parent": lambda estate, vm: estate.folder_of(vm).reference,
    "resourcePool": lambda estate, vm: (
        None if vm.template else estate.compute_of(vm).pool.reference
    ),
    "datastore": lambda estate, vm: [estate.datastore_of(vm).reference],
    "network": lambda estate, vm: [estate.network_of(vm).reference],
    "customValue": _custom_values,
    "value": _custom_values,
    "availableField": lambda estate, vm: estate.fields.definitions(),
    "overallStatus": lambda estate, vm: "green",
    "configStatus": lambda estate, vm: "green",
    "guestHeartbeatStatus": lambda estate, vm: "green" if tools_running(vm) else "gray",
    "alarmActionsEnabled": lambda estate, vm: True,
    "triggeredAlarmState": lambda estate, vm: [],
    "declaredAlarmState": lambda estate, vm: [],
    "effectiveRole": lambda estate, vm: [-1],
    "disabledMethod": lambda estate, vm: [],
    "recentTask": lambda estate, vm: estate.tasks.recent(vm.moid),
    "storage": storage_usage,
    "layoutEx": layout,
}

_CONFIG: Mapping[str, Leaf] = {
    "name": _ENTITY["name"],
    "template": lambda estate, vm: vm.template,
    "uuid": lambda estate, vm: bios_uuid(vm),
    "instanceUuid": lambda estate, vm: vm.id,
    "guestId": lambda estate, vm: guest_id(vm.os),
    "guestFullName": lambda estate, vm: guest_full_name(vm.os),
    "alternateGuestName": lambda estate, vm: "",
    "annotation": lambda estate, vm: vm.description or "",
    "version": lambda estate, vm: "vmx-19",
    "changeVersion": lambda estate, vm: "1",
    "modified": lambda estate, vm: vm.created,
    "createDate": lambda estate, vm: vm.created,
    "firmware": lambda estate, vm: "bios",
    "managedBy": _managed_by,
    "files.vmPathName": vmx_path,
    "hardware.numCPU": lambda estate, vm: vm.topology.cpus,
    "hardware.numCoresPerSocket": lambda estate, vm: vm.topology.cores * vm.topology.threads,
    "hardware.memoryMB": lambda estate, vm: vm.memory // _MIB,
    "hardware.device": devices,
    "cpuAllocation.limit": lambda estate, vm: -1,
    "memoryAllocation.limit": lambda estate, vm: -1,
    "extraConfig": lambda estate, vm: [],
}

_RUNTIME: Mapping[str, Leaf] = {
    "host": lambda estate, vm: estate.host_of(vm),
    "connectionState": lambda estate, vm: CONNECTION_STATES.get(vm.state, "connected"),
    "powerState": lambda estate, vm: POWER_STATES[vm.state],
    "bootTime": lambda estate, vm: (
        estate.world.moment(vm.started_at)
        if vm.started_at is not None and POWER_STATES[vm.state] == "poweredOn"
        else None
    ),
    "question": _question,
    "faultToleranceState": lambda estate, vm: "notConfigured",
    "maxCpuUsage": lambda estate, vm: vm.topology.cpus * _MHZ,
    "maxMemoryUsage": lambda estate, vm: vm.memory // _MIB,
    "recordReplayState": lambda estate, vm: "inactive",
}

_GUEST: Mapping[str, Leaf] = {
    "toolsStatus": _tools_status,
    "toolsRunningStatus": lambda estate, vm: (
        "guestToolsRunning" if tools_running(vm) else "guestToolsNotRunning"
    ),
    "toolsVersionStatus": lambda estate, vm: (
        "guestToolsCurrent" if vm.guest.agent else "guestToolsNotInstalled"
    ),
    "toolsVersionStatus2": lambda estate, vm: (
        "guestToolsCurrent" if vm.guest.agent else "guestToolsNotInstalled"
    ),
    "toolsVersion": lambda estate, vm: str(_TOOLS_VERSION if vm.guest.agent else 0),
    "guestId": _running_tools_tell(lambda vm: guest_id(vm.os)),
    "guestFullName": _running_tools_tell(lambda vm: guest_full_name(vm.os)),
    "guestFamily": _running_tools_tell(lambda vm: guest_family(vm.os)),
    "hostName": _running_tools_tell(lambda vm: vm.fqdn),
    "ipAddress": _running_tools_tell(lambda vm: next(iter(vm.ip_addresses), None)),
    "net": guest_nics,
    "guestState": lambda estate, vm: (
        "running" if tools_running(vm) else GUEST_STATES.get(vm.state, "notRunning")
    ),
    "guestOperationsReady": lambda estate, vm: tools_running(vm),
    "interactiveGuestOperationsReady": lambda estate, vm: False,
}

_SUMMARY: Mapping[str, Leaf] = {
    "vm": lambda estate, vm: vim.VirtualMachine(vm.moid),
    "overallStatus": _ENTITY["overallStatus"],
    "customValue": _custom_values,
    "config.memorySizeMB": _CONFIG["hardware.memoryMB"],
    "config.numCpu": _CONFIG["hardware.numCPU"],
    "config.vmPathName": vmx_path,
    "config.numEthernetCards": lambda estate, vm: 1,
    "config.numVirtualDisks": lambda estate, vm: 1,
    "storage": storage_summary,
    "quickStats.overallCpuUsage": _when_on(0),
    "quickStats.hostMemoryUsage": _when_on(0),
    "quickStats.guestMemoryUsage": _when_on(0),
    "quickStats.guestHeartbeatStatus": _ENTITY["guestHeartbeatStatus"],
    "quickStats.uptimeSeconds": _uptime,
}
_IN_SUMMARY: Mapping[str, tuple[Mapping[str, Leaf], tuple[str, ...]]] = {
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


def _below(prefix: str, leaves: Mapping[str, Leaf]) -> dict[str, Leaf]:
    return {f"{prefix}.{path}": leaf for path, leaf in leaves.items()}


LEAVES: Mapping[str, Leaf] = {
    **_ENTITY,
    **_below("config", _CONFIG),
    **_below("runtime", _RUNTIME),
    **_below("guest", _GUEST),
    **_below("summary", _SUMMARY),
    **{
        f"summary.{part}.{name}": leaves[name]
        for part, (leaves, names) in _IN_SUMMARY.items()
        for name in names
    },
}

# What changes without a change of the machine, and cannot be kept.
FLEETING = ("recentTask", "summary.quickStats.uptimeSeconds", "availableField")
