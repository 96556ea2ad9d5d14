"""Merges what was observed of VMs with the server's own events, and says what caused a change."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chaosvm.backend import EventKind, ServerEvent
from chaosvm.observe.timeline.model import ActivityRun, Change, Kind, Phase
from chaosvm.vm import PowerState

__all__ = [
    "all_recorded",
    "change_of_event",
    "merged",
    "with_causes",
    "with_outcomes",
    "with_restarts",
    "with_unknown",
]

_STATES = {
    EventKind.POWERED_ON: PowerState.POWERED_ON,
    EventKind.RESUMED: PowerState.POWERED_ON,
    EventKind.POWERED_OFF: PowerState.POWERED_OFF,
    EventKind.FAILED: PowerState.POWERED_OFF,
    EventKind.SUSPENDED: PowerState.SUSPENDED,
    EventKind.PAUSED: PowerState.PAUSED,
}
_TOOLS = {EventKind.TOOLS_RUNNING: "running", EventKind.TOOLS_STOPPED: "not_running"}
# Between an event and when its state is seen, or the other way round.
_APART = timedelta(seconds=10)
# These take a VM down and up again.
_PASS_OTHER_STATES = ("reboot", "outage")
_UNKNOWN = PowerState.UNKNOWN.value
_BEFORE, _AFTER = timedelta(seconds=1), timedelta(seconds=2)


def change_of_event(event: ServerEvent, vm: str, at: datetime, recorder: str) -> Change | None:
    """The change that an event records; None if it is about something else."""
    source = f"{recorder}, event {event.type}"
    if state := _STATES.get(event.kind):
        cause = "failed" if event.kind is EventKind.FAILED else None
        return Change(at=at, vm=vm, kind=Kind.POWER, value=state.value, cause=cause, source=source)
    if tools := _TOOLS.get(event.kind):
        return Change(at=at, vm=vm, kind=Kind.TOOLS, value=tools, source=source)
    if event.kind is EventKind.MIGRATED and event.host:
        return Change(at=at, vm=vm, kind=Kind.HOST, value=event.host, source=source)
    return None


def with_restarts(
    changes: Sequence[Change], restarts: Sequence[tuple[str, datetime, str]]
) -> list[Change]:
    """Add what high availability restarted: a VM, when, and the words for it.

    Its event may come before or after the VM is on.
    """
    result = list(changes)
    for vm, at, cause in restarts:
        found = next((n for n, each in enumerate(result) if _is_restart(each, vm, at)), None)
        if found is not None:
            result[found] = replace(result[found], cause=cause)
    return result


def _is_restart(change: Change, vm: str, at: datetime) -> bool:
    is_start = change.kind is Kind.POWER and change.value == PowerState.POWERED_ON.value
    return change.vm == vm and is_start and change.cause is None and change.at >= at - _APART


def merged(observed: Sequence[Change], events: Sequence[Change]) -> list[Change]:
    """What was observed, at the times of the server's events, and the events not observed."""
    result: list[Change] = []
    keys = dict.fromkeys((each.vm, each.kind) for each in (*observed, *events))
    for key in keys:
        seen = [each for each in observed if (each.vm, each.kind) == key]
        recorded = [each for each in events if (each.vm, each.kind) == key]
        result += _merged_one(seen, sorted(recorded, key=lambda each: each.at))
    return sorted(result, key=lambda each: each.at)


def all_recorded(observed: Sequence[Change], events: Sequence[Change]) -> bool:
    """True if the server has an event for the last state of each VM that changed."""
    last: dict[str, list[Change]] = {}
    for change in observed:
        if change.kind is Kind.POWER:
            last.setdefault(change.vm, []).append(change)
    return all(
        any(each.vm == vm and _same(each, changes[-1]) for each in events)
        for vm, changes in last.items()
        if len(changes) > 1 and PowerState(changes[-1].value).settled
    )


@dataclass
class _Item:
    change: Change
    at: datetime


