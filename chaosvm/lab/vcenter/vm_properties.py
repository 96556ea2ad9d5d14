"""All simulated properties of a VM, by full path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.methods.snapshots import root_snapshots, snapshot_info
from chaosvm.lab.vcenter.states import (
    CONNECTION_STATES,
    POWER_STATES,
    question_of,
)
from chaosvm.lab.vcenter.templated_values import Constant, Leaf, TemplatedValue
from chaosvm.lab.vcenter.vm_config import CAPABILITY, CONFIG, HARDWARE_VERSION, resource_config
from chaosvm.lab.vcenter.vm_guest import GUEST
from chaosvm.lab.vcenter.vm_storage import layout, layout_ex, storage_summary, storage_usage

__all__ = ["LEAVES", "VOLATILE"]

_MHZ = 2400
_MIB = 1024**2
_ABSENT = Constant([])


def _if_powered_on(value: int) -> Leaf:
    return lambda inventory, vm: value if POWER_STATES[vm.state] == "poweredOn" else None


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


def _connection(inventory: Inventory, vm: Machine) -> str:
    """The VM's own, or else that of its host."""
    host = inventory.world.registered_host(vm)
    usual = "connected" if host is None or host.responding else "disconnected"
    return CONNECTION_STATES.get(vm.state, usual)


def _protection(inventory: Inventory, vm: Machine) -> Any:
    """Whether high availability would restart a VM; unset outside of clusters that have it."""
    cluster = inventory.world.cluster(vm.cluster_id)
    if cluster is None or not cluster.ha.enabled or POWER_STATES[vm.state] != "poweredOn":
        return None
    protected = inventory.world.availability.is_protected(vm)
    return vim.vm.RuntimeInfo.DasProtectionState(dasProtected=protected)


def _uptime(inventory: Inventory, vm: Machine) -> int | None:
    if vm.started_at is None or POWER_STATES[vm.state] != "poweredOn":
        return None
    return max(0, int(inventory.world.now - vm.started_at))


_ENTITY: Mapping[str, Leaf] = {
    "name": CONFIG["name"],
    "parent": lambda inventory, vm: inventory.folder_of(vm).reference,
    "resourcePool": lambda inventory, vm: None if vm.template else inventory.pool_of(vm).reference,
    "datastore": lambda inventory, vm: [inventory.datastore_of(vm).reference],
    "network": lambda inventory, vm: [inventory.network_of(vm).reference],
    "customValue": _custom_values,
    "value": _custom_values,
    "availableField": lambda inventory, vm: inventory.fields.definitions(),
    "overallStatus": lambda inventory, vm: inventory.alarms.status(vm.moid),
    "configStatus": Constant("green"),
    "guestHeartbeatStatus": lambda inventory, vm: vm.heartbeat,
    "alarmActionsEnabled": lambda inventory, vm: inventory.alarms.actions_enabled(vm.moid),
    "triggeredAlarmState": lambda inventory, vm: inventory.alarms.values(
        inventory.alarms.triggered(vm.moid)
    ),
    "declaredAlarmState": lambda inventory, vm: inventory.alarms.values(
        inventory.alarms.declared(vm.moid, vim.VirtualMachine)
    ),
    "effectiveRole": Constant([-1]),
    "disabledMethod": _ABSENT,
    "snapshot": snapshot_info,
    "rootSnapshot": root_snapshots,
    "recentTask": lambda inventory, vm: inventory.tasks.recent(vm.moid),
    "storage": storage_usage,
    "layout": layout,
    "layoutEx": layout_ex,
    "capability": CAPABILITY,
    "environmentBrowser": lambda inventory, vm: inventory.compute_of(vm).environmentBrowser(),
    "resourceConfig": resource_config,
    "permission": lambda inventory, vm: inventory.permissions.of(vm.moid),
    "configIssue": _ABSENT,
}

