"""Reads Chaos Toolkit's journal: the run, its activities, and the checks of its hypothesis."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from chaosvm.observe.summary import outcomes_in
from chaosvm.observe.timeline.model import (
    ActivityRun,
    Check,
    Interruption,
    Limit,
    Mode,
    Phase,
    Probe,
    Run,
    UndoResult,
)
from chaosvm.redaction import without_query
from chaosvm.runtime.activity_times import parse_time

__all__ = [
    "read_activities",
    "read_limits",
    "read_probes",
    "read_run",
    "read_undo",
    "stopped_by_guard",
]

UNDO = "chaosvm.controls.undo"
_RECOVERY = "recovery_seconds"
_GUARD = "chaosvm.errors.GuardStopped: "
# A range that has no upper end in practice.
_UNBOUNDED = 1_000_000
_MAX_VALUE = 60

# Why a GET of Chaos Toolkit failed, in the texts of requests and urllib3, and in short.
_HTTP_ERRORS = (
    (re.compile(r"\[Errno -?\d+\] ([\w ]+)"), r"\1"),
    (re.compile(r"timed out|took too long"), "no answer in time"),
    (re.compile(r"CERTIFICATE_VERIFY_FAILED"), "certificate not trusted"),
    (re.compile(r"Connection aborted|closed connection"), "connection broken"),
)

Journal = Mapping[str, Any]
Activity = Mapping[str, Any]


def read_run(journal: Journal, now: datetime) -> Run:
    """The run; ``now`` is its end if the journal has none."""
    experiment = journal.get("experiment") or {}
    started = _time(journal.get("start")) or now
    by = _interrupted_by(journal)
    return Run(
        title=str(experiment.get("title") or "an experiment"),
        started=started,
        ended=_time(journal.get("end")) or now,
        status=journal.get("status"),
        deviated=bool(journal.get("deviated")),
        mode=_mode(experiment),
        interruption=Interruption(by=by) if by else None,
        strategies=_strategies(journal),
    )


def _interrupted_by(journal: Journal) -> str | None:
    """The signal, or why a control stopped the run."""
    recorded = journal.get("interruption") or {}
    name, reason = recorded.get("name"), recorded.get("reason")
    by = (reason or name) if recorded.get("kind") == "control" else (name or reason)
    if not by and journal.get("status") == "interrupted":
        return "cause not recorded"
    return str(by) if by else None


def read_activities(journal: Journal) -> list[ActivityRun]:
    """The method and the rollbacks, with the outcomes of this package's actions."""
    phases = ((Phase.METHOD, journal.get("run")), (Phase.ROLLBACK, journal.get("rollbacks")))
    return [
        _activity(entry, phase)
        for phase, entries in phases
        for entry in entries or ()
        if _time(entry.get("start")) is not None
    ]


def read_probes(journal: Journal) -> list[Probe]:
    """The probes of the hypothesis, with all their checks."""
    checks: dict[str, list[Check]] = {}
    for phase, entry in _probe_entries(journal):
        if (at := _time(entry.get("start"))) is not None:
            name = str(entry["activity"].get("name"))
            checks.setdefault(name, []).append(_check(entry, phase, at))
    return [
        Probe(
            name=str(probe.get("name")),
            expected=_expected(probe),
            checks=tuple(sorted(checks.get(str(probe.get("name")), ()), key=lambda each: each.at)),
            judged_when_back=_provider(probe).get("func") == _RECOVERY,
            of_vms=str(_provider(probe).get("module")).startswith("chaosvm."),
        )
        for probe in _declared_probes(journal)
    ]


