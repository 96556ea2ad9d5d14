"""Observations and the server's events become one record of changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chaosvm.observe.timeline import ActivityRun, Change, Kind, Phase
from chaosvm.observe.timeline.changes import merged, with_causes, with_unknown

START = datetime(2031, 1, 1, tzinfo=UTC)
STATES = {
    "?": "unknown",
    "on": "powered_on",
    "off": "powered_off",
    "moving": "transitioning",
    "held": "suspended",
}
Steps = list[tuple[float, str]]


def changes(steps: Steps, source: str | None = None) -> list[Change]:
    return [
        Change(
            at=START + timedelta(seconds=at),
            vm="a",
            kind=Kind.POWER,
            value=STATES[state],
            source=source,
        )
        for at, state in steps
    ]


@pytest.mark.parametrize(
    ("observed", "events", "expected"),
    [
        # Nothing but observations.
        ([(0, "on"), (5, "off")], [], [(0, "on"), (5, "off")]),
        # The event has the exact time, unless it is late.
        ([(0, "on"), (5, "off")], [(4.2, "off")], [(0, "on"), (4.2, "off")]),
        ([(0, "on"), (5, "off")], [(5.3, "off")], [(0, "on"), (5, "off")]),
        # Too fast to be observed.
        ([(0, "on")], [(3, "off"), (3.2, "on")], [(0, "on"), (3, "off"), (3.2, "on")]),
        (
            [(0, "on"), (5, "off"), (9, "on")],
            [(2, "off"), (2.1, "on"), (4.9, "off"), (8.8, "on")],
            [(0, "on"), (2, "off"), (2.1, "on"), (4.9, "off"), (8.8, "on")],
        ),
        # What passes by itself is over when the next state begins.
        (
            [(0, "on"), (5, "off"), (9, "moving"), (10, "on")],
            [(4.9, "off"), (9.5, "on")],
            [(0, "on"), (4.9, "off"), (9, "moving"), (9.5, "on")],
        ),
        (
            [(0, "on"), (5.1, "moving"), (6, "off")],
            [(5, "off")],
            [(0, "on"), (5, "off")],
        ),
        # Of a VM that was followed late.
        ([(9, "off")], [(4, "off")], [(4, "on"), (4, "off")]),
        # An event of long ago, or of a state that never came, is no match.
        ([(0, "on"), (60, "off")], [(30, "off")], [(0, "on"), (30, "off")]),
    ],
)
def test_merged(observed: Steps, events: Steps, expected: Steps) -> None:
    result = merged(changes(observed), changes(events, "event"))
    assert [(each.at, each.value) for each in result] == [
        (each.at, each.value) for each in changes(expected)
    ]


def test_a_merged_change_names_the_event() -> None:
    (_, off) = merged(changes([(0, "on"), (5, "off")]), changes([(4, "off")], "the event"))
    assert off.source == "the event"


@pytest.mark.parametrize(
    ("how", "value", "phase", "cause"),
    [
        ("guest", "off", Phase.METHOD, "guest shutdown"),
        ("hard", "off", Phase.METHOD, "powered off hard"),
        ("fallback_hard", "off", Phase.METHOD, "ignored the shutdown: powered off hard"),
        ("hard", "on", Phase.METHOD, "powered on"),
        ("hard", "on", Phase.ROLLBACK, "powered on by the rollback"),
        ("hard", "on", Phase.UNDO, "powered on by undo"),
        ("hard", "held", Phase.METHOD, "suspended"),
    ],
)
def test_the_cause_is_the_operation_of_the_run(
    how: str, value: str, phase: Phase, cause: str
) -> None:
    outcome = {"platform": "p", "id": "1", "changed": True, "how": how, "after": STATES[value]}
    activity = ActivityRun(
        name="x",
        phase=phase,
        began=START + timedelta(seconds=4),
        ended=START + timedelta(seconds=6),
        outcomes=(outcome,),
    )
    first = "off" if value == "on" else "on"
    found = with_causes(changes([(0, first), (5, value)]), [activity], {("p", "1"): "a"})
    assert [each.cause for each in found] == [None, cause]


def test_what_others_did_has_no_cause() -> None:
    assert [each.cause for each in with_causes(changes([(0, "on"), (5, "off")]), [], {})] == [
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([(0, "on")], [(0, "on"), (4, "?"), (6, "on")]),
        ([(0, "on"), (6, "off")], [(0, "on"), (4, "?"), (6, "off")]),
        ([(5, "on")], [(5, "on")]),
    ],
)
def test_what_could_not_be_read_is_unknown(known: Steps, expected: Steps) -> None:
    blind = [(START + timedelta(seconds=4), START + timedelta(seconds=6))]
    found = with_unknown(changes(known), blind)
    assert [(each.at, each.value) for each in found] == [
        (each.at, each.value) for each in changes(expected)
    ]