_RUNTIME: Mapping[str, Leaf] = {
    "host": lambda inventory, vm: inventory.host_of(vm),
    "connectionState": _connection,
    "powerState": lambda inventory, vm: POWER_STATES[vm.state],
    "bootTime": lambda inventory, vm: (
        inventory.world.date_of(vm.started_at)
        if vm.started_at is not None and POWER_STATES[vm.state] == "poweredOn"
        else None
    ),
    "suspendTime": lambda inventory, vm: (
        inventory.world.date_of(vm.suspended_at) if vm.suspended_at is not None else None
    ),
    "dasVmProtection": _protection,
    "question": _question,
    "faultToleranceState": Constant("notConfigured"),
    "maxCpuUsage": lambda inventory, vm: vm.topology.cpus * _MHZ,
    "maxMemoryUsage": lambda inventory, vm: vm.memory // _MIB,
    "vmFailoverInProgress": Constant(False),
    "toolsInstallerMounted": Constant(False),
    "suspendInterval": Constant(0),
    "numMksConnections": Constant(0),
    "cleanPowerOff": lambda inventory, vm: True if POWER_STATES[vm.state] == "poweredOff" else None,
    "onlineStandby": Constant(False),
    "consolidationNeeded": Constant(False),
    "paused": Constant(False),
    "snapshotInBackground": Constant(False),
    "quiescedForkParent": Constant(False),
    "cryptoState": Constant("safe"),
    "recordReplayState": Constant("inactive"),
}

# What a VM uses: the lab's VMs are idle.
_IDLE = (
    "overallCpuUsage",
    "overallCpuDemand",
    "overallCpuReadiness",
    "guestMemoryUsage",
    "hostMemoryUsage",
    "activeMemory",
    "balloonedMemory",
    "compressedMemory",
    "consumedOverheadMemory",
    "grantedMemory",
    "privateMemory",
    "sharedMemory",
    "swappedMemory",
    "ssdSwappedMemory",
)

_SUMMARY: Mapping[str, Leaf] = {
    "vm": lambda inventory, vm: vim.VirtualMachine(vm.moid),
    "overallStatus": _ENTITY["overallStatus"],
    "customValue": _custom_values,
    "config.memorySizeMB": CONFIG["hardware.memoryMB"],
    "config.numCpu": CONFIG["hardware.numCPU"],
    "config.vmPathName": CONFIG["files.vmPathName"],
    "config.numEthernetCards": lambda inventory, vm: len(vm.nics),
    "config.numVirtualDisks": lambda inventory, vm: len(vm.disks),
    "config.cpuReservation": lambda inventory, vm: vm.limits.cpu.reservation,
    "config.memoryReservation": lambda inventory, vm: vm.limits.memory.reservation,
    "config.installBootRequired": Constant(False),
    "config.tpmPresent": Constant(False),
    "config.numVmiopBackings": Constant(0),
    "config.hwVersion": Constant(HARDWARE_VERSION),
    "storage": storage_summary,
    **{f"quickStats.{name}": _if_powered_on(0) for name in _IDLE},
    "quickStats.guestHeartbeatStatus": _ENTITY["guestHeartbeatStatus"],
    "quickStats.uptimeSeconds": _uptime,
}
_SUMMARY_COPIES: Mapping[str, tuple[Mapping[str, Leaf], tuple[str, ...]]] = {
    "config": (
        CONFIG,
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
        GUEST,
        (
            "toolsStatus",
            "toolsRunningStatus",
            "toolsVersionStatus",
            "toolsVersionStatus2",
            "guestId",
            "guestFullName",
            "hostName",
            "ipAddress",
            "hwVersion",
        ),
    ),
    "runtime": (_RUNTIME, tuple(_RUNTIME)),
}


def _with_prefix(prefix: str, leaves: Mapping[str, Leaf]) -> dict[str, Leaf]:
    return {f"{prefix}.{path}": leaf for path, leaf in leaves.items()}


LEAVES: Mapping[str, Leaf] = {
    **_ENTITY,
    **_with_prefix("config", CONFIG),
    **_with_prefix("runtime", _RUNTIME),
    **_with_prefix("guest", GUEST),
    **_with_prefix("summary", _SUMMARY),
    **{
        f"summary.{part}.{name}": leaves[name]
        for part, (leaves, names) in _SUMMARY_COPIES.items()
        for name in names
    },
}

# Change even if the machine does not, so they are not cached.
VOLATILE = (
    "recentTask",
    "summary.quickStats.uptimeSeconds",
    "availableField",
    "permission",
    "declaredAlarmState",
)
