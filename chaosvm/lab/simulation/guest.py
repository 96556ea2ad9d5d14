"""What runs inside a VM."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Guest"]


@dataclass(frozen=True, slots=True)
class Guest:
    """How the guest system handles requests to shut down or reboot.

    ``seconds`` is how long it takes or, if it ignores requests, how long the platform
    waits before it gives up.
    """

    obedient: bool = True
    seconds: float = 0.1
    agent: bool = True
    acpi: bool = True
    # False: it reboots so fast that the VM stays in state RUNNING.
    shows_reboot: bool = True

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