def _merged_one(observed: Sequence[Change], events: Sequence[Change]) -> list[Change]:
    """The observations keep their order; each takes the time of the next event of its value.

    An event may be late: if its value was seen earlier, that is the time.
    """
    first = observed[0].at if observed else None
    early = [each for each in events if first is not None and each.at < first]
    items = [_Item(each, each.at) for each in _with_reading(early)]
    left = list(events[len(early) :])
    for number, change in enumerate(observed):
        match = next((n for n, each in enumerate(left) if _same(each, change)), None)
        if match is None or number == 0:
            items.append(_Item(change, change.at))
            continue
        items += [_Item(each, each.at) for each in left[:match]]
        event = left[match]
        left = left[match + 1 :]
        # What was seen before the event was there by then.
        at = min(event.at, change.at)
        items.append(_Item(replace(event, cause=event.cause or change.cause), at))
    items += [_Item(each, each.at) for each in left]
    return _in_order(items)


def _with_reading(events: Sequence[Change]) -> list[Change]:
    """A VM that was powered off was on before."""
    if not events or events[0].kind is not Kind.POWER:
        return list(events)
    was_on = events[0].value != PowerState.POWERED_ON.value
    before = PowerState.POWERED_ON if was_on else PowerState.POWERED_OFF
    return [replace(events[0], value=before.value, cause=None), *events]


def _same(event: Change, change: Change) -> bool:
    return event.value == change.value and abs(event.at - change.at) <= _APART


def _in_order(items: Sequence[_Item]) -> list[Change]:
    """Each no later than the next; those that last for no time or change nothing are left out."""
    latest = None
    for item in reversed(items):
        item.at = item.at if latest is None else min(item.at, latest)
        latest = item.at
    result: list[Change] = []
    for item in items:
        change = replace(item.change, at=item.at)
        if result and len(result) > 1 and result[-1].at == change.at:
            result.pop()
        if not result or result[-1].value != change.value:
            result.append(change)
    return result


def with_unknown(
    changes: Sequence[Change], blind: Sequence[tuple[datetime, datetime]]
) -> list[Change]:
    """Power states are unknown while the server could not be read."""
    result = list(changes)
    for vm in dict.fromkeys(each.vm for each in changes if each.kind is Kind.POWER):
        power = [each for each in changes if each.vm == vm and each.kind is Kind.POWER]
        for begin, end in blind:
            before = [each for each in power if each.at <= begin]
            after = [each for each in power if each.at <= end]
            if not before:
                continue
            unknown = PowerState.UNKNOWN.value
            result.append(Change(at=begin, vm=vm, kind=Kind.POWER, value=unknown))
            if after[-1] is before[-1]:
                result.append(replace(before[-1], at=end, cause=None, source=None))
    return sorted(result, key=lambda each: each.at)


# Causes --------------------------------------------------------------------------------------


def with_causes(
    changes: Iterable[Change],
    activities: Sequence[ActivityRun],
    refs: Mapping[tuple[str, str], str],
) -> list[Change]:
    """Name the operation of the run that caused a change of power, if there is one."""
    caused = [(refs.get(_key(o)), each, o) for each in activities for o in each.outcomes]
    seen: set[str] = set()
    result = []
    for change in changes:
        first = change.vm not in seen
        if change.kind is Kind.POWER:
            seen.add(change.vm)
        if change.kind is Kind.POWER and not first and change.cause is None:
            causes = (
                _cause(activity, outcome, change.value)
                for ref, activity, outcome in reversed(caused)
                if ref == change.vm and _covers(activity, change.at)
            )
            change = replace(change, cause=next(filter(None, causes), None))
        result.append(change)
    return result


def _key(outcome: Mapping[str, Any]) -> tuple[str, str]:
    return str(outcome.get("platform")), str(outcome.get("id"))


def _covers(activity: ActivityRun, at: datetime) -> bool:
    ended = activity.ended or at
    return activity.began - _BEFORE <= at <= ended + _AFTER


