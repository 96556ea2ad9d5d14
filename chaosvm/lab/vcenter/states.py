"""States, guest systems and names of the simulation as a vCenter has them."""

from __future__ import annotations

import re

from chaosvm.lab.simulation import Machine, State

__all__ = [
    "BUSY",
    "CONNECTION_STATES",
    "GUEST_STATES",
    "GUEST_SYSTEMS",
    "POWER_STATES",
    "VM_NETWORK",
    "escape_name",
    "guest_family",
    "guest_full_name",
    "guest_id",
    "question_of",
    "system_of",
    "tools_running",
    "unescape_name",
]

# The one network of each data center.
VM_NETWORK = "VM Network"

# A VM counts as powered on once its power-on task has completed.
POWER_STATES: dict[State, str] = {
    State.OFF: "poweredOff",
    State.LAUNCHING: "poweredOff",
    State.BOOTING: "poweredOn",
    State.RUNNING: "poweredOn",
    State.SHUTTING_DOWN: "poweredOn",
    State.REBOOTING: "poweredOn",
    State.SAVING: "poweredOn",
    State.SUSPENDED: "suspended",
    State.RESTORING: "suspended",
    State.PAUSED: "poweredOn",
    State.MIGRATING: "poweredOn",
    State.DISKS_LOCKED: "poweredOff",
    State.DISKS_ILLEGAL: "poweredOff",
    State.NOT_RESPONDING: "poweredOn",
    State.UNREACHABLE: "poweredOn",
    State.UNASSIGNED: "poweredOff",
}

# All other states are connected.
CONNECTION_STATES = {
    State.DISKS_ILLEGAL: "inaccessible",
    State.NOT_RESPONDING: "disconnected",
    State.UNREACHABLE: "disconnected",
    State.UNASSIGNED: "orphaned",
}

GUEST_STATES = {State.NOT_RESPONDING: "unknown", State.UNREACHABLE: "unknown"}

# States in which another operation holds the VM.
BUSY = frozenset(
    (State.LAUNCHING, State.SAVING, State.RESTORING, State.MIGRATING, State.DISKS_LOCKED)
)

_SYSTEMS = {
    "rhel_9x64": ("rhel9_64Guest", "Red Hat Enterprise Linux 9 (64-bit)"),
    "ol_8x64": ("oracleLinux8_64Guest", "Oracle Linux 8 (64-bit)"),
    "other_linux": ("otherLinux64Guest", "Other Linux (64-bit)"),
    "windows_2019x64": ("windows2019srv_64Guest", "Microsoft Windows Server 2019 (64-bit)"),
    "debian_9": ("debian9_64Guest", "Debian GNU/Linux 9 (64-bit)"),
    "other": ("otherGuest", "Other (32-bit)"),
}
_OTHER_SYSTEM = "otherGuest64"
# Ids and names of the guest systems that VMs can be created with.
GUEST_SYSTEMS = (*_SYSTEMS.values(), (_OTHER_SYSTEM, "Other (64-bit)"))
_IDS_BY_NAME = {name: id for id, name in GUEST_SYSTEMS}

_ESCAPES = {"%": "%25", "/": "%2f", "\\": "%5c"}
_UNESCAPES = {escape: character for character, escape in _ESCAPES.items()}


def tools_running(vm: Machine) -> bool:
    return vm.agent_running


def question_of(vm: Machine) -> str | None:
    """The pending question; a paused VM is one that ran out of disk space."""
    if vm.question is None and vm.state is State.PAUSED:
        return "There is no more space for the virtual disk. Click Retry to continue."
    return vm.question


def guest_id(system: str) -> str:
    if system.endswith(("Guest", "Guest64")):
        return system  # as a client has set it
    if system in _SYSTEMS:
        return _SYSTEMS[system][0]
    return _IDS_BY_NAME.get(system, _OTHER_SYSTEM)  # inventories have full names


def system_of(guest_id: str) -> str:
    """The simulation's system of a guest id, or the id itself."""
    for system, (id, _) in _SYSTEMS.items():
        if id == guest_id:
            return system
    return guest_id


def guest_full_name(system: str) -> str:
    """The full name of a guest system; an unknown one is returned unchanged."""
    return _SYSTEMS[system][1] if system in _SYSTEMS else system


def guest_family(system: str) -> str:
    return "windowsGuest" if "windows" in system.lower() else "linuxGuest"


def escape_name(name: str) -> str:
    """A name as vCenters return it: slash, backslash and percent are escaped."""
    if not any(character in name for character in _ESCAPES):
        return name
    return re.sub(r"[%/\\]", lambda match: _ESCAPES[match[0]], name)


def unescape_name(name: str) -> str:
    return re.sub("%(25|2f|5c)", lambda match: _UNESCAPES[match[0].lower()], name, flags=re.I)