def read_limits(journal: Journal, configuration: Mapping[str, Any]) -> list[Limit]:
    """The upper limits of recoveries, and what they took at the last check."""
    # It is 0 until the VM has gone down.
    measured = {
        str(entry["activity"].get("name")): float(entry["output"])
        for _, entry in _probe_entries(journal)
        if _is_number(entry.get("output")) and entry["output"] > 0
    }
    limits = []
    for probe in _declared_probes(journal):
        arguments = _provider(probe).get("arguments") or {}
        most = _upper_limit(probe.get("tolerance"))
        if _provider(probe).get("func") == _RECOVERY and most is not None:
            limit = Limit(
                vm_name=substituted(str(arguments.get("vm_name")), configuration),
                seconds=most,
                milestone=without_query(str(arguments.get("milestone") or "power")),
                measured=measured.get(str(probe.get("name"))),
            )
            limits.append(limit)
    return limits


def read_undo(journal: Journal) -> UndoResult | None:
    """What the control undo did; None if the experiment does not declare it."""
    declared = (journal.get("experiment") or {}).get("controls") or ()
    result = journal.get("chaosvm_undo")
    if not isinstance(result, Mapping):
        is_declared = any(_provider(each).get("module") == UNDO for each in declared)
        failed = [each for each in journal.get("rollbacks") or () if _is_undo(each)]
        error = _error(failed[-1]) if failed else None
        return UndoResult(error=error) if is_declared else None
    return UndoResult(
        began=_time(result.get("started")),
        ended=_time(result.get("ended")),
        outcomes=tuple(outcomes_in(result)),
    )


def stopped_by_guard(journal: Journal) -> str | None:
    """Which action a guard stopped first, and which guard: without names, and without advice."""
    for entry in journal.get("run") or ():
        error = _last_line(entry)
        if _GUARD in error:
            reason = error.partition(_GUARD)[2].partition("nothing was touched: ")[2]
            reason = reason.partition(". To go on")[0] or error.partition(_GUARD)[2]
            return f"{entry['activity'].get('name')}: {reason}"
    return None


def substituted(text: str, configuration: Mapping[str, Any]) -> str:
    """The text with the values of an experiment's variables, as far as they are known."""

    def value(found: re.Match[str]) -> str:
        known = configuration.get(found[1])
        return found[0] if known is None or isinstance(known, Mapping) else str(known)

    return re.sub(r"\$\{([\w-]+)\}", value, text)


# Activities ---------------------------------------------------------------------------


def _activity(entry: Mapping[str, Any], phase: Phase) -> ActivityRun:
    activity = entry["activity"]
    began = _time(entry["start"])
    assert began is not None
    return ActivityRun(
        name=str(activity.get("name")),
        phase=phase,
        began=began,
        ended=_time(entry.get("end")),
        type=str(activity.get("type") or "action"),
        background=bool(activity.get("background")),
        status=entry.get("status"),
        error=_error(entry),
        outcomes=tuple(outcomes_in(entry.get("output"))),
    )


def _is_undo(entry: Mapping[str, Any]) -> bool:
    return (entry.get("activity") or {}).get("name") == UNDO


def _error(entry: Mapping[str, Any]) -> str | None:
    text = _last_line(entry)
    while text.startswith(("chaoslib.exceptions.", "chaosvm.errors.")) and ": " in text:
        text = text.partition(": ")[2]
    return text or None


def _last_line(entry: Mapping[str, Any]) -> str:
    """The error itself, without the traceback; it may have several lines."""
    lines = entry.get("exception") or ()
    return str(lines[-1]).strip() if isinstance(lines, Sequence) and lines else ""


# The hypothesis -------------------------------------------------------------------------


def _declared_probes(journal: Journal) -> list[Activity]:
    hypothesis = (journal.get("experiment") or {}).get("steady-state-hypothesis") or {}
    return list(hypothesis.get("probes") or ())


def _probe_entries(journal: Journal) -> Iterator[tuple[Phase, Mapping[str, Any]]]:
    states = journal.get("steady_states") or {}
    during = states.get("during") or ()
    during = during if isinstance(during, list | tuple) else [during]
    runs = [(Phase.BEFORE, states.get("before")), *((Phase.DURING, each) for each in during)]
    for phase, state in (*runs, (Phase.AFTER, states.get("after"))):
        for entry in (state or {}).get("probes") or ():
            yield phase, entry


