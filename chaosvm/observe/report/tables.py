"""The tables of the page: they hold everything that the chart shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from chaosvm.observe.story import Story
from chaosvm.observe.story.lanes import NOT_READINESS, Lane, Operation, milestone_label
from chaosvm.observe.story.words import joined, moment, seconds_text, state_word
from chaosvm.observe.timeline import ActivityRun, Change, Check, Phase, Probe
from chaosvm.platforms import platform_title

__all__ = [
    "ProbeRow",
    "activity_rows",
    "dense_rows",
    "failure_rows",
    "outcome_groups",
    "probe_rows",
]

# How something was done, where it stands behind a number of VMs.
_SEVERAL = {"nothing had to be done": "left as they were", "by its guest": "by their guests"}
Cell = tuple[str, str]  # a class and a text


@dataclass(frozen=True)
class ProbeRow:
    name: str
    expected: str
    before: Sequence[Cell]
    during: Sequence[Cell]
    after: Sequence[Cell]


def probe_rows(story: Story) -> list[ProbeRow]:
    """What was expected of each probe, and what was seen."""
    return [
        ProbeRow(
            probe.name,
            probe.expected,
            _seen(probe, Phase.BEFORE),
            _during(story, probe),
            _seen(probe, Phase.AFTER),
        )
        for probe in story.probes
    ]


def _seen(probe: Probe, phase: Phase) -> list[Cell]:
    checks = [check for check in probe.checks if check.phase is phase]
    return [_verdict(checks[-1])] if checks else [("soft", "not checked")]


def _verdict(check: Check) -> Cell:
    text = check.value if check.value is not None else check.error or "failed"
    return ("ok", f"✓\u00a0{text}") if check.met else ("no", f"✕\u00a0{text}")


def _during(story: Story, probe: Probe) -> list[Cell]:
    checks = story.during(probe)
    if not checks:
        return [("soft", "not checked")]
    failed = [check for check in checks if not check.met]
    if probe.judged_when_back:
        # With a limit, it fails only past that: without, as long as the VM is not back.
        late = [each for each in failed if each.value is not None or checks[0].met]
        return [_verdict(late[-1])] if late else [("soft", "judged once it is back")]
    if not failed:
        return [_verdict(checks[-1]), ("", f" in all {len(checks)} checks")]
    outages = story.outages_of(probe)
    begin = moment(outages[0].begin, story.span)
    when = f"from {begin} on"
    if outages[-1].ended:
        when = f"{begin} to {moment(outages[-1].end, story.span)}"
    return [_verdict(failed[0]), ("", f" in {len(failed)} of {len(checks)} checks, {when}")]


# Outcomes, up to twelve VMs: grouped by VM ---------------------------------------------------


@dataclass(frozen=True)
class OutcomeRow:
    began: str
    activity: str
    note: str
    states: str
    how: str
    seconds: str
    failed: bool


@dataclass(frozen=True)
class OutcomeGroup:
    """One VM: what this run and others did to it."""

    name: str
    id: str
    back_in: str
    rows: Sequence[OutcomeRow]


def outcome_groups(story: Story) -> list[OutcomeGroup]:
    return [
        OutcomeGroup(lane.machine.name, lane.machine.id, _back_in(story, lane), rows)
        for lane in story.lanes
        if (rows := _rows_of(story, lane) or _unrecorded_row(story, lane))
    ]


def _back_in(story: Story, lane: Lane) -> str:
    if lane.slowest is not None and lane.is_back:
        return seconds_text(lane.slowest.recovery or 0)
    return "" if lane.is_back or story.is_dry else lane.still


def _rows_of(story: Story, lane: Lane) -> list[OutcomeRow]:
    rows = [
        (each.began, _outcome_row(story, each))
        for each in lane.operations
        if each.activity.phase is not Phase.UNDO or _did_something(each.outcome)
    ]
    rows += [(at, _foreign_row(story, lane, at, change)) for at, change in lane.others]
    return [row for _, row in sorted(rows, key=lambda each: each[0])]


def _unrecorded_row(story: Story, lane: Lane) -> list[OutcomeRow]:
    if lane not in story.unrecorded:
        return []
    states = f"{state_word(lane.first_state)} → not known"
    return [OutcomeRow("", "", "", states, "the run was killed before its outcome", "", False)]


def _did_something(outcome: Mapping[str, Any]) -> bool:
    return bool(outcome.get("changed") or outcome.get("error"))


def _outcome_row(story: Story, operation: Operation) -> OutcomeRow:
    activity, outcome = operation.activity, operation.outcome
    notes = {Phase.ROLLBACK: "rollback", Phase.UNDO: "undo"}
    return OutcomeRow(
        began=moment(story.at(activity.began), story.span),
        activity=f"{story.number_of(activity)} {outcome.get('operation')}",
        note=notes.get(activity.phase, "background" if activity.background else ""),
        states=states_text(outcome),
        how=_how_text(outcome),
        seconds=f"{float(outcome.get('seconds') or 0):.1f}",
        failed=bool(outcome.get("error")),
    )


def _foreign_row(story: Story, lane: Lane, at: float, change: Change) -> OutcomeRow:
    before = next((each.state for each in lane.segments if each.end >= at - 0.05), "unknown")
    how = change.cause or (f"recorded by {change.source}" if change.source else "")
    if len(lane.hosts) > 1 and change.value == "powered_on":
        how += f" (was on {lane.hosts[0]})"
    states = f"{state_word(before)} → {state_word(change.value)}"
    return OutcomeRow(moment(at, story.span), "", "not by this run", states, how, "", False)


def states_text(outcome: Mapping[str, Any]) -> str:
    before, after = (state_word(str(outcome.get(key))) for key in ("before", "after"))
    return f"{before} → {after}"


def _how_text(outcome: Mapping[str, Any]) -> str:
    """The method, the milestones, and what went wrong."""
    if error := outcome.get("error"):
        return f"✕ {error}"
    parts = [_method_text(outcome)]
    milestones = outcome.get("milestones") or {}
    reached = [
        f"{milestone_label(name)} after {float(seconds):.1f} s"
        for name, seconds in milestones.items()
        if seconds is not None and name not in NOT_READINESS
    ]
    parts += [", ".join(reached)] if reached else []
    if verified := outcome.get("verified"):
        parts.append(f"reboot {verified}")
    if detail := outcome.get("detail"):
        if str(detail).startswith("dry run: "):
            return str(detail).removeprefix("dry run: ")
        parts.append(str(detail))
    return "; ".join(parts)


def _method_text(outcome: Mapping[str, Any]) -> str:
    how, operation = outcome.get("how"), outcome.get("operation")
    if how == "hard":
        return "hard" if operation in ("power_off", "reboot") else "by the platform"
    words = {
        "guest": "by its guest",
        "fallback_hard": "hard, after the guest had not reacted in time",
        "engine_converted": "hard, by the engine instead of the guest",
        "none": "nothing had to be done",
    }
    return words.get(str(how), str(how))


# Outcomes of many VMs: activities, failures, one short row a VM -------------------------------


def activity_rows(story: Story) -> list[dict[str, Any]]:
    """One row for each activity that acted on VMs, with its times."""
    return [
        {
            "number": number,
            "name": activity.name,
            "background": activity.background,
            "vms": _whom(story, activity),
            "states": _states_of(activity),
            "how": _method_of_activity(activity),
            "median": f"{median(seconds):.1f}",
            "slowest": f"{max(seconds):.1f}",
            "failed": sum(bool(each.get("error")) for each in activity.outcomes),
        }
        for number, activity in story.activities
        if (seconds := [float(each.get("seconds") or 0) for each in activity.outcomes])
    ]


def _whom(story: Story, activity: ActivityRun) -> str:
    platforms = {str(each.get("platform")) for each in activity.outcomes}
    machines = {(each.platform, each.id): each for each in story.timeline.vms}
    keys = [(str(each.get("platform")), str(each.get("id"))) for each in activity.outcomes]
    clusters = {machines[key].cluster for key in keys if key in machines}
    if len(platforms) > 1:
        return str(len(activity.outcomes))
    text = f"{len(activity.outcomes)} on {platform_title(platforms.pop())}"
    (cluster,) = clusters if len(clusters) == 1 else (None,)
    return f"{text}, {cluster}" if cluster else text


def _states_of(activity: ActivityRun) -> str:
    good = [each for each in activity.outcomes if not each.get("error")] or activity.outcomes
    befores = {state_word(str(each.get("before"))) for each in good}
    afters = {state_word(str(each.get("after"))) for each in good}
    before = befores.pop() if len(befores) == 1 else ""
    return f"{before} → {joined(sorted(afters))}".strip()


def _method_of_activity(activity: ActivityRun) -> str:
    methods = [_method_text(each) for each in activity.outcomes if not each.get("error")]
    kinds = list(dict.fromkeys(methods))
    if len(kinds) == 1:
        return _SEVERAL.get(kinds[0], kinds[0])
    return ", ".join(f"{methods.count(kind)} {_SEVERAL.get(kind, kind)}" for kind in kinds)


def failure_rows(story: Story) -> list[dict[str, str]]:
    """Every failed operation in full."""
    return [
        {
            "name": lane.machine.name,
            "id": lane.machine.id,
            "activity": f"{story.number_of(failure.activity)} {failure.activity.name}, "
            f"{failure.outcome.get('operation')}",
            "states": states_text(failure.outcome),
            "error": failure.text,
            "seconds": f"{float(failure.outcome.get('seconds') or 0):.1f}",
            "back": "yes" if lane.is_back else "",
            "now": _now(lane),
        }
        for lane in story.lanes
        for failure in lane.failures
    ]


def _now(lane: Lane) -> str:
    if not lane.is_back:
        return lane.still
    return state_word(lane.last_state) + (" again" if lane.downs else "")


def dense_rows(story: Story) -> list[dict[str, str]]:
    """One short row for each VM without a failure."""
    rows = []
    for lane in story.lanes:
        if lane.failures or not lane.operations:
            continue
        outcome = lane.operations[0].outcome
        down = lane.downs[0] if lane.downs else None
        back = down.on_at if down else None
        rows.append(
            {
                "name": lane.machine.name,
                "host": lane.machine.host or "",
                "states": states_text(outcome),
                "how": _method_text(outcome).removeprefix("by the "),
                "seconds": f"{float(outcome.get('seconds') or 0):.1f}",
                "down_at": moment(down.begin, story.span) if down else "",
                "back_at": moment(back, story.span) if back is not None else "",
                "down_for": "" if lane.down_seconds is None else seconds_text(lane.down_seconds),
            }
        )
    return rows