def _cause(activity: ActivityRun, outcome: Mapping[str, Any], value: str) -> str | None:
    if not outcome.get("changed") and not outcome.get("error"):
        return None
    passes = outcome.get("operation") in _PASS_OTHER_STATES or outcome.get("after") == "unknown"
    if outcome.get("after") != value and not passes:
        return None
    if value == PowerState.POWERED_ON.value:
        if outcome.get("operation") == "reboot":
            return None
        by = {Phase.ROLLBACK: " by the rollback", Phase.UNDO: " by undo"}.get(activity.phase, "")
        return f"powered on{by}"
    if value == PowerState.POWERED_OFF.value:
        words = {
            "guest": "guest shutdown",
            "hard": "powered off hard",
            "fallback_hard": "ignored the shutdown: powered off hard",
            "engine_converted": "powered off hard by the engine",
        }
        return words.get(str(outcome.get("how")))
    return "suspended" if value == PowerState.SUSPENDED.value else None


def with_outcomes(
    changes: Sequence[Change],
    activities: Sequence[ActivityRun],
    refs: Mapping[tuple[str, str], str],
    ended: datetime,
) -> list[Change]:
    """Add what only an outcome shows: that a VM was in a state that was not recorded otherwise."""
    by_vm: dict[str, list[Change]] = {}
    for change in changes:
        if change.kind is Kind.POWER:
            by_vm.setdefault(change.vm, []).append(change)
    missing = [
        change
        for change in _from_outcomes(activities, refs, ended, by_vm)
        if not _is_known(change, by_vm.get(change.vm, ()))
    ]
    return sorted([*changes, *missing], key=lambda each: each.at)


def _is_known(change: Change, changes: Sequence[Change]) -> bool:
    """True if this state was recorded at that time, or shortly before or after it."""
    before = [each for each in changes if each.at <= change.at]
    return bool(before and before[-1].value == change.value) or any(
        _same(each, change) for each in changes
    )


def _from_outcomes(
    activities: Sequence[ActivityRun],
    refs: Mapping[tuple[str, str], str],
    ended: datetime,
    recorded: Container[str],
) -> list[Change]:
    """The states of VMs that the outcomes of a run show."""
    changes: list[Change] = []
    known: dict[str, str] = {}
    source = "the outcome of this run"
    for activity in sorted(activities, key=lambda each: each.began):
        longest = max((float(o.get("seconds") or 0) for o in activity.outcomes), default=0.0)
        begun = max(activity.began, (activity.ended or ended) - timedelta(seconds=longest))
        for outcome in activity.outcomes:
            vm = refs[_key(outcome)]
            ends = str(outcome.get("before")), str(outcome.get("after"))
            before = (activity.began, ends[0])
            for time, value in (before, *_states_in_outcome(outcome, begun, vm in recorded)):
                # An outcome with an unknown state takes back nothing.
                is_new = value != _UNKNOWN or vm not in known or value not in ends
                if known.get(vm) != value and is_new:
                    changes.append(
                        Change(at=time, vm=vm, kind=Kind.POWER, value=value, source=source)
                    )
                    known[vm] = value
    return sorted(changes, key=lambda each: each.at)


def _states_in_outcome(
    outcome: Mapping[str, Any], begun: datetime, recorded: bool
) -> list[tuple[datetime, str]]:
    """The milestones of an outage show when the VM was down, and when it was back.

    Where neither they nor a recording show it, its state in between is unknown.
    """
    end = begun + timedelta(seconds=float(outcome.get("seconds") or 0))
    after = str(outcome.get("after"))
    milestones = outcome.get("milestones") or {}
    down, back = milestones.get("down"), milestones.get("back")
    if outcome.get("operation") != "outage" or not outcome.get("changed"):
        return [(end, after)]
    if down is None or (back is not None and back <= down):
        return [(end, after)] if recorded else [(begun, _UNKNOWN), (end, after)]
    off = (begun + timedelta(seconds=float(down)), PowerState.POWERED_OFF.value)
    return [off, (end if back is None else begun + timedelta(seconds=float(back)), after)]
