"""What happened to each VM: its states in order, its downtime and its recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaosvm.observe.story.words import state_word
from chaosvm.observe.timeline import ActivityRun, Change, Kind, Limit, Machine

__all__ = [
    "DOWN",
    "NOT_READINESS",
    "Cause",
    "Down",
    "Failure",
    "Lane",
    "Mark",
    "Operation",
    "Segment",
    "milestone_label",
    "outcome_ref",
]

ON, OFF, READYING, UNKNOWN = "powered_on", "powered_off", "readying", "unknown"
# Milestones of an outcome that do not show how ready a VM is.
NOT_READINESS = ("power", "on", "down", "back")
DOWN = (OFF, "suspended", "paused")


@dataclass(frozen=True)
class Segment:
    """``state`` is a power state, or ``readying``: on, and not ready yet."""

    begin: float
    end: float
    state: str


@dataclass(frozen=True)
class Mark:
    """A milestone of a recovery."""

    at: float
    label: str


@dataclass(frozen=True)
class Cause:
    at: float
    text: str


@dataclass(frozen=True)
class Failure:
    """An operation that failed on the VM."""

    at: float
    text: str
    activity: ActivityRun
    outcome: Mapping[str, Any]


@dataclass(frozen=True)
class Down:
    """One time down: from when until it was on, and until the last milestone waited for."""

    begin: float
    on_at: float | None
    ready_at: float | None
    milestone: str = "power"

    @property
    def seconds(self) -> float | None:
        return None if self.on_at is None else self.on_at - self.begin

    @property
    def recovery(self) -> float | None:
        return None if self.ready_at is None else self.ready_at - self.begin


@dataclass(frozen=True)
class Operation:
    """An outcome of the run on a VM, and when its operation began in seconds of the run."""

    activity: ActivityRun
    outcome: Mapping[str, Any]
    began: float

    @property
    def ended(self) -> float:
        return self.began + float(self.outcome.get("seconds") or 0.0)


@dataclass(frozen=True)
class Lane:
    machine: Machine
    segments: Sequence[Segment]
    marks: Sequence[Mark] = ()
    causes: Sequence[Cause] = ()
    downs: Sequence[Down] = ()
    failures: Sequence[Failure] = ()
    operations: Sequence[Operation] = ()
    others: Sequence[tuple[float, Change]] = ()
    reboots: Sequence[float] = ()
    hosts: Sequence[str] = ()
    limit: Limit | None = None
    killed: bool = False
    touched: bool = field(default=True)

    @property
    def first_state(self) -> str:
        return self.segments[0].state if self.segments else UNKNOWN

    @property
    def last_state(self) -> str:
        if self.killed or not self.segments:
            return UNKNOWN
        last = self.segments[-1].state
        return ON if last == READYING else last

    @property
    def is_back(self) -> bool:
        """True if its state at the end is known and the one of the beginning."""
        return self.last_state == self.first_state != UNKNOWN

    @property
    def still(self) -> str:
        """Its state, if it is not back."""
        return "not known" if self.last_state == UNKNOWN else f"still {state_word(self.last_state)}"

    @property
    def was_down(self) -> bool:
        return bool(self.downs)

    @property
    def down_seconds(self) -> float | None:
        """The total downtime in seconds; None while it is not back on."""
        parts = [down.seconds for down in self.downs]
        known = [part for part in parts if part is not None]
        return sum(known) if known and len(known) == len(parts) else None

    @property
    def slowest(self) -> Down | None:
        """The time down with the longest recovery."""
        recovered = [down for down in self.downs if down.recovery is not None]
        return max(recovered, key=lambda down: down.recovery or 0.0, default=None)

    @property
    def recovery_seconds(self) -> float:
        """Of the slowest recovery; 0 if there was none."""
        return (self.slowest.recovery or 0.0) if self.slowest is not None else 0.0

    @property
    def over_limit(self) -> bool:
        return self.limit is not None and self.recovery_seconds > self.limit.seconds

    @property
    def needs_attention(self) -> bool:
        return bool(self.failures) or not self.is_back or self.over_limit


def outcome_ref(outcome: Mapping[str, Any]) -> tuple[str, str]:
    return str(outcome.get("platform")), str(outcome.get("id"))


def milestone_label(name: str) -> str:
    """port:443 as ``port 443``."""
    if name == Kind.ADDRESS.value:
        return "ip"
    kind, _, rest = name.partition(":")
    return f"{kind} {rest}" if kind == "port" and rest else kind
