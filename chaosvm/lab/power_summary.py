"""A summary of power changes, and lists of names for messages."""

from __future__ import annotations

from collections.abc import Sequence

from chaosvm.lab.simulation import EventKind, State, World

__all__ = ["cast_summary", "join_names", "power_changes"]

_MAX_VMS = 20
_DESCRIPTIONS = {
    EventKind.START_REQUESTED: "power on requested",
    EventKind.POWERED_OFF: "powered off hard",
    EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN: "powered off hard instead of a shutdown",
    EventKind.SHUTDOWN_REQUESTED: "shutdown requested",
    EventKind.REBOOT_REQUESTED: "reboot requested",
    EventKind.RESET: "reset",
    EventKind.SUSPEND_REQUESTED: "suspend requested",
    EventKind.MEMORY_DISCARDED: "powered off while suspended",
    EventKind.STARTED: "running",
    EventKind.RESUMED: "running again",
    EventKind.WENT_DOWN: "off",
    EventKind.SHUTDOWN_FAILED: "shutdown ignored",
    EventKind.REBOOTED: "rebooted",
    EventKind.SUSPENDED: "suspended",
    EventKind.CRASHED: "crashed",
    EventKind.RESTARTED: "restarted",
}


def power_changes(world: World) -> list[str]:
    """One line per VM with power changes."""
    descriptions: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for event in world.events:
        if event.vm_id is not None and event.kind in _DESCRIPTIONS:
            descriptions.setdefault(event.vm_id, []).append(_DESCRIPTIONS[event.kind])
            names[event.vm_id] = event.vm_name or event.vm_id
    for vm in world.vms:
        if vm.id in descriptions and vm.state is State.BOOTING:
            descriptions[vm.id].append("booting")
    if not descriptions:
        return ["no power changes in the lab"]
    lines = [f"{names[vm_id]}: {', then '.join(steps)}" for vm_id, steps in descriptions.items()]
    more = len(lines) - _MAX_VMS
    return lines[:_MAX_VMS] + ([f"and {more} more VMs"] if more > 0 else [])


def join_names(names: Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def cast_summary(lines: Sequence[str]) -> str:
    """What was made up for a rehearsal, from the lines about it; empty if nothing was."""
    names = [line.split("'")[1] for line in lines if line.startswith("added VM ")]
    missing = sum(line.startswith("not added") for line in lines)
    parts = []
    if names:
        shown = join_names(names[:_MAX_VMS] + (["others"] if len(names) > _MAX_VMS else []))
        several = len(names) > 1
        made_up = f"{len(names)} VMs were" if several else "1 VM was"
        they = "they exist" if several else "it exists"
        parts.append(
            f"{made_up} made up, as the lab has none that match: {shown}. "
            f"Whether {they} in production was not rehearsed"
        )
    if missing:
        parts.append(f"{missing} could not be made up, as logged above")
    return "; ".join(parts)
