"""One virtual machine, in the same shape whatever the platform."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

__all__ = ["VM", "PowerState"]


class PowerState(StrEnum):
    """What the platforms' power states have in common.

    ``transitioning`` is a state that will pass by itself (oVirt's powering_up
    and its like); ``unknown`` means that the platform itself cannot tell.
    """

    POWERED_ON = "powered_on"
    POWERED_OFF = "powered_off"
    SUSPENDED = "suspended"
    PAUSED = "paused"
    TRANSITIONING = "transitioning"
    UNKNOWN = "unknown"

    @property
    def settled(self) -> bool:
        """True for a state that stays until somebody changes it."""
        return self not in (PowerState.TRANSITIONING, PowerState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class VM:
    """A machine as its platform described it at one moment.

    ``id`` is the platform's own identity (vSphere's managed object id, oVirt's
    id): names are only unique within a folder or data centre. None means that
    the platform did not tell; ``tags`` of None, that tags were not read.
    """

    id: str
    name: str
    platform: str
    power_state: PowerState
    status: str
    instance_uuid: str | None = None
    path: str | None = None
    datacenter: str | None = None
    cluster: str | None = None
    host: str | None = None
    folder: str | None = None
    cpu_count: int | None = None
    memory_mb: int | None = None
    guest_os: str | None = None
    tools_status: str | None = None
    hostname: str | None = None
    ip_addresses: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    template: bool = False
    metadata: dict[str, Any] = field(default_factory=dict, hash=False)
    # Other spellings that mean this VM, such as vSphere's "a%2fb" for "a/b".
    aliases: tuple[str, ...] = ()

    def answers_to(self, wanted: str) -> bool:
        """Is it meant by this name, id, instance UUID or inventory path?"""
        if wanted in (self.name, self.id, self.path) or wanted in self.aliases:
            return True
        return self.instance_uuid is not None and wanted.lower() == self.instance_uuid.lower()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the names of the fields."""
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "aliases"}
        for key in ("ip_addresses", "tags"):
            if shown[key] is not None:
                shown[key] = list(shown[key])
        return {**shown, "power_state": self.power_state.value}

    def __str__(self) -> str:
        return f"{self.name!r} ({self.id})"
