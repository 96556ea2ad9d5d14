"""What Chaos Toolkit's journal tells of a run, in the words of the report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chaosvm.observe.timeline import Mode, Phase, build_timeline
from chaosvm.observe.timeline.journal import (
    read_activities,
    read_limits,
    read_probes,
    read_run,
    read_undo,
    stopped_by_guard,
)

NOW = datetime(2031, 1, 1, tzinfo=UTC)
HTTP = {"type": "http", "url": "http://shop.example.com/"}
PYTHON = {"type": "python", "module": "m", "func": "count_vms", "arguments": {}}
RECOVERY = {**PYTHON, "func": "recovery_seconds", "arguments": {"vm_name": "${vm}"}}
OUTCOME = {
    "name": "web-01",
    "id": "vm-1",
    "platform": "vsphere",
    "operation": "power_off",
    "before": "powered_on",
    "after": "powered_off",
    "changed": True,
    "how": "guest",
    "seconds": 2.0,
}


def entry(activity: dict[str, Any], second: int, output: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "activity": activity,
        "output": output,
        "start": f"2031-01-01T00:00:{second:02d}",
        "end": f"2031-01-01T00:00:{second + 1:02d}",
        "status": "succeeded",
        **more,
    }


def journal(probe: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    experiment: dict[str, Any] = {"title": "T", "method": [], "rollbacks": []}
    if probe is not None:
        experiment["steady-state-hypothesis"] = {"title": "H", "probes": [probe]}
    return {
        "experiment": {**experiment, **more.pop("experiment", {})},
        "start": "2031-01-01T00:00:00+00:00",
        "end": "2031-01-01T00:00:50+00:00",
        "status": "completed",
        **more,
    }


@pytest.mark.parametrize(
    ("provider", "tolerance", "expected"),
    [
        (HTTP, 200, "HTTP 200"),
        (PYTHON, True, "true"),
        (PYTHON, 3, "3"),
        (PYTHON, [2, 3], "2 to 3"),
        (PYTHON, {"type": "range", "range": [2, 1000000]}, "at least 2"),
        (RECOVERY, {"type": "range", "range": [0, 60]}, "60 s at most"),
        (PYTHON, {"type": "regex", "pattern": "ok.*"}, "matches ok.*"),
        (PYTHON, {"type": "probe", "name": "judge"}, "as judge judges"),
        (PYTHON, ["a", "b"], "a or b"),
    ],
)
def test_what_was_expected(provider: dict[str, Any], tolerance: Any, expected: str) -> None:
    (probe,) = read_probes(journal({"name": "p", "tolerance": tolerance, "provider": provider}))
    assert probe.expected == expected


@pytest.mark.parametrize(
    ("provider", "output", "value"),
    [
        (HTTP, {"status": 503, "body": "secret"}, "503"),
        (PYTHON, False, "false"),
        (PYTHON, 4, "4"),
        (RECOVERY, 38.04, "38.0 s"),
        (PYTHON, "x" * 100, "x" * 59 + "…"),
        (PYTHON, {"a": 1}, '{"a": 1}'),
    ],
)
def test_what_was_seen(provider: dict[str, Any], output: Any, value: str) -> None:
    probe = {"name": "p", "tolerance": 1, "provider": provider}
    states = {
        "before": {"probes": [entry(probe, 1, output, tolerance_met=True)]},
        "during": [{"probes": [entry(probe, 3, output, tolerance_met=False)]}],
        "after": {"probes": [entry(probe, 5, None, status="failed", exception=["t", "E: x\n"])]},
    }
    (found,) = read_probes(journal(probe, steady_states=states))
    assert [each.phase for each in found.checks] == [Phase.BEFORE, Phase.DURING, Phase.AFTER]
    assert [each.met for each in found.checks] == [True, False, False]
    assert [each.value for each in found.checks] == [value, value, None]
    assert found.checks[2].error == "E: x"


def test_the_limit_of_a_recovery_and_what_it_took() -> None:
    probe = {
        "name": "back",
        "tolerance": {"type": "range", "range": [0, 60]},
        "provider": {
            **RECOVERY,
            "arguments": {"vm_name": "${vm}", "milestone": "http:80/?token=hush"},
        },
    }
    states = {
        "before": {"probes": [entry(probe, 1, 0, tolerance_met=True)]},
        "after": {"probes": [entry(probe, 5, 38.0, tolerance_met=True)]},
    }
    (limit,) = read_limits(journal(probe, steady_states=states), {"vm": "web-03"})
    assert (limit.vm_name, limit.seconds, limit.milestone) == ("web-03", 60.0, "http:80/?***")
    assert limit.measured == 38.0


def test_activities_with_their_outcomes() -> None:
    batch = {"outcomes": [OUTCOME], "changed": 1, "failed": 0}
    action = {"type": "action", "name": "a", "background": True}
    rollback = {"type": "action", "name": "b"}
    failed = entry(
        rollback,
        4,
        None,
        status="failed",
        exception=["...", "chaoslib.exceptions.ActivityFailed: chaosvm.errors.NoSuchVM: none\n"],
    )
    found = read_activities(journal(run=[entry(action, 2, batch)], rollbacks=[failed]))
    assert [(each.name, each.phase, each.background) for each in found] == [
        ("a", Phase.METHOD, True),
        ("b", Phase.ROLLBACK, False),
    ]
    assert found[0].outcomes == (OUTCOME,)
    assert found[1].error == "none"


@pytest.mark.parametrize(
    ("dry", "mode"),
    [(None, Mode.REAL), ("rehearsal", Mode.REHEARSAL), ("actions", Mode.DRY_RUN)],
)
def test_the_mode(dry: str | None, mode: Mode) -> None:
    assert read_run(journal(experiment={"dry": dry}), NOW).mode is mode


def test_an_interruption() -> None:
    told = journal(status="interrupted", interruption={"kind": "signal", "name": "SIGTERM"})
    interruption = read_run(told, NOW).interruption
    assert interruption is not None
    assert interruption.by == "SIGTERM"


def test_a_control_that_stops_a_run_gives_its_reason() -> None:
    by = {"kind": "control", "name": "chaosvm.controls.halt", "reason": "the action 'x' failed"}
    interruption = read_run(journal(status="interrupted", interruption=by), NOW).interruption
    assert interruption is not None
    assert interruption.by == "the action 'x' failed"


REFUSED = (
    "failed to connect to http://shop.example.com/: HTTPConnectionPool(host='shop.example.com', "
    'port=80): Max retries exceeded with url: / (Caused by NewConnectionError("HTTPConnection('
    "host='shop.example.com', port=80): Failed to establish a new connection: {}\"))"
)


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (REFUSED.format("[Errno 111] Connection refused"), "Connection refused"),
        (REFUSED.format("[Errno -2] Name or service not known"), "Name or service not known"),
        (REFUSED.format("Connection to shop.example.com timed out."), "no answer in time"),
        ("activity took too long to complete", "no answer in time"),
        (
            "failed to connect to x: ('Connection aborted.', RemoteDisconnected())",
            "connection broken",
        ),
        ("something else", "something else"),
    ],
)
def test_why_a_probe_of_a_service_failed_is_short(error: str, short: str) -> None:
    probe = {"type": "probe", "name": "shop", "tolerance": 200, "provider": HTTP}
    raised = [f"chaoslib.exceptions.ActivityFailed: {error}\n"]
    failed = {"probes": [entry(probe, 2, status="failed", exception=raised)]}
    (read,) = read_probes(journal(probe, steady_states={"after": failed}))
    assert [check.error for check in read.checks] == [short]


def test_undo() -> None:
    assert read_undo(journal()) is None
    provider = {"type": "python", "module": "chaosvm.controls.undo"}
    declared = {"controls": [{"name": "undo", "provider": provider}]}
    nothing = read_undo(journal(experiment=declared))
    assert nothing is not None
    assert nothing.began is None
    result = {"outcomes": [OUTCOME], "started": "2031-01-01T00:00:51+00:00"}
    undone = read_undo(journal(experiment=declared, chaosvm_undo=result))
    assert undone is not None
    assert undone.outcomes == (OUTCOME,)
    assert undone.began is not None


def test_a_guard() -> None:
    error = (
        "chaosvm.errors.GuardStopped: power_off of 'web-01' (vm-1) is stopped by a guard, and "
        "nothing was touched: chaosvm_max_vms is 1 for this run. To go on, raise it\n"
    )
    action = {"type": "action", "name": "lose-web-01"}
    stopped = entry(action, 2, status="failed", exception=[error])
    assert (
        stopped_by_guard(journal(run=[stopped])) == "lose-web-01: chaosvm_max_vms is 1 for this run"
    )
    assert stopped_by_guard(journal(run=[entry(action, 2)])) is None


def test_without_a_recording_the_outcomes_tell_the_changes() -> None:
    action = {"type": "action", "name": "a"}
    timeline = build_timeline(journal(run=[entry(action, 2, OUTCOME)]))
    assert [(each.at.second, each.value) for each in timeline.changes] == [
        (2, "powered_on"),
        (4, "powered_off"),
    ]
    assert timeline.changes[1].cause == "guest shutdown"
    assert timeline.activities[0].vms == (timeline.vms[0].ref,)


def test_an_outage_tells_when_the_vm_was_down_and_back() -> None:
    action = {"type": "action", "name": "a"}
    times = {"operation": "outage", "after": "powered_on", "milestones": {"down": 0.5, "back": 2.0}}
    timeline = build_timeline(journal(run=[entry(action, 2, {**OUTCOME, **times})]))
    assert [(each.at.microsecond, each.value, each.cause) for each in timeline.changes] == [
        (0, "powered_on", None),
        (500_000, "powered_off", "guest shutdown"),
        (0, "powered_on", "powered on"),
    ]


@pytest.mark.parametrize("times", [{}, {"down": 3.0, "back": 2.0}])
def test_an_outage_without_usable_times_is_unknown(times: dict[str, float]) -> None:
    outage = {**OUTCOME, "operation": "outage", "after": "powered_on", "milestones": times}
    timeline = build_timeline(journal(run=[entry({"type": "action", "name": "a"}, 2, outage)]))
    values = [each.value for each in timeline.changes]
    assert values[-2:] == ["unknown", "powered_on"]
