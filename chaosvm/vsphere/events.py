"""Reads a vCenter's events, page by page, from the oldest on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyVmomi import vim

from chaosvm.backend import EventKind, ServerEvent, events_missing
from chaosvm.runtime.unpacking import MOST_ITEMS, too_large
from chaosvm.vm import VM

__all__ = ["read_events"]

_Filter = vim.event.EventFilterSpec
# The most that ReadNextEvents returns at a time.
_PAGE = 1000
# By the name of the event's class, or the type of an EventEx. From pyvmomi's type
# information and the vSphere API reference.
_KINDS: Mapping[str, EventKind] = {
    "VmStartingEvent": EventKind.POWER_ON_REQUESTED,
    "VmPoweredOnEvent": EventKind.POWERED_ON,
    "DrsVmPoweredOnEvent": EventKind.POWERED_ON,
    "VmFailedToPowerOnEvent": EventKind.START_FAILED,
    "NotEnoughResourcesToStartVmEvent": EventKind.START_FAILED,
    "VmStoppingEvent": EventKind.POWER_OFF_REQUESTED,
    "VmPoweredOffEvent": EventKind.POWERED_OFF,
    "VmGuestShutdownEvent": EventKind.SHUTDOWN_REQUESTED,
    "VmGuestRebootEvent": EventKind.REBOOT_REQUESTED,
    "VmResettingEvent": EventKind.RESET,
    "VmDasBeingResetEvent": EventKind.RESET,
    "VmSuspendingEvent": EventKind.SUSPEND_REQUESTED,
    "VmSuspendedEvent": EventKind.SUSPENDED,
    "VmResumingEvent": EventKind.RESUMED,
    "VmBeingMigratedEvent": EventKind.MIGRATION_STARTED,
    "VmBeingHotMigratedEvent": EventKind.MIGRATION_STARTED,
    "VmMigratedEvent": EventKind.MIGRATED,
    "DrsVmMigratedEvent": EventKind.MIGRATED,
    "VmFailedMigrateEvent": EventKind.MIGRATION_FAILED,
    "VmDisconnectedEvent": EventKind.STATE_UNKNOWN,
    "VmPowerOffOnIsolationEvent": EventKind.FAILED,
    "VmShutdownOnIsolationEvent": EventKind.FAILED,
    "VmRestartedOnAlternateHostEvent": EventKind.HA_RESTARTED,
    "com.vmware.vc.ha.VmRestartedByHAEvent": EventKind.HA_RESTARTED,
    "VmFailoverFailed": EventKind.HA_FAILED,
    "VmMaxRestartCountReached": EventKind.HA_FAILED,
    "HostConnectionLostEvent": EventKind.HOST_LOST,
    "DasHostFailedEvent": EventKind.HOST_LOST,
    "com.vmware.vc.HA.DasHostFailedEvent": EventKind.HOST_LOST,
    "HostConnectedEvent": EventKind.HOST_CONNECTED,
    "HostDisconnectedEvent": EventKind.HOST_DISCONNECTED,
    "EnteredMaintenanceModeEvent": EventKind.HOST_MAINTENANCE,
    "ExitMaintenanceModeEvent": EventKind.HOST_MAINTENANCE_ENDED,
    "AlarmStatusChangedEvent": EventKind.ALARM,
}


def read_events(
    content: Any, since: dt.datetime, vms: Sequence[VM] | None, address: str
) -> list[ServerEvent]:
    """The events from ``since`` on, with others; of one VM only, if there is only one.

    Raises NotReported unless an event from before ``since`` shows that none is missing.
    """
    _require_kept(content, since, address)
    after = _Filter.ByTime(beginTime=since)
    spec = _Filter(time=after)
    if vms is not None and len(vms) == 1:
        entity = vim.VirtualMachine(vms[0].id)
        spec.entity = _Filter.ByEntity(entity=entity, recursion="self")
    return [_event(each) for each in _pages(content, spec)]


def _require_kept(content: Any, since: dt.datetime, address: str) -> None:
    """An older event proves that later ones are kept, and so does the very first one."""
    older = _Filter(time=_Filter.ByTime(endTime=since), maxCount=1)
    if content.eventManager.QueryEvents(older):
        return
    oldest = next(_pages(content, _Filter(), 1), None)
    if oldest is None or oldest.key > 1:
        raise events_missing(address, since, oldest and oldest.createdTime)


def _pages(content: Any, spec: Any, size: int = _PAGE) -> Iterator[Any]:
    """All events of a filter, oldest first: a query returns the latest thousand only."""
    collector = content.eventManager.CreateCollectorForEvents(filter=spec)
    try:
        count = 0
        while page := collector.ReadNextEvents(maxCount=size):
            yield from page
            count += len(page)
            if count > MOST_ITEMS:
                raise too_large("the vCenter", f"{MOST_ITEMS:,} events")
    finally:
        collector.DestroyCollector()


def _event(event: Any) -> ServerEvent:
    name = getattr(event, "eventTypeId", None) or type(event).__name__.rpartition(".")[2]
    vm, host, source = event.vm, event.host, getattr(event, "sourceHost", None)
    return ServerEvent(
        number=event.key,
        at=event.createdTime,
        kind=_KINDS.get(name, EventKind.OTHER),
        type=name,
        text=(event.fullFormattedMessage or "").strip(),
        vm_id=vm.vm._GetMoId() if vm else None,
        vm_name=vm.name if vm else None,
        host=host.name if host else None,
        source_host=source.name if source else None,
        host_id=host.host._GetMoId() if host else None,
    )
