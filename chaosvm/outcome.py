"""The result of an operation, for one VM and for a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chaosvm.listing import and_more, listed
from chaosvm.redaction import redacted, without_query
from chaosvm.vm import VM, PowerState

__all__ = [
    "Batch",
    "How",
    "Outcome",
    "Verified",
    "dry_run_outcome",
    "failure_text",
    "summary_text",
]


# In a message, which also says where all of them are listed.
_MAX_NAMED = 20
_MAX_NAMED_IN_SUMMARY = 3
# The word for its result in summaries, and the state in which it leaves a VM.
_DONE = {
    "power_on": ("on", PowerState.POWERED_ON),
    "power_off": ("off", PowerState.POWERED_OFF),
    "reboot": ("rebooted", PowerState.POWERED_ON),
    "suspend": ("suspended", PowerState.SUSPENDED),
    "restore": ("restored", None),
    "outage": ("down and back", PowerState.POWERED_ON),
}


class How(StrEnum):
    """How a VM reached its state."""

    GUEST = "guest"  # a guest shutdown or reboot
    HARD = "hard"  # by the platform, without the guest
    FALLBACK_HARD = "fallback_hard"  # by the platform, after the guest failed to
    ENGINE_CONVERTED = "engine_converted"  # requested from the guest, made hard by the engine
    NONE = "none"  # nothing was done


class Verified(StrEnum):
    """Whether a reboot was seen to happen; its power state is the same before and after."""

    CONFIRMED = "confirmed"
    UNVERIFIED = "unverified"  # it cannot be known
    NOT_REBOOTED = "not_rebooted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of an operation on one VM; ``error`` is None if it succeeded.

    ``after`` is the last power state that was observed, or ``unknown`` if it may
    have changed since. ``detail`` adds what the other fields cannot express. A reboot
    has ``verified``, with the ``evidence`` if it is confirmed. ``milestones`` are the
    seconds after which each was reached, if the operation waited for one.
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
    verified: Verified | None = None
    evidence: str | None = None
    milestones: Mapping[str, float] | None = field(default=None, hash=False)
    # The milestone that a VM has not reached although it is on.
    missing: str | None = field(default=None, hash=False, compare=False)
    # What would have been done, in a dry run.
    plan: dict[str, Any] | None = field(default=None, hash=False, compare=False)

    def __post_init__(self) -> None:
        # Both may quote a server.
        for name in ("detail", "error"):
            if text := getattr(self, name):
                object.__setattr__(self, name, redacted(text))

    @property
    def failed(self) -> bool:
        return self.error is not None

    def to_json(self) -> dict[str, Any]:
        values = {
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
            "verified": self.verified and self.verified.value,
            "evidence": self.evidence,
            "milestones": {without_query(each): at for each, at in (self.milestones or {}).items()},
        }
        return {
            **values,
            **{key: value for key, value in optional.items() if value},
            **_dry_run_fields(self.plan),
        }

    def __str__(self) -> str:
        return f"{self.name!r} ({self.id})"


@dataclass(frozen=True, slots=True)
class Batch:
    """The outcomes of a batch, the VMs it skipped, and the seed of its sample."""

    outcomes: tuple[Outcome, ...]
    seed: int | None = None
    passed_over: tuple[tuple[VM, str], ...] = ()
    # What would have been done, in a dry run.
    plan: dict[str, Any] | None = field(default=None, hash=False, compare=False)

    @property
    def changed(self) -> int:
        return sum(outcome.changed for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        return sum(outcome.failed for outcome in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        values: dict[str, Any] = {
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
            "changed": self.changed,
            "failed": self.failed,
            "seed": self.seed,
        }
        if self.passed_over:
            values["passed_over"] = [
                {"name": vm.name, "id": vm.id, "reason": reason} for vm, reason in self.passed_over
            ]
        return {**values, **_dry_run_fields(self.plan)}


def dry_run_outcome(vm: VM, operation: str, will: str) -> Outcome:
    """Return the outcome of a dry run for one VM."""
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


def _dry_run_fields(plan: dict[str, Any] | None) -> dict[str, Any]:
    return {} if plan is None else {"dry_run": True, "plan": plan}


def summary_text(operation: str, outcomes: Sequence[Outcome], seconds: float) -> str:
    """One line for any number of VMs, such as
    "power_off: 3 of 3 off (2 by guest, 1 forced) in 41 s".
    """
    word, target = _DONE.get(operation, ("done", None))
    unready = [outcome for outcome in outcomes if outcome.missing and outcome.after is target]
    failed = [outcome for outcome in outcomes if outcome.failed and outcome not in unready]
    others = [outcome for outcome in outcomes if not outcome.failed]
    unverified = [outcome for outcome in others if outcome.verified is Verified.UNVERIFIED]
    done = [
        outcome
        for outcome in others
        if target in (None, outcome.after) and outcome.verified in (None, Verified.CONFIRMED)
    ]
    reached = "ready" if unready else word
    text = f"{operation}: {len(done)} of {len(outcomes)} {reached}{_method_counts(operation, done)}"
    if unready:
        text += f", {len(unready)} {word}, not ready: {_missing_text(unready)},"
    if unverified:
        text += f", {len(unverified)} unverified,"
    if left := len(others) - len(done) - len(unverified):
        text += f", {left} left as {'it is' if left == 1 else 'they are'},"
    if failed:
        text += f", {len(failed)} failed: {listed(failed, _MAX_NAMED_IN_SUMMARY)},"
    return f"{text} in {seconds:.{0 if seconds >= 10 else 1}f} s".replace(",,", ",")


def _missing_text(unready: Sequence[Outcome]) -> str:
    if len(unready) == 1:
        return f"{unready[0].missing} is missing"
    missing = [f"{outcome} ({outcome.missing} is missing)" for outcome in unready]
    return listed(missing, _MAX_NAMED_IN_SUMMARY)


def _method_counts(operation: str, outcomes: Sequence[Outcome]) -> str:
    """How many VMs were changed by which means, where there is more than one."""
    words = {
        How.GUEST: "by guest",
        How.HARD: "hard",
        How.FALLBACK_HARD: "forced",
        How.ENGINE_CONVERTED: "forced by the engine",
        How.NONE: "already",
    }
    if operation not in ("power_off", "reboot", "outage"):
        words = {How.NONE: "already"}
    counts = [(sum(each.how is how for each in outcomes), text) for how, text in words.items()]
    texts = [f"{count} {text}" for count, text in counts if count]
    return f" ({', '.join(texts)})" if texts else ""


def failure_text(operation: str, outcomes: Sequence[Outcome], seed: int | None = None) -> str:
    """Say which VMs failed and why, whether the others changed, and the seed of the sample.

    At most 20 VMs of each kind are named; the journal and the ledger have all of them.
    """
    failed = [outcome for outcome in outcomes if outcome.failed]
    if len(outcomes) == 1:
        return f"{operation} failed: {_reasons(failed)}"
    text = f"{operation} failed for {len(failed)} of {len(outcomes)} VMs: {_reasons(failed)}"
    others = [outcome for outcome in outcomes if not outcome.failed]
    groups = {
        "changed": [o for o in others if o.changed],
        "not changed": [o for o in others if not o.changed],
    }
    for label, group in groups.items():
        if group:
            text += f". Of the others, {label}: {listed(group, _MAX_NAMED)}"
    if seed is not None:
        text += f". They were drawn with seed {seed}"
    if max(len(failed), *(len(group) for group in groups.values())) > _MAX_NAMED:
        text += ". The journal and the ledger have all of them"
    return text


def _reasons(failed: Sequence[Outcome]) -> str:
    """Name each error once, with its VMs."""
    named = failed[:_MAX_NAMED]
    groups: dict[str | None, list[Outcome]] = {}
    for outcome in named:
        groups.setdefault(outcome.error, []).append(outcome)
    reasons = "; ".join(f"{listed(group, _MAX_NAMED)} {error}" for error, group in groups.items())
    return reasons + and_more(len(failed), _MAX_NAMED)
