"""The control that stops an experiment after an action that failed."""

from __future__ import annotations

from typing import Any

import pytest
from chaoslib.exceptions import InterruptExecution

from chaosvm.controls import halt


@pytest.fixture(autouse=True)
def new_run() -> None:
    halt.before_experiment_control({})


def activity(kind: str = "action", module: str = "chaosvm.dora.actions") -> dict[str, Any]:
    provider = {"type": "python", "module": module, "func": "power_off"}
    return {"name": "lose-web-01", "type": kind, "provider": provider}


FAILED = {"status": "failed"}


def test_an_action_that_failed_stops_the_experiment() -> None:
    with pytest.raises(InterruptExecution, match="'lose-web-01' failed"):
        halt.after_activity_control(activity(), FAILED)


@pytest.mark.parametrize(
    ("context", "state"),
    [
        (activity(), {"status": "succeeded"}),
        (activity("probe", "chaosvm.dora.probes"), FAILED),
        (activity(module="chaosk8s.pod.actions"), FAILED),
        ({"name": "x", "type": "action", "provider": {"type": "process"}}, FAILED),
        ({"ref": "x"}, None),
    ],
)
def test_nothing_else_stops_the_experiment(context: dict[str, Any], state: Any) -> None:
    halt.after_activity_control(context, state)


def test_a_failure_does_not_stop_the_rollbacks() -> None:
    halt.before_rollback_control({})
    halt.after_activity_control(activity(), FAILED)
    halt.after_rollback_control({})
    with pytest.raises(InterruptExecution):
        halt.after_activity_control(activity(), FAILED)


@pytest.mark.parametrize(
    ("before", "status"),
    [
        ({"steady_state_met": False}, "failed"),
        ({"steady_state_met": True}, "completed"),
        ({"steady_state_met": None}, "completed"),  # no hypothesis
        (None, "completed"),  # its strategy is after-method-only
    ],
)
def test_a_run_that_did_not_begin_is_no_success(before: Any, status: str) -> None:
    journal = {"status": "completed", "steady_states": {"before": before}}
    halt.after_experiment_control({}, journal)
    assert journal["status"] == status
