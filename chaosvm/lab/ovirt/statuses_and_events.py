"""The engine's names: statuses, event codes and texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chaosvm.lab.simulation import Event, EventKind, State, World

__all__ = [
    "EVENTS",
    "HOST_NUMBERS",
    "HOST_WORDS",
    "SEVERITIES",
    "STATUSES",
    "VM_NUMBERS",
    "VM_WORDS",
    "message_status",
    "is_reported",
    "event_text",
]

# A VM with illegal disks has no <status> element.
STATUSES: Mapping[State, str | None] = {
    State.OFF: "down",
    State.LAUNCHING: "wait_for_launch",
    State.BOOTING: "powering_up",
    State.RUNNING: "up",
    State.SHUTTING_DOWN: "powering_down",
    State.REBOOTING: "reboot_in_progress",
    State.SAVING: "saving_state",
    State.SUSPENDED: "suspended",
    State.RESTORING: "restoring_state",
    State.PAUSED: "paused",
    State.MIGRATING: "migrating",
    State.DISKS_LOCKED: "image_locked",
    State.DISKS_ILLEGAL: None,
    State.NOT_RESPONDING: "not_responding",
    State.UNREACHABLE: "unknown",
    State.UNASSIGNED: "unassigned",
}

# Internal names and numbers of statuses, which searches use (the engine's classes
# VMStatus, VDSStatus and AuditLogSeverity).
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
HOST_WORDS = {name.replace("_", ""): number for name, number in HOST_NUMBERS.items()}
SEVERITIES = {"NORMAL": "0", "WARNING": "1", "ERROR": "2", "ALERT": "10"}
# Statuses in error messages (recordings act-*-while-*). The last ones are guesses.
_MESSAGE_STATUSES = {
    State.LAUNCHING: "Wait for Launch",
    State.REBOOTING: "Reboot in Progress",
    State.MIGRATING: "Migrating",
}


def message_status(state: State) -> str:
    """A status in error messages, such as "the VM is in Powering Up status"."""
    if state in _MESSAGE_STATUSES:
        return _MESSAGE_STATUSES[state]
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", _VM_NUMBERS[state][0])


NORMAL, WARNING, ERROR = "normal", "warning", "error"
_HOST_USER = " (Host: {host}, User: {user})."
# Recorded code, severity and text of each event (events-CODES). {reason} includes its
# parentheses. The engine has no events of other kinds.
EVENTS: Mapping[EventKind, tuple[int, str, str]] = {
    EventKind.START_REQUESTED: (153, NORMAL, "VM {vm} was started by {user} (Host: {host})."),
    EventKind.STATELESS_START_REQUESTED: (150, NORMAL, "Starting VM {vm} was initiated by {user}."),
    EventKind.PAUSED_START_REQUESTED: (
        179,
        NORMAL,
        "Starting in paused mode VM {vm} was initiated by {user}.",
    ),
    EventKind.STARTED: (32, NORMAL, "VM {vm} started on Host {host}"),
    EventKind.STATELESS_STARTED: (537, NORMAL, "VM {vm} was restarted on Host {host} as stateless"),
    EventKind.PAUSED: (1025, NORMAL, "VM {vm} has been paused."),
    EventKind.RESUMED: (40, NORMAL, "VM {vm} was resumed by {user} (Host: {host})."),
    EventKind.START_REFUSED: (
        54,
        ERROR,
        "Failed to run VM {vm} due to a failed validation: {detail} (User: {user}).",
    ),
    EventKind.START_FAILED: (54, ERROR, "Failed to run VM {vm}  (User: {user})."),
    EventKind.START_FAILED_ON_HOST: (151, WARNING, "Failed to run VM {vm} on Host {host}."),
    EventKind.POWERED_OFF: (33, NORMAL, "VM {vm} powered off by {user} (Host: {host}){reason}."),
    EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN: (
        76,
        NORMAL,
        "VM {vm} was powered off ungracefully by {user} (Host: {host}){reason}.",
    ),
    EventKind.POWER_OFF_FAILED: (56, ERROR, "Failed to power off VM {vm}" + _HOST_USER),
    EventKind.SHUTDOWN_REQUESTED: (
        73,
        NORMAL,
        "VM shutdown initiated by {user} on VM {vm} (Host: {host}){reason}.",
    ),
    EventKind.SHUTDOWN_NOT_SENT: (74, ERROR, "Failed to initiate shutdown on VM {vm}" + _HOST_USER),
    EventKind.SHUTDOWN_FAILED: (147, WARNING, "Shutdown of VM {vm} failed."),
    EventKind.WENT_DOWN: (61, NORMAL, "VM {vm} is down. {exit}"),
    EventKind.CRASHED: (119, ERROR, "VM {vm} is down with error. {exit}"),
    EventKind.WILL_BE_RESTARTED: (
        9602,
        ERROR,
        "Highly Available VM {vm} failed. It will be restarted automatically.",
    ),
    EventKind.RESTARTED: (506, NORMAL, "Trying to restart VM {vm} on Host {host}"),
    EventKind.REBOOT_REQUESTED: (157, NORMAL, "VM {vm} is rebooting. Rebooted by: {user}"),
    EventKind.REBOOT_NOT_SENT: (158, ERROR, "Failed to reboot VM {vm} (User: {user})."),
    EventKind.RESET: (221, NORMAL, "VM {vm} is resetting. Reset by: {user}"),
    EventKind.RESET_NOT_SENT: (222, ERROR, "Failed to reset VM {vm} (User: {user})."),
    EventKind.SUSPEND_REQUESTED: (
        501,
        NORMAL,
        "Suspending VM {vm} was initiated by User {user} (Host: {host}).",
    ),
    EventKind.SUSPENDED: (503, NORMAL, "VM {vm} on Host {host} is suspended."),
    EventKind.MEMORY_DISCARDED: (
        111,
        NORMAL,
        "Suspended VM {vm} has had its save state cleared by {user}{reason}.",
    ),
    EventKind.ALREADY_OFF: (
        254,
        NORMAL,
        "VM {vm} is already Down, {detail} VM was skipped. User: {user}.",
    ),
    EventKind.MIGRATION_REQUESTED: (
        62,
        NORMAL,
        "Migration started (VM: {vm}, Source: {host}, Destination: {detail}, User: {user}). ",
    ),
    EventKind.MIGRATED: (
        63,
        NORMAL,
        "Migration completed (VM: {vm}, Source: {host}, Destination: {detail}, "
        "Duration: 8 seconds, Total: 8 seconds, Actual downtime: (N/A))",
    ),
    EventKind.MIGRATION_REFUSED: (
        65,
        ERROR,
        "Migration failed due to a failed validation: {detail} (VM: {vm}, Source: {host}).",
    ),
    EventKind.SET_UNKNOWN: (142, WARNING, "VM {vm} was set to the Unknown status."),
    EventKind.LOST_WITH_ITS_HOST: (
        143,
        NORMAL,
        "Vm {vm} was shut down due to {host} host reboot or manual fence",
    ),
    EventKind.HOST_LOST: (12, ERROR, "Host {host} is non responsive."),
    EventKind.HOST_BACK: (13, NORMAL, "Status of host {host} was set to Up."),
    EventKind.HOST_CONFIRMED_REBOOTED: (
        494,
        NORMAL,
        "Manual fence for host {host} was started.",
    ),
    # Recorded: host-events-failure, host-deactivate-reason and snap-*; codes of power
    # management are from the engine's class AuditLogType.
    EventKind.HOST_FENCED: (539, NORMAL, "Auto fence for host {host} was started."),
    EventKind.HOST_MAINTENANCE_REQUESTED: (
        600,
        NORMAL,
        "Host {host} was switched to Maintenance mode by {user}{reason}.",
    ),
    EventKind.HOST_ACTIVATED: (16, NORMAL, "Activation of host {host} initiated by {user}."),
    EventKind.HOST_REBOOT_REQUESTED: (41, NORMAL, "Host {host} was restarted by {user}."),
    EventKind.HOST_SHUTDOWN_REQUESTED: (21, NORMAL, "Host {host} was stopped by {user}."),
    EventKind.HOST_START_REQUESTED: (20, NORMAL, "Host {host} was started by {user}."),
    EventKind.RESTART_FAILED: (
        9603,
        ERROR,
        "Restart of the Highly Available VM {vm} failed.",
    ),
    EventKind.SNAPSHOT_REQUESTED: (
        45,
        NORMAL,
        "Snapshot '{detail}' creation for VM '{vm}' was initiated by {user}.",
    ),
    EventKind.SNAPSHOT_CREATED: (
        68,
        NORMAL,
        "Snapshot '{detail}' creation for VM '{vm}' has been completed.",
    ),
    EventKind.SNAPSHOT_REVERT_REQUESTED: (
        46,
        NORMAL,
        "Snapshot-Preview {detail} for VM {vm} was initiated by {user}.",
    ),
    EventKind.SNAPSHOT_REVERTED: (
        71,
        NORMAL,
        "Snapshot-Preview {detail} for VM {vm} has been completed.",
    ),
    EventKind.SNAPSHOT_REMOVAL_REQUESTED: (
        342,
        NORMAL,
        "Snapshot '{detail}' deletion for VM '{vm}' was initiated by {user}.",
    ),
    EventKind.SNAPSHOT_REMOVED: (
        356,
        NORMAL,
        "Snapshot '{detail}' deletion for VM '{vm}' has been completed.",
    ),
    EventKind.LOGGED_IN: (
        30,
        NORMAL,
        "User {user} connecting from '{address}' using session '{session}' logged in.",
    ),
    EventKind.LOGGED_OUT: (
        31,
        NORMAL,
        "User {user} connected from '{address}' using session '{session}' logged out.",
    ),
    EventKind.LOGIN_FAILED: (
        114,
        ERROR,
        "User {user} connecting from '{address}' failed to log in : 'Unable to log in. Verify "
        "your login information or contact the system administrator.'.",
    ),
}
_MAINTENANCE_WITHOUT_REASON = 620
# The engine only has events for starts that a user requested.
_ONLY_IF_REQUESTED = frozenset((EventKind.STARTED, EventKind.RESUMED, EventKind.STATELESS_STARTED))


def is_reported(event: Event) -> bool:
    """True if the engine has an event for it."""
    if event.kind in _ONLY_IF_REQUESTED and event.user is None:
        return False
    return event.note is not None or event.kind in EVENTS


@dataclass(frozen=True, slots=True)
class EventText:
    """The engine's code and text of an event."""

    code: int
    severity: str
    text: str
    user: str | None


def event_text(world: World, event: Event) -> EventText:
    if event.note is not None:
        note = event.note
        return EventText(note.code, note.severity, note.text, _authorized_name(event.user))
    code, severity, text = EVENTS[event.kind]
    if event.kind is EventKind.HOST_MAINTENANCE_REQUESTED and not event.reason:
        code = _MAINTENANCE_WITHOUT_REASON
    host = world.host(event.host_id)
    user = _authorized_name(event.user) if event.kind is not EventKind.LOGIN_FAILED else event.user
    filled = text.format(
        vm=event.vm_name or "<UNKNOWN>",
        host=host.name if host else "<UNKNOWN>",
        user=user or "SYSTEM",
        reason=f" (Reason: {event.reason})" if event.reason else "",
        detail=event.detail or "",
        exit=f"Exit message: {event.detail}" if event.detail else " ",
        address="127.0.0.1",
        session=event.detail or "",
    )
    return EventText(code, severity, filled, user)


def _authorized_name(user: str | None) -> str | None:
    """The user name in events, which has the authorization domain instead of the profile."""
    return None if user is None else f"{user}-authz"
