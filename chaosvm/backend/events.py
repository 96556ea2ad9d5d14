"""A server's own record of what happened, in the same shape on every platform."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chaosvm.errors import NotReported
from chaosvm.vm import VM

__all__ = ["EventKind", "ServerEvent", "events_missing", "events_of"]


class EventKind(StrEnum):
    """What happened; ``other`` for whatever is not about power, hosts or availability."""

    POWER_ON_REQUESTED = "power_on_requested"
    POWERED_ON = "powered_on"
    POWER_OFF_REQUESTED = "power_off_requested"
    SHUTDOWN_REQUESTED = "shutdown_requested"
    # A shutdown that the server carried out as a hard power off.
    SHUTDOWN_FORCED = "shutdown_forced"
    SHUTDOWN_IGNORED = "shutdown_ignored"
    POWERED_OFF = "powered_off"
    REBOOT_REQUESTED = "reboot_requested"
    RESET = "reset"
    SUSPEND_REQUESTED = "suspend_requested"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    PAUSED = "paused"
    START_FAILED = "start_failed"
    MIGRATION_STARTED = "migration_started"
    MIGRATED = "migrated"
    MIGRATION_FAILED = "migration_failed"
    # The VM's process ended without a request, or the VM was lost with its host.
    FAILED = "failed"
    # High availability will restart the VM, and has started it on a host.
    HA_FAILOVER = "ha_failover"
    HA_RESTARTED = "ha_restarted"
    HA_FAILED = "ha_failed"
    STATE_UNKNOWN = "state_unknown"
    TOOLS_STOPPED = "tools_stopped"
    TOOLS_RUNNING = "tools_running"
    HOST_LOST = "host_lost"
    HOST_CONNECTED = "host_connected"
    HOST_DISCONNECTED = "host_disconnected"
    HOST_MAINTENANCE = "host_maintenance"
    HOST_MAINTENANCE_ENDED = "host_maintenance_ended"
    ALARM = "alarm"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One event. ``at`` is on the server's clock, ``type`` is the platform's own name of it.

    ``number`` is the server's: a later event has a higher one.
    """

    number: int
    at: dt.datetime
    kind: EventKind
    type: str
    text: str
    vm_id: str | None = None
    vm_name: str | None = None
    # The host that it was on or, after a migration of vSphere's, is on.
    host: str | None = None
    source_host: str | None = None  # of such a migration
    host_id: str | None = None
    correlation_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what probes and journals show, as plain JSON values."""
        return {
            "at": self.at.isoformat(),
            "kind": self.kind.value,
            "type": self.type,
            "text": self.text,
            "vm": self.vm_name,
            "vm_id": self.vm_id,
            "host": self.host,
        }


def events_missing(address: str, since: dt.datetime, oldest: dt.datetime | None) -> NotReported:
    """For a server whose ``oldest`` event does not show that it kept those from ``since`` on."""
    kept = f"only since {oldest.isoformat()}" if oldest else "none"
    return NotReported(
        f"{address} has no events from before {since.isoformat()} ({kept}), so what happened "
        "since then cannot be known"
    )


def events_of(
    events: Sequence[ServerEvent], vms: Collection[VM] | None, since: dt.datetime
) -> list[ServerEvent]:
    """The events of these VMs, or all events, from ``since`` on; oldest first."""
    ids = None if vms is None else {vm.id for vm in vms}
    chosen = (
        event for event in events if event.at >= since and (ids is None or event.vm_id in ids)
    )
    return sorted(chosen, key=lambda event: event.number)
