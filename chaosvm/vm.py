"""A virtual machine, in the same shape on every platform."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

__all__ = ["IDENTIFYING_FIELDS", "VM", "PowerState"]

# The fields that ``VM.identifiers`` consists of, apart from aliases.
IDENTIFYING_FIELDS = ("name", "id", "instance_uuid", "path")


class PowerState(StrEnum):
    """A power state, common to all platforms.

    ``transitioning`` is a state that passes by itself, such as oVirt's powering_up;
    ``unknown`` is one that the platform does not know itself.
    """

    POWERED_ON = "powered_on"
    POWERED_OFF = "powered_off"
    SUSPENDED = "suspended"
    PAUSED = "paused"
    TRANSITIONING = "transitioning"
    UNKNOWN = "unknown"

    @property
    def settled(self) -> bool:
        """True for a state that does not change by itself."""
        return self not in (PowerState.TRANSITIONING, PowerState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class VM:
    """A virtual machine as its platform described it at one moment.

    ``id`` is the platform's own identifier (vSphere's managed object id, oVirt's
    id): names are only unique within a folder or data center. A field is None if
    the platform has no value for it; ``tags`` is None if tags were not read.
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
    # Other spellings of its name or path, such as vSphere's "a%2fb" for "a/b".
    aliases: tuple[str, ...] = ()

    @property
    def identifiers(self) -> set[str]:
        """Its name, id, instance UUID and inventory path, and the aliases of these."""
        names = (self.name, self.id, self.instance_uuid, self.path, *self.aliases)
        return {name for name in names if name}

    def answers_to(self, identifier: str) -> bool:
        """True if this is one of its identifiers; case does not matter for the UUID."""
        if identifier in (self.name, self.id, self.path) or identifier in self.aliases:
            return True
        return self.instance_uuid is not None and identifier.lower() == self.instance_uuid.lower()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "aliases"}
        for key in ("ip_addresses", "tags"):
            if values[key] is not None:
                values[key] = list(values[key])
        return {**values, "power_state": self.power_state.value}

    def __str__(self) -> str:
        return f"{self.name!r} ({self.id})"
