"""The engine's words: statuses, event codes and texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ovirtsdk4 import types

from chaosvm.lab.world import Event, EventKind, State, World

__all__ = [
    "EVENTS",
    "HOST_NUMBERS",
    "SEVERITIES",
    "STATUSES",
    "VM_NUMBERS",
    "VM_WORDS",
    "in_messages",
    "told",
]

_VmStatus = types.VmStatus
_Severity = types.LogSeverity

# A machine with illegal disks has no <status> at all.
STATUSES: dict[State, Any] = {
    State.OFF: _VmStatus.DOWN,
    State.LAUNCHING: _VmStatus.WAIT_FOR_LAUNCH,
    State.BOOTING: _VmStatus.POWERING_UP,
    State.RUNNING: _VmStatus.UP,
    State.SHUTTING_DOWN: _VmStatus.POWERING_DOWN,
    State.REBOOTING: _VmStatus.REBOOT_IN_PROGRESS,
    State.SAVING: _VmStatus.SAVING_STATE,
    State.SUSPENDED: _VmStatus.SUSPENDED,
    State.RESTORING: _VmStatus.RESTORING_STATE,
    State.PAUSED: _VmStatus.PAUSED,
    State.MIGRATING: _VmStatus.MIGRATING,
    State.DISKS_LOCKED: _VmStatus.IMAGE_LOCKED,
    State.DISKS_ILLEGAL: None,
    State.NOT_RESPONDING: _VmStatus.NOT_RESPONDING,
    State.UNREACHABLE: _VmStatus.UNKNOWN,
    State.UNASSIGNED: _VmStatus.UNASSIGNED,
}

# The engine's own names and numbers of statuses, by which it searches and sorts
# (its classes VMStatus, VDSStatus and AuditLogSeverity).
_VM_NUMBERS: Mapping[State, tuple[str, int]] = {
    State.UNASSIGNED: ("Unassigned", -1),
    State.OFF: ("Down", 0),
    State.RUNNING: ("Up", 1),
    State.BOOTING: ("PoweringUp", 2),
    State.PAUSED: ("Paused", 4),
    State.MIGRATING: ("MigratingFrom", 5),
    State.UNREACHABLE: ("Unknown", 7),
    State.NOT_RESPONDING: ("NotResponding", 8),
    State.LAUNCHING: ("WaitForLaunch", 9),
    State.REBOOTING: ("RebootInProgress", 10),
    State.SAVING: ("SavingState", 11),
    State.RESTORING: ("RestoringState", 12),
    State.SUSPENDED: ("Suspended", 13),
    State.DISKS_ILLEGAL: ("ImageIllegal", 14),
    State.DISKS_LOCKED: ("ImageLocked", 15),
    State.SHUTTING_DOWN: ("PoweringDown", 16),
}
VM_NUMBERS = {state: number for state, (_, number) in _VM_NUMBERS.items()}
VM_WORDS = dict(_VM_NUMBERS.values()) | {"MigratingTo": 6}
HOST_NUMBERS = {
    "unassigned": 0,
    "down": 1,
    "maintenance": 2,
    "up": 3,
    "non_responsive": 4,
    "error": 5,
    "installing": 6,
    "install_failed": 7,
    "reboot": 8,
    "preparing_for_maintenance": 9,
    "non_operational": 10,
    "pending_approval": 11,
    "initializing": 12,
    "connecting": 13,
    "installing_os": 14,
    "kdumping": 15,
}
SEVERITIES = {"NORMAL": "0", "WARNING": "1", "ERROR": "2", "ALERT": "10"}
# In refusals a status is words (recordings act-*-while-*); the last ones are guesses.
_IN_MESSAGES = {
    State.LAUNCHING: "Wait for Launch",
    State.REBOOTING: "Reboot in Progress",
    State.MIGRATING: "Migrating",
}


def in_messages(state: State) -> str:
    """As "because the VM is in Powering Up status" has it."""
    if state in _IN_MESSAGES:
        return _IN_MESSAGES[state]
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", _VM_NUMBERS[state][0])


# Code, severity and text of an event. {vm}, {host}, {user} and {reason} are filled in.
EVENTS: dict[EventKind, tuple[int, Any, str]] = {
    EventKind.START_ASKED: (153, _Severity.NORMAL, "VM {vm} was started by {user} (Host: {host})."),
    EventKind.STARTED: (32, _Severity.NORMAL, "VM {vm} started on Host {host}"),
    EventKind.POWERED_OFF: (
        33,
        _Severity.NORMAL,
        "VM {vm} powered off by {user} (Host: {host}){reason}.",
    ),
    EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN: (
        76,
        _Severity.NORMAL,
        "VM {vm} was powered off ungracefully by {user} (Host: {host}){reason}.",
    ),
    EventKind.SHUTDOWN_ASKED: (
        73,
        _Severity.NORMAL,
        "VM shutdown initiated by {user} on VM {vm} (Host: {host}){reason}.",
    ),
    EventKind.SHUTDOWN_FAILED: (147, _Severity.ERROR, "Shutdown of VM {vm} failed."),
    EventKind.WENT_DOWN: (61, _Severity.NORMAL, "VM {vm} is down."),
    EventKind.CRASHED: (119, _Severity.ERROR, "VM {vm} is down with error."),
    EventKind.RESTARTED: (506, _Severity.NORMAL, "VM {vm} was restarted on Host {host}"),
    # The same code for the request and for the guest's own reboot.
    EventKind.REBOOT_ASKED: (157, _Severity.NORMAL, "User {user} initiated reboot of VM {vm}."),
    EventKind.REBOOTED: (157, _Severity.NORMAL, "VM {vm} rebooted."),
    EventKind.RESET: (221, _Severity.NORMAL, "User {user} initiated reset of VM {vm}."),
    EventKind.SUSPEND_ASKED: (
        501,
        _Severity.NORMAL,
        "Suspending VM {vm} was initiated by {user} (Host: {host}).",
    ),
    EventKind.SUSPENDED: (503, _Severity.NORMAL, "VM {vm} on Host {host} is suspended."),
    EventKind.RESUMED: (40, _Severity.NORMAL, "VM {vm} was resumed by {user} (Host: {host})."),
    EventKind.MEMORY_DISCARDED: (111, _Severity.NORMAL, "Suspended VM {vm} was stopped by {user}."),
    EventKind.ALREADY_OFF: (254, _Severity.NORMAL, "VM {vm} is already Down, nothing was done."),
    EventKind.LOGGED_IN: (30, _Severity.NORMAL, "User {user} logged in."),
    EventKind.LOGGED_OUT: (31, _Severity.NORMAL, "User {user} logged out."),
    EventKind.LOGIN_FAILED: (114, _Severity.ERROR, "User {user} failed to log in."),
}


@dataclass(frozen=True, slots=True)
class Told:
    """An event in the engine's words."""

    code: int
    severity: str
    text: str
    user: str | None


def told(world: World, event: Event) -> Told:
    code, severity, text = EVENTS[event.kind]
    host = world.host(event.host_id)
    filled = text.format(
        vm=event.vm_name or "",
        host=host.name if host else "",
        user=event.user or "",
        reason=f" (Reason: {event.reason})" if event.reason else "",
    )
    return Told(code, severity.value, filled, event.user)
