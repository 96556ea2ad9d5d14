"""What happened in a world, for the faces to tell in their own words."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["Asked", "Event", "EventKind"]


class EventKind(Enum):
    # Asked for by a user.
    START_ASKED = auto()
    POWERED_OFF = auto()
    POWERED_OFF_INSTEAD_OF_SHUTDOWN = auto()
    SHUTDOWN_ASKED = auto()
    REBOOT_ASKED = auto()
    RESET = auto()
    SUSPEND_ASKED = auto()
    MEMORY_DISCARDED = auto()
    ALREADY_OFF = auto()
    STATELESS_START_ASKED = auto()
    PAUSED_START_ASKED = auto()
    MIGRATION_ASKED = auto()
    # Asked for, and refused or not done.
    START_REFUSED = auto()
    START_FAILED = auto()
    START_FAILED_ON_HOST = auto()
    POWER_OFF_FAILED = auto()
    SHUTDOWN_NOT_SENT = auto()
    REBOOT_NOT_SENT = auto()
    RESET_NOT_SENT = auto()
    MIGRATION_REFUSED = auto()
    # Seen to happen.
    STARTED = auto()
    RESUMED = auto()
    WENT_DOWN = auto()
    SHUTDOWN_FAILED = auto()
    REBOOTED = auto()
    SUSPENDED = auto()
    CRASHED = auto()
    RESTARTED = auto()
    WILL_BE_RESTARTED = auto()
    STATELESS_STARTED = auto()
    PAUSED = auto()
    MIGRATED = auto()
    SET_UNKNOWN = auto()
    LOST_WITH_ITS_HOST = auto()
    # About hosts.
    HOST_LOST = auto()
    HOST_BACK = auto()
    HOST_CONFIRMED_REBOOTED = auto()
    # About users.
    LOGGED_IN = auto()
    LOGGED_OUT = auto()
    LOGIN_FAILED = auto()


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants something done, and why."""

    user: str | None = None
    correlation_id: str | None = None
    reason: str | None = None


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
    # What else is to be said: why it was refused, or how a process ended.
    detail: str | None = None
