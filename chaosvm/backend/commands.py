"""The requests that a backend sends, and the handles of sent requests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chaosvm.vm import PowerState

__all__ = ["CommandHandle", "PowerCommand"]


class PowerCommand(StrEnum):
    """One kind of power request for one VM."""

    POWER_ON = "power on"
    POWER_OFF = "hard power off"
    SUSPEND = "suspend"
    RESET = "reset"
    SHUTDOWN_GUEST = "guest shutdown"
    REBOOT_GUEST = "guest reboot"

    @property
    def is_guest_command(self) -> bool:
        """True if the guest carries it out, and may not."""
        return self in (PowerCommand.SHUTDOWN_GUEST, PowerCommand.REBOOT_GUEST)

    @property
    def target_state(self) -> PowerState:
        """The power state that it leads to."""
        return _TARGET_STATES[self]

    @property
    def is_repeatable(self) -> bool:
        """True if sending it twice has the same effect as sending it once."""
        return self not in (PowerCommand.RESET, PowerCommand.REBOOT_GUEST)


_TARGET_STATES = {
    PowerCommand.POWER_ON: PowerState.POWERED_ON,
    PowerCommand.POWER_OFF: PowerState.POWERED_OFF,
    PowerCommand.SUSPEND: PowerState.SUSPENDED,
    PowerCommand.RESET: PowerState.POWERED_ON,
    PowerCommand.SHUTDOWN_GUEST: PowerState.POWERED_OFF,
    PowerCommand.REBOOT_GUEST: PowerState.POWERED_ON,
}


@dataclass(frozen=True, slots=True, eq=False)
class CommandHandle:
    """A request that the platform has accepted, or may have.

    If it is ``tracked``, a :class:`~chaosvm.backend.Watch` reports when the request
    itself has ended, and it is not done before; otherwise only the VM's power state
    shows its effect.
    ``reference`` is for the backend's own use, such as a task.
    """

    vm_id: str
    tracked: bool = False
    reference: Any = None
    # Identifies the request in the platform's own records.
    correlation_id: str | None = None
