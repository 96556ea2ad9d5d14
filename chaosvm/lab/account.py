"""What became of the VMs of a world, in few words."""

from __future__ import annotations

from collections.abc import Sequence

from chaosvm.lab.world import EventKind, World

__all__ = ["listed", "power_changes", "shown"]

_MOST_VMS = 20
_PLATFORMS = {"vsphere": "vSphere", "olvm": "OLVM", "dora": "Dora"}
_TOLD = {
    EventKind.START_ASKED: "power on asked for",
    EventKind.POWERED_OFF: "powered off hard",
    EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN: "powered off hard instead of a shutdown",
    EventKind.SHUTDOWN_ASKED: "shutdown asked for",
    EventKind.REBOOT_ASKED: "reboot asked for",
    EventKind.RESET: "reset",
    EventKind.SUSPEND_ASKED: "suspend asked for",
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
    """A line for each VM that something was done to."""
    told: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for event in world.events:
        if event.vm_id is not None and event.kind in _TOLD:
            told.setdefault(event.vm_id, []).append(_TOLD[event.kind])
            names[event.vm_id] = event.vm_name or event.vm_id
    if not told:
        return ["the lab saw no power change"]
    lines = [f"{names[vm_id]}: {', then '.join(steps)}" for vm_id, steps in told.items()]
    more = len(lines) - _MOST_VMS
    return lines[:_MOST_VMS] + ([f"and so on, with {more} more VMs"] if more > 0 else [])


def shown(platform: str) -> str:
    """A platform's name as people write it."""
    return _PLATFORMS.get(platform, platform)


def listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
