"""The engine's words: statuses, event codes and texts."""

from __future__ import annotations

from typing import Any

from ovirtsdk4 import types

from chaosvm.lab.world import EventKind, State

__all__ = ["EVENTS", "STATUSES", "in_messages", "in_search"]

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

# The engine's own names, which its search knows, where they are others.
_OWN_NAMES = {State.MIGRATING: "MigratingFrom", State.DISKS_ILLEGAL: "ImageIllegal"}


def in_search(state: State) -> str:
    """As ``status = poweringup`` has it."""
    return _own_name(state).lower()


def in_messages(state: State) -> str:
    """As "because the VM is in PoweringUp status" has it."""
    return _own_name(state)


def _own_name(state: State) -> str:
    if state in _OWN_NAMES:
        return _OWN_NAMES[state]
    return "".join(part.capitalize() for part in STATUSES[state].value.split("_"))


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
