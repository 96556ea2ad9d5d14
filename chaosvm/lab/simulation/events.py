"""Events of the simulation. Each protocol server has its own texts for them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["Event", "EventKind", "Note", "Origin"]


class EventKind(Enum):
    # Origin for by a user.
    START_REQUESTED = auto()
    POWERED_OFF = auto()
    POWERED_OFF_INSTEAD_OF_SHUTDOWN = auto()
    SHUTDOWN_REQUESTED = auto()
    REBOOT_REQUESTED = auto()
    RESET = auto()
    SUSPEND_REQUESTED = auto()
    MEMORY_DISCARDED = auto()
    ALREADY_OFF = auto()
    STATELESS_START_REQUESTED = auto()
    PAUSED_START_REQUESTED = auto()
    MIGRATION_REQUESTED = auto()
    # Origin for, and refused or not done.
    START_REFUSED = auto()
    START_FAILED = auto()
    START_FAILED_ON_HOST = auto()
    POWER_OFF_FAILED = auto()
    SHUTDOWN_NOT_SENT = auto()
    REBOOT_NOT_SENT = auto()
    RESET_NOT_SENT = auto()
    MIGRATION_REFUSED = auto()
    # Observed. Its process runs, and its guest is still booting; then its guest is up.
    POWERED_ON = auto()
    STARTED = auto()
    RESUMED = auto()
    WENT_DOWN = auto()
    SHUTDOWN_FAILED = auto()
    REBOOTED = auto()
    SUSPENDED = auto()
    CRASHED = auto()
    RESTARTED = auto()
    WILL_BE_RESTARTED = auto()
    RESTART_FAILED = auto()
    STATELESS_STARTED = auto()
    PAUSED = auto()
    MIGRATED = auto()
    SET_UNKNOWN = auto()
    LOST_WITH_ITS_HOST = auto()
    # About snapshots, whose names are the details.
    SNAPSHOT_REQUESTED = auto()
    SNAPSHOT_CREATED = auto()
    SNAPSHOT_REVERT_REQUESTED = auto()
    SNAPSHOT_REVERTED = auto()
    SNAPSHOT_REMOVAL_REQUESTED = auto()
    SNAPSHOT_REMOVED = auto()
    # About hosts.
    HOST_MISSED = auto()
    HOST_LOST = auto()
    HOST_BACK = auto()
    HOST_CONFIRMED_REBOOTED = auto()
    HOST_FENCED = auto()
    HOST_MAINTENANCE_REQUESTED = auto()
    HOST_IN_MAINTENANCE = auto()
    HOST_ACTIVATED = auto()
    HOST_DISCONNECTED = auto()
    HOST_RECONNECTED = auto()
    HOST_REBOOT_REQUESTED = auto()
    HOST_SHUTDOWN_REQUESTED = auto()
    HOST_START_REQUESTED = auto()
    # About users.
    LOGGED_IN = auto()
    LOGGED_OUT = auto()
    LOGIN_FAILED = auto()
    # What only one platform has a name for: see Event.note.
    NOTED = auto()


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made a request, and why."""

    user: str | None = None
    correlation_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """One platform's own event, in its own words."""

    code: int
    severity: str
    text: str
    # Who sent it, and the number that it has there, if it came from outside.
    source: str = ""
    source_id: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    number: int
    kind: EventKind
    at: dt.datetime
    vm_id: str | None = None
    vm_name: str | None = None
    host_id: str | None = None
    cluster_id: str | None = None
    user: str | None = None
    correlation_id: str | None = None
    reason: str | None = None
    # Such as the reason of a refusal, or the exit message of a process.
    detail: str | None = None
    note: Note | None = None