def _check(entry: Mapping[str, Any], phase: Phase, at: datetime) -> Check:
    failed = entry.get("status") == "failed"
    return Check(
        phase=phase,
        at=at,
        met=bool(entry.get("tolerance_met")) and not failed,
        value=None if failed else value_text(entry.get("output"), entry["activity"]),
        error=_probe_error(entry),
    )


def _probe_error(entry: Mapping[str, Any]) -> str | None:
    error = _error(entry)
    if error and _provider(entry["activity"]).get("type") == "http":
        for pattern, short in _HTTP_ERRORS:
            if found := pattern.search(error):
                return found.expand(short)
    return error


def value_text(output: Any, activity: Activity) -> str:
    """What a probe returned, in a few words."""
    if _provider(activity).get("type") == "http" and isinstance(output, Mapping):
        return str(output.get("status"))
    if isinstance(output, bool):
        return "true" if output else "false"
    if _provider(activity).get("func", "").endswith("_seconds") and _is_number(output):
        return f"{output:.1f} s"
    text = output if isinstance(output, str) else json.dumps(output, default=str)
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"


def _expected(probe: Activity) -> str:
    """The tolerance of a probe, in a few words."""
    tolerance = probe.get("tolerance")
    if isinstance(tolerance, bool):
        return "true" if tolerance else "false"
    is_http = _provider(probe).get("type") == "http"
    if is_http and isinstance(tolerance, int | str):
        return f"HTTP {tolerance}"
    if isinstance(tolerance, Mapping):
        return _expected_mapping(tolerance, probe)
    if isinstance(tolerance, list | tuple):
        return _range_text(tolerance, probe)
    return str(tolerance)


def _expected_mapping(tolerance: Mapping[str, Any], probe: Activity) -> str:
    match tolerance.get("type"):
        case "range":
            return _range_text(tolerance.get("range") or (), probe)
        case "regex":
            return f"matches {tolerance.get('pattern')}"
        case "jsonpath":
            return f"{tolerance.get('path')} {tolerance.get('expect', '')}".strip()
        case "probe":
            return f"as {tolerance.get('name')} judges"
    return json.dumps(dict(tolerance), default=str)


def _range_text(limits: Sequence[Any], probe: Activity) -> str:
    if len(limits) != 2 or not all(map(_is_number, limits)):
        return " or ".join(map(str, limits))
    low, high = limits
    unit = " s" if _provider(probe).get("func", "").endswith("_seconds") else ""
    if high >= _UNBOUNDED:
        return f"at least {low}{unit}"
    return f"{high}{unit} at most" if low == 0 else f"{low} to {high}{unit}"


def _upper_limit(tolerance: Any) -> float | None:
    limits = tolerance.get("range") if isinstance(tolerance, Mapping) else tolerance
    if isinstance(limits, list | tuple) and len(limits) == 2 and all(map(_is_number, limits)):
        return float(limits[1])
    return None


# The run --------------------------------------------------------------------------------


def _mode(experiment: Mapping[str, Any]) -> Mode:
    dry = experiment.get("dry")
    dry = getattr(dry, "value", dry)
    if dry == "rehearsal":
        return Mode.REHEARSAL
    return Mode.DRY_RUN if dry in ("actions", "activities") else Mode.REAL


def _strategies(journal: Journal) -> str:
    states = journal.get("steady_states") or {}
    runtime = (journal.get("experiment") or {}).get("runtime") or {}
    rollbacks = (runtime.get("rollbacks") or {}).get("strategy") or "default"
    during = "continuously" if states.get("during") else "default"
    hypothesis = (runtime.get("hypothesis") or {}).get("strategy") or during
    return f"hypothesis {hypothesis}; rollbacks {rollbacks}"


def _provider(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    provider = declared.get("provider")
    return provider if isinstance(provider, Mapping) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _time(text: Any) -> datetime | None:
    try:
        return parse_time(text)
    except (TypeError, ValueError):
        return None
