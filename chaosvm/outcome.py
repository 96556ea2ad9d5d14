"""What became of an operation on one VM, and on a batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chaosvm.redaction import redacted
from chaosvm.vm import VM, PowerState

__all__ = ["Batch", "How", "Outcome", "failure_text", "dry_run_outcome"]


# In an error text; what has all of them is named there.
_MOST_NAMED = 20


class How(StrEnum):
    """By which means a VM was brought to its state."""

    GUEST = "guest"  # the guest's own shutdown or reboot
    HARD = "hard"  # the platform, without asking the guest
    FALLBACK_HARD = "fallback_hard"  # the platform, after the guest did not, or could not
    ENGINE_CONVERTED = "engine_converted"  # asked of the guest, made hard by the engine
    NONE = "none"  # nothing was done


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One VM's story. ``error`` is None when it is where it should be.

    ``after`` is the last state that was seen, and ``unknown`` when it may have
    changed since. ``detail`` says what the other fields cannot.
    """

    name: str
    id: str
    platform: str
    operation: str
    before: PowerState
    after: PowerState
    changed: bool
    how: How
    seconds: float
    detail: str | None = None
    error: str | None = None
    correlation_id: str | None = None
    # In a dry run, where nothing was done: what would have been.
    plan: dict[str, Any] | None = field(default=None, hash=False, compare=False)

    def __post_init__(self) -> None:
        """Both may quote a server."""
        for name in ("detail", "error"):
            if text := getattr(self, name):
                object.__setattr__(self, name, redacted(text))

    @property
    def failed(self) -> bool:
        return self.error is not None

    def to_json(self) -> dict[str, Any]:
        shown = {
            "name": self.name,
            "id": self.id,
            "platform": self.platform,
            "operation": self.operation,
            "before": self.before.value,
            "after": self.after.value,
            "changed": self.changed,
            "how": self.how.value,
            "seconds": self.seconds,
        }
        optional = {
            "detail": self.detail,
            "error": self.error,
            "correlation_id": self.correlation_id,
        }
        return {
            **shown,
            **{key: value for key, value in optional.items() if value},
            **_dry(self.plan),
        }

    def __str__(self) -> str:
        return f"{self.name!r} ({self.id})"


@dataclass(frozen=True, slots=True)
class Batch:
    """The outcomes of all the VMs of one batch, and the seed that chose them."""

    outcomes: tuple[Outcome, ...]
    seed: int | None = None
    passed_over: tuple[tuple[VM, str], ...] = ()
    # In a dry run, where nothing was done: what would have been.
    plan: dict[str, Any] | None = field(default=None, hash=False, compare=False)

    @property
    def changed(self) -> int:
        return sum(outcome.changed for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        return sum(outcome.failed for outcome in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
            "changed": self.changed,
            "failed": self.failed,
            "seed": self.seed,
        }
        if self.passed_over:
            shown["passed_over"] = [
                {"name": vm.name, "id": vm.id, "reason": reason} for vm, reason in self.passed_over
            ]
        return {**shown, **_dry(self.plan)}


def dry_run_outcome(vm: VM, operation: str, will: str) -> Outcome:
    """Of a dry run."""
    return Outcome(
        name=vm.name,
        id=vm.id,
        platform=vm.platform,
        operation=operation,
        before=vm.power_state,
        after=vm.power_state,
        changed=False,
        how=How.NONE,
        seconds=0.0,
        detail=f"dry run: {will}",
    )


def _dry(plan: dict[str, Any] | None) -> dict[str, Any]:
    return {} if plan is None else {"dry_run": True, "plan": plan}


def failure_text(operation: str, outcomes: Sequence[Outcome], seed: int | None = None) -> str:
    """Which VMs failed and why, what was done to the others, and the seed of the draw.

    Of many, twenty of each kind: the whole is in the journal and in the ledger.
    """
    failed = [outcome for outcome in outcomes if outcome.failed]
    if len(outcomes) == 1:
        return f"{operation} failed: {_reasons(failed)}"
    said = f"{operation} failed for {len(failed)} of {len(outcomes)} VMs: {_reasons(failed)}"
    others = [outcome for outcome in outcomes if not outcome.failed]
    groups = {
        "changed": [o for o in others if o.changed],
        "not changed": [o for o in others if not o.changed],
    }
    for word, group in groups.items():
        if group:
            said += f". Of the others, {word}: {_named(group, len(group))}"
    if seed is not None:
        said += f". They were drawn with seed {seed}"
    if max(len(failed), *(len(group) for group in groups.values())) > _MOST_NAMED:
        said += ". The output of this activity in the journal, and the ledger, have all of them"
    return said


def _reasons(failed: Sequence[Outcome]) -> str:
    """Each error once, with the VMs that ended with it."""
    named = failed[:_MOST_NAMED]
    groups: dict[str | None, list[Outcome]] = {}
    for outcome in named:
        groups.setdefault(outcome.error, []).append(outcome)
    told = "; ".join(f"{_named(group, len(group))} {error}" for error, group in groups.items())
    return told + _more(len(failed))


def _named(outcomes: Sequence[Outcome], count: int) -> str:
    return ", ".join(str(outcome) for outcome in outcomes[:_MOST_NAMED]) + _more(count)


def _more(count: int) -> str:
    return f" and {count - _MOST_NAMED} more" if count > _MOST_NAMED else ""
