"""Reads the status of VMs and their guests, with the collections that only a VM's own links have.

The engine has no collection of all statistics or reported devices; ``follow`` puts
them into the list of VMs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from chaosvm.backend import GuestStatus, ToolsStatus
from chaosvm.olvm.bulk_reads import map_parallel, read_by_name
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.elements import ip_addresses, link_id, vm_status
from chaosvm.olvm.inventory import power_state
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline
from chaosvm.vm import VM, PowerState

__all__ = ["read_guest_statuses"]

_FOLLOW = "reported_devices,statistics"
# The engine refreshes uptimes every 15 s.
_UPTIME_LAG = 20.0
# What only a guest agent reports: the recordings vm-get-up-agent and vm-get-all-content.
_REPORTED_BY_AGENT = ("fqdn", "guest_operating_system", "guest_time_zone")


def read_guest_statuses(
    client: OLVMClient, vms: Sequence[VM], total: int | None, deadline: Deadline
) -> dict[str, GuestStatus]:
    """The status of each VM that exists, by id, without the name of its host.

    This takes a few requests, and one for each renamed VM.
    """
    names = [vm.name for vm in vms]
    listed = read_by_name(client, names, _parser, deadline, total, follow=_FOLLOW)
    if listed is None:
        listed = client.read_list("vms", _parser, deadline, follow=_FOLLOW)
    found = {status.vm_id: status for status in listed}

    def read_one(vm: VM) -> GuestStatus | None:
        return client.read_one(f"vms/{vm.id}", _parser, deadline, follow=_FOLLOW)

    for status in map_parallel(read_one, [vm for vm in vms if vm.id not in found]):
        if status is not None:
            found[status.vm_id] = status
    return {vm.id: found[vm.id] for vm in vms if vm.id in found}


def _parser() -> XmlListParser[GuestStatus]:
    return XmlListParser("vms", "vm", _status)


def _status(vm: Element) -> GuestStatus:
    status = vm_status(vm)
    started = vm.findtext("start_time")
    is_up = status == "up"
    addresses = ip_addresses(vm.find("reported_devices")) or ()
    uptime = _uptime(vm) if is_up else None
    return GuestStatus(
        vm_id=vm.attrib["id"],
        power_state=power_state(status),
        tools=_tools(vm, status, addresses),
        ip_addresses=addresses,
        uptime_seconds=uptime,
        uptime_unknown=_uptime_unknown(status) if uptime is None else None,
        uptime_lag=_UPTIME_LAG,
        started_at=dt.datetime.fromisoformat(started) if started else None,
        host_id=link_id(vm.find("host")) or None,
        evidence={"status": status, **({} if uptime is None else {"elapsed.time": uptime})},
    )


def _tools(vm: Element, status: str, addresses: Sequence[str]) -> ToolsStatus:
    """The engine does not say whether an agent runs, only what it has reported since the start."""
    if power_state(status) in (PowerState.POWERED_OFF, PowerState.SUSPENDED):
        return ToolsStatus.NOT_RUNNING
    if status == "up" and (
        addresses or any(vm.find(tag) is not None for tag in _REPORTED_BY_AGENT)
    ):
        return ToolsStatus.RUNNING
    return ToolsStatus.UNKNOWN


def _uptime(vm: Element) -> float | None:
    statistics = vm.find("statistics")
    values = [_elapsed_seconds(each) for each in statistics] if statistics is not None else []
    return next((value for value in values if value is not None), None)


def _uptime_unknown(status: str) -> str:
    if status == "up":
        return "the engine reports no elapsed.time"
    return f"the VM is {status}, not up"


def _elapsed_seconds(statistic: Element) -> float | None:
    """The value of elapsed.time; None for any other statistic."""
    datum = statistic.findtext("values/value/datum")
    return float(datum) if datum and statistic.findtext("name") == "elapsed.time" else None
