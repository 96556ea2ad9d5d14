"""What is asked of a platform: an operation with its options."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chaosvm.runtime import Phase, audit_reason, phase

__all__ = ["OnTimeout", "Operation", "Order"]


class Operation(StrEnum):
    POWER_ON = "power_on"
    POWER_OFF = "power_off"
    REBOOT = "reboot"
    SUSPEND = "suspend"


class OnTimeout(StrEnum):
    """What to do with a guest that was asked to shut down and did not."""

    HARD = "hard"  # cut its power
    FAIL = "fail"  # report a failure
    LEAVE = "leave"  # report that it is still running, without failing


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An operation and how to go about it; ``timeout`` in seconds bounds all of it."""

    operation: Operation
    timeout: float
    graceful: bool = False
    on_timeout: OnTimeout = OnTimeout.FAIL
    parallel: int = 1
    # May the saved memory of a suspended VM be thrown away?
    discard_memory: bool = False
    # Is it to put back what an earlier one changed?
    is_restore: bool = False
    # Names the call in the platform's own records, where it keeps any.
    run: str = field(default_factory=lambda: f"chaosvm-{secrets.token_hex(6)}", compare=False)
    reason: str = field(default_factory=audit_reason, compare=False)
    # Of the run: where it is stopped, so is this.
    phase: Phase = field(default_factory=phase, compare=False)
    # When the call began, on the clock of this process.
    begun: float = field(default_factory=time.monotonic, compare=False)

    @property
    def options(self) -> dict[str, Any]:
        """Those that matter to its operation, under the names that people give them."""
        shown: dict[str, Any] = {"timeout": self.timeout, "parallel": self.parallel}
        if self.operation in (Operation.POWER_OFF, Operation.REBOOT):
            shown["graceful"] = self.graceful
        if self.operation is Operation.POWER_OFF:
            shown["on_timeout"] = self.on_timeout.value
        if self.discard_memory:
            shown["discard_memory"] = True
        return shown

    @property
    def guest_seconds(self) -> float:
        """How long a guest may take to shut down.

        Where a hard power off is to follow, the last fifth of the time (30
        seconds at most) is kept for it, so that the whole stays within timeout.
        """
        if self.on_timeout is OnTimeout.HARD:
            return self.timeout - min(30.0, self.timeout / 5)
        return self.timeout
