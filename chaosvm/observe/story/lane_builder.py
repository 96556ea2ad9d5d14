"""Builds the lane of each VM from its changes and the outcomes of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from chaosvm.observe.story.lanes import (
    DOWN,
    NOT_READINESS,
    ON,
    READYING,
    Cause,
    Down,
    Failure,
    Lane,
    Mark,
    Operation,
    Segment,
    milestone_label,
    outcome_ref,
)
from chaosvm.observe.timeline import ActivityRun, Change, Kind, Limit, Machine, Phase, Timeline

__all__ = ["lanes_of", "undo_activity"]

_CLOSE = 0.05


def lanes_of(timeline: Timeline) -> list[Lane]:
    """A lane for each VM, in the order of the timeline."""
    start = timeline.run.started
    span = _seconds(timeline.run.ended, start)
    by_vm: dict[str, list[Change]] = {machine.ref: [] for machine in timeline.vms}
    for change in sorted(timeline.changes, key=lambda each: each.at):
        by_vm.setdefault(change.vm, []).append(change)
    limits = {limit.vm_name: limit for limit in timeline.limits}
    operations = _operations(timeline)
    # Of a run that was killed, an action may have no outcome.
    acted_on = {ref for each in timeline.activities if each.type == "action" for ref in each.vms}
    return [
        _lane(
            machine,
            by_vm[machine.ref],
            operations.get(machine.ref, []),
            limits.get(machine.name),
            start,
            span,
            timeline.run.killed and not _recovered(timeline, operations.get(machine.ref, [])),
            machine.ref in acted_on,
        )
        for machine in timeline.vms
    ]


def _recovered(timeline: Timeline, operations: Sequence[Operation]) -> bool:
    """True if a recovery after the killed run recorded the state of the VM."""
    killed_at = timeline.run.killed_at
    return killed_at is not None and any(each.activity.began >= killed_at for each in operations)


def _operations(timeline: Timeline) -> dict[str, list[Operation]]:
    start = timeline.run.started
    refs = {(each.platform, each.id): each.ref for each in timeline.vms}
    found: dict[str, list[Operation]] = {}
    undo = timeline.undo
    runs = list(timeline.activities)
    if undo and undo.began and not any(each.phase is Phase.UNDO for each in runs):
        runs.append(undo_activity(timeline))
    for activity in runs:
        longest = max((float(each.get("seconds") or 0) for each in activity.outcomes), default=0.0)
        ended = activity.ended or timeline.run.ended
        # An activity reads the inventory first: the operations end with it.
        began = max(_seconds(activity.began, start), _seconds(ended, start) - longest)
        for outcome in activity.outcomes:
            if ref := refs.get(outcome_ref(outcome)):
                found.setdefault(ref, []).append(Operation(activity, outcome, began))
    return found


def undo_activity(timeline: Timeline) -> ActivityRun:
    """Undo, as an activity like the others."""
    undo = timeline.undo
    assert undo is not None
    refs = {(each.platform, each.id): each.ref for each in timeline.vms}
    changed = any(each.get("changed") or each.get("error") for each in undo.outcomes)
    return ActivityRun(
        name="put everything back" if changed else "nothing left to do",
        vms=tuple(filter(None, (refs.get(outcome_ref(each)) for each in undo.outcomes))),
        phase=Phase.UNDO,
        began=undo.began or timeline.run.ended,
        ended=undo.ended or timeline.run.ended,
        outcomes=undo.outcomes,
        error=undo.error,
    )


def _lane(
    machine: Machine,
    changes: Sequence[Change],
    operations: Sequence[Operation],
    limit: Limit | None,
    start: datetime,
    span: float,
    killed: bool,
    acted_on: bool,
) -> Lane:
    power = [
        (max(0.0, _seconds(each.at, start)), each) for each in changes if each.kind is Kind.POWER
    ]
    states = _states(power, span)
    marks, downs, ready = _recoveries(states, changes, operations, limit, start, span)
    hosts = [each.value for each in changes if each.kind is Kind.HOST]
    return Lane(
        machine=machine,
        segments=_segments(states, ready),
        marks=marks,
        causes=[
            *(Cause(at, each.cause) for at, each in power if each.cause),
            *(Cause(each.ended, _reboot_text(each)) for each in operations if _rebooted(each)),
        ],
        downs=downs,
        failures=[
            Failure(each.ended, str(each.outcome["error"]), each.activity, each.outcome)
            for each in operations
            if each.outcome.get("error")
        ],
        operations=operations,
        others=[(at, each) for at, each in power[1:] if not _explained(at, each, operations)],
        reboots=[each.ended for each in operations if _rebooted(each)],
        hosts=list(dict.fromkeys([*filter(None, [machine.host]), *hosts])),
        limit=limit,
        killed=killed,
        touched=acted_on or bool(operations) or len(power) > 1,
    )


def _rebooted(operation: Operation) -> bool:
    outcome = operation.outcome
    return outcome.get("operation") == "reboot" and bool(outcome.get("changed"))


def _reboot_text(operation: Operation) -> str:
    """Its power state is the same before and after, so only this shows it."""
    how = "reset" if operation.outcome.get("how") == "hard" else "rebooted"
    verified = operation.outcome.get("verified")
    return f"{how}, {verified}" if verified else how


def _explained(at: float, change: Change, operations: Sequence[Operation]) -> bool:
    """True if an operation of the run was in progress, or had just ended in this state."""
    return any(
        each.began - 1
        <= at
        <= each.ended + (10 if each.outcome.get("after") == change.value else 1)
        for each in operations
    )


def _states(power: Sequence[tuple[float, Change]], span: float) -> list[Segment]:
    """The power states; the first reading stands for the time before it, too."""
    states: list[Segment] = []
    for number, (at, change) in enumerate(power):
        end = power[number + 1][0] if number + 1 < len(power) else span
        begin = 0.0 if number == 0 else at
        if states and states[-1].state == change.value:
            states[-1] = Segment(states[-1].begin, end, change.value)
        else:
            states.append(Segment(begin, end, change.value))
    return [each for each in states if each.end >= each.begin]


def _recoveries(
    states: Sequence[Segment],
    changes: Sequence[Change],
    operations: Sequence[Operation],
    limit: Limit | None,
    start: datetime,
    span: float,
) -> tuple[list[Mark], list[Down], dict[float, float]]:
    """All milestones, the times down, and until when the VM was readying after each start."""
    marks: list[Mark] = []
    downs: list[Down] = []
    ready: dict[float, float] = {}
    down_since: float | None = None
    for number, segment in enumerate(states):
        if segment.state in DOWN and number and down_since is None:
            down_since = segment.begin
        if segment.state != ON or down_since is None:
            continue
        waited, seen = _milestones(segment, changes, operations, start)
        reached = waited or seen
        marks += [Mark(segment.begin, "on"), *reached] if reached else []
        ready[segment.begin] = max([segment.begin, *(mark.at for mark in reached)])
        if not reached and _awaits_tools(changes):
            ready[segment.begin] = segment.end
        end, name = _end_of_recovery(down_since, segment, waited, reached, limit)
        downs.append(Down(down_since, segment.begin, end, name))
        down_since = None
    if down_since is not None:
        downs.append(Down(down_since, None, None))
    return marks, downs, ready


def _awaits_tools(changes: Sequence[Change]) -> bool:
    """True if its tools ran before: on, they are expected to run again."""
    tools = [each.value for each in changes if each.kind is Kind.TOOLS]
    return "running" in tools[:-1] and tools[-1] != "running"


def _end_of_recovery(
    down_since: float,
    segment: Segment,
    waited: Sequence[Mark],
    reached: Sequence[Mark],
    limit: Limit | None,
) -> tuple[float | None, str]:
    """When the last milestone was reached that was waited for; None if that is not known."""
    if limit is not None and limit.measured is not None:
        return down_since + limit.measured, milestone_label(limit.milestone)
    if limit is not None and limit.milestone not in ("power", "on"):
        label = milestone_label(limit.milestone)
        return next((mark.at for mark in reached if mark.label == label), None), label
    if waited:
        return waited[-1].at, waited[-1].label
    return segment.begin, "power"


def _milestones(
    segment: Segment,
    changes: Sequence[Change],
    operations: Sequence[Operation],
    start: datetime,
) -> tuple[list[Mark], list[Mark]]:
    """The milestones that an action waited for, and those that were recorded."""
    waited = [
        Mark(each.began + float(seconds), milestone_label(name))
        for each in operations
        for name, seconds in (each.outcome.get("milestones") or {}).items()
        if seconds is not None and name not in NOT_READINESS
    ]
    seen = [
        Mark(_seconds(each.at, start), milestone_label(each.kind.value))
        for each in changes
        if (each.kind is Kind.TOOLS and each.value == "running")
        or (each.kind is Kind.ADDRESS and each.value)
    ]
    seen += [
        Mark(_seconds(each.at, start), milestone_label(each.value.removeprefix("ready: ")))
        for each in changes
        if each.kind is Kind.STATUS and each.value.startswith("ready: ")
    ]
    within = [
        sorted(
            (m for m in marks if segment.begin - _CLOSE <= m.at <= segment.end + _CLOSE),
            key=lambda mark: mark.at,
        )
        for marks in (waited, seen)
    ]
    return _first_of_each(within[0]), _first_of_each(within[1])


def _first_of_each(marks: Sequence[Mark]) -> list[Mark]:
    first: dict[str, Mark] = {}
    for mark in marks:
        first.setdefault(mark.label, mark)
    return list(first.values())


def _segments(states: Sequence[Segment], ready: Mapping[float, float]) -> list[Segment]:
    """With the part of each start in which the VM was not ready."""
    segments: list[Segment] = []
    for segment in states:
        until = min(ready.get(segment.begin, segment.begin), segment.end)
        if until > segment.begin and segment.state == ON:
            segments.append(Segment(segment.begin, until, READYING))
            segment = Segment(until, segment.end, ON)
        if segment.end > segment.begin or not segments or segment is states[-1]:
            segments.append(segment)
    return segments


def _seconds(time: datetime, start: datetime) -> float:
    return (time - start).total_seconds()
