"""Reads the status of VMs and their guests, in as many requests for one as for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chaosvm.backend import GuestStatus, Heartbeat, ToolsStatus
from chaosvm.vm import VM, PowerState
from chaosvm.vsphere.inventory import ip_addresses, power_state, unescape
from chaosvm.vsphere.properties import ObjectProperties
from chaosvm.vsphere.retrieval import require_root, retrieve_with_pyvmomi
from chaosvm.vsphere.traversals import vms_with_host_spec
from chaosvm.vsphere.uptimes import UPTIME_LAG, GuestUptimes

__all__ = ["read_guest_statuses"]

_PATHS = {
    "VirtualMachine": [
        "guest.ipAddress",
        "guest.net",
        "guest.toolsRunningStatus",
        "guest.toolsVersionStatus2",
        "guestHeartbeatStatus",
        "runtime.bootTime",
        "runtime.connectionState",
        "runtime.host",
        "runtime.powerState",
        "summary.quickStats.uptimeSeconds",
    ],
    "HostSystem": ["name"],
    # Of the root folder: a response without it is not valid.
    "Folder": ["name"],
}
_TOOLS = {
    "guestToolsRunning": ToolsStatus.RUNNING,
    "guestToolsExecutingScripts": ToolsStatus.RUNNING,
    "guestToolsNotRunning": ToolsStatus.NOT_RUNNING,
}
_EVIDENCE = {
    "guest.toolsRunningStatus": "tools_running_status",
    "summary.quickStats.uptimeSeconds": "vm_uptime_seconds",
}


def read_guest_statuses(
    content: Any, vms: Sequence[VM], uptimes: GuestUptimes
) -> dict[str, GuestStatus]:
    """The status of each VM that exists, by id."""
    objects = retrieve_with_pyvmomi(
        content.propertyCollector, vms_with_host_spec(content, [vm.id for vm in vms], _PATHS)
    )
    require_root(content, objects)
    found = {vm.id: objects[vm.id] for vm in vms if vm.id in objects}
    running = [moid for moid, item in found.items() if _tools(item) is ToolsStatus.RUNNING]
    seconds, reason = uptimes.read(content, running)
    return {
        moid: _status(item, objects, seconds.get(moid), _uptime_unknown(item, reason))
        for moid, item in found.items()
    }


def _status(
    item: ObjectProperties,
    objects: Mapping[str, ObjectProperties],
    uptime: float | None,
    uptime_unknown: str,
) -> GuestStatus:
    get = item.properties.get
    host = objects.get(get("runtime.host") or "")
    beat = get("guestHeartbeatStatus")
    return GuestStatus(
        vm_id=item.moid,
        power_state=_power(item),
        tools=_tools(item),
        heartbeat=Heartbeat(beat) if beat and _is_connected(item) else None,
        ip_addresses=ip_addresses(item) or (),
        uptime_seconds=uptime,
        uptime_unknown=uptime_unknown if uptime is None else None,
        uptime_lag=UPTIME_LAG,
        started_at=get("runtime.bootTime"),
        host=unescape(host.name) if host and host.name else None,
        host_id=get("runtime.host"),
        evidence={key: get(path) for path, key in _EVIDENCE.items() if get(path) is not None},
    )


def _power(item: ObjectProperties) -> PowerState:
    get = item.properties.get
    return power_state(get("runtime.powerState") or "", get("runtime.connectionState"))


def _is_connected(item: ObjectProperties) -> bool:
    """vCenter's data about a VM on a disconnected host is out of date."""
    return item.properties.get("runtime.connectionState") in (None, "connected")


def _tools(item: ObjectProperties) -> ToolsStatus:
    get = item.properties.get
    if not _is_connected(item):
        return ToolsStatus.UNKNOWN
    status = _TOOLS.get(get("guest.toolsRunningStatus") or "", ToolsStatus.UNKNOWN)
    absent = get("guest.toolsVersionStatus2") == "guestToolsNotInstalled"
    return ToolsStatus.NOT_INSTALLED if absent and status is not ToolsStatus.RUNNING else status


def _uptime_unknown(item: ObjectProperties, reason: str) -> str:
    state, tools = _power(item), _tools(item)
    if state is PowerState.UNKNOWN:
        return "its host is not connected"
    if state is not PowerState.POWERED_ON:
        return f"the VM is {state}"
    if tools is ToolsStatus.RUNNING:
        return reason
    return "VMware Tools, which report the uptime, are not running in the guest"
