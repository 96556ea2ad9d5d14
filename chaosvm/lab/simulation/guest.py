"""What runs inside a VM."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Guest", "GuestStatus", "Service", "default_hostname"]


@dataclass(frozen=True, slots=True)
class Service:
    """A TCP port that answers while the guest is up; HTTP with ``status`` and ``body``."""

    port: int
    http: bool = False
    status: int = 200
    body: str = "ok"


@dataclass(frozen=True, slots=True)
class Guest:
    """How the guest system handles requests to shut down or reboot, and what it reports.

    ``seconds`` is how long it takes or, if it ignores requests, how long the platform
    waits before it gives up.
    """

    obedient: bool = True
    seconds: float = 0.1
    agent: bool = True
    acpi: bool = True
    # False: it reboots so fast that the VM stays in state RUNNING.
    shows_reboot: bool = True
    # Seconds from the end of its boot until its agent runs, and until it has addresses.
    agent_after: float = 0.0
    ip_after: float = 0.0
    # It has other addresses after each boot.
    new_addresses: bool = False
    services: tuple[Service, ...] = ()
    # Paths of programs that it has besides the usual ones.
    programs: tuple[str, ...] = ()

    @classmethod
    def obeys(cls, seconds: float = 0.1) -> Guest:
        return cls(seconds=seconds)

    @classmethod
    def slow(cls, seconds: float = 5.0) -> Guest:
        return cls(seconds=seconds)

    @classmethod
    def ignores(cls, seconds: float = 0.3) -> Guest:
        return cls(obedient=False, seconds=seconds)

    @classmethod
    def without_agent(cls, seconds: float = 0.1) -> Guest:
        """Reachable by ACPI only: it obeys, and reports nothing."""
        return cls(seconds=seconds, agent=False)

    @classmethod
    def deaf(cls) -> Guest:
        """Neither agent nor ACPI: it is not reachable."""
        return cls(agent=False, acpi=False)

    @property
    def reachable(self) -> bool:
        return self.agent or self.acpi


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestStatus:
    """What is known of a guest at one moment."""

    # It has booted and serves.
    up: bool
    agent_running: bool
    # As a vCenter reports it: green, yellow, red, or gray without an agent since power on.
    heartbeat: str
    # What the agent reports.
    ip_addresses: tuple[str, ...]
    # Seconds since its boot, without the time that it was suspended.
    uptime: float | None
    boots: int
    rebooting: bool


def default_hostname(name: str) -> str:
    """The host name of the guest of a VM of this name."""
    label = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")
    return f"{label or 'vm'}.lab.example"
