"""An operation with its options, as one call requests it."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from chaosvm.redaction import without_query
from chaosvm.runtime import Phase, audit_reason, phase

__all__ = ["OnTimeout", "Operation", "Order"]

T = TypeVar("T")


class Operation(StrEnum):
    POWER_ON = "power_on"
    POWER_OFF = "power_off"
    REBOOT = "reboot"
    SUSPEND = "suspend"


class OnTimeout(StrEnum):
    """What to do when a guest does not shut down, or reboot, in time."""

    HARD = "hard"  # cut its power
    RESET = "reset"  # reset the VM
    FAIL = "fail"  # report a failure
    LEAVE = "leave"  # report that it is still running, or has not rebooted, without failing


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An operation with its options; ``timeout``, in seconds, bounds the whole call."""

    operation: Operation
    timeout: float
    graceful: bool = False
    on_timeout: OnTimeout = OnTimeout.FAIL
    parallel: int = 1
    # The milestone that a VM has to reach once it is on, as it is written.
    wait_for: str = "power"
    # The number of waves (with an interval alone, one for each VM), and the seconds between them.
    waves: int = 1
    interval: float = 0.0
    # For an outage: the seconds for which VMs are kept off before they are powered on again.
    duration: float | None = None
    # The saved memory of a suspended VM may be discarded.
    discard_memory: bool = False
    # The operation restores a VM that an earlier one changed.
    is_restore: bool = False
    # Identifies the call in the ledger and in the platform's own records.
    call_id: str = field(default_factory=lambda: f"chaosvm-{secrets.token_hex(6)}", compare=False)
    reason: str = field(default_factory=audit_reason, compare=False)
    # The phase of the run: stopping it stops this call.
    phase: Phase = field(default_factory=phase, compare=False)
    # When the call began, on this process's monotonic clock.
    begun: float = field(default_factory=time.monotonic, compare=False)

    @property
    def name(self) -> str:
        """The action's name, for messages: an outage is a power off to the platform."""
        return self.operation.value if self.duration is None else "outage"

    @property
    def goal(self) -> str:
        """What a VM has to reach, for messages."""
        return without_query(self.wait_for)

    @property
    def options(self) -> dict[str, Any]:
        """The options that apply to the operation, under their names as arguments."""
        options: dict[str, Any] = {"timeout": self.timeout, "parallel": self.parallel}
        if self.operation in (Operation.POWER_OFF, Operation.REBOOT):
            options["graceful"] = self.graceful
            options["on_timeout"] = self.on_timeout.value
        if self.operation in (Operation.POWER_ON, Operation.REBOOT) or self.duration is not None:
            options["wait_for"] = self.goal
        if self.duration is not None:
            options["duration"] = self.duration
        if self.waves > 1:
            options["waves"] = self.waves
        if self.interval > 0:
            options["interval"] = self.interval
        if self.discard_memory:
            options["discard_memory"] = True
        return options

    @property
    def guest_seconds(self) -> float:
        """How long a guest may take to shut down or reboot.

        If a hard power off or a reset follows, the last fifth of ``timeout`` (30 seconds at most)
        is reserved for it.
        """
        if self.on_timeout in (OnTimeout.HARD, OnTimeout.RESET):
            return self.timeout - min(30.0, self.timeout / 5)
        return self.timeout

    def waves_of(self, vms: Sequence[T]) -> list[Sequence[T]]:
        """As many waves of about the same size; one by one if only an interval is given."""
        count = self.waves if self.waves > 1 else len(vms) if self.interval > 0 else 1
        count = max(1, min(count, len(vms)))
        size, larger = divmod(len(vms), count)
        ends = [number * size + min(number, larger) for number in range(count + 1)]
        return [vms[start:end] for start, end in itertools.pairwise(ends)]
