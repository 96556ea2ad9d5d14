"""What all controls have in common: their mistakes and errors are reported."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from chaoslib.exceptions import InterruptExecution, InvalidControl
from chaoslib.types import Dry

from chaosvm.controls import dry_run, halt
from chaosvm.controls.declaration import log_errors, required, validate

ACTION = {"type": "python", "module": "chaosvm.vsphere.actions", "func": "power_off"}
FAILED = {"status": "failed"}


def activity(name: str = "lose", **provider: Any) -> dict[str, Any]:
    return {"name": name, "type": "action", "provider": {**ACTION, **provider}}


def test_an_error_is_logged(logs: pytest.LogCaptureFixture) -> None:
    """Chaos Toolkit logs it at DEBUG only."""
    context = activity(secrets=["no-such-group"])
    with pytest.raises(AttributeError):
        dry_run.before_activity_control(context, {"dry": Dry.ACTIONS}, {}, secrets="none")
    (record,) = [each for each in logs.records if each.levelname == "ERROR"]
    assert "chaosvm.controls.dry_run: before_activity_control failed" in record.getMessage()


def test_an_interruption_is_not_logged() -> None:
    @log_errors
    def stop() -> None:
        raise InterruptExecution("stop")

    with pytest.raises(InterruptExecution, match=r"^stop$"):
        stop()


def test_an_error_in_a_required_control_stops_the_run() -> None:
    @required
    def broken() -> None:
        raise KeyError("no such thing")

    with pytest.raises(InterruptExecution, match="broken failed: KeyError"):
        broken()


@pytest.mark.parametrize(
    ("provider", "complaint"),
    [
        ({"arguments": None}, "an empty 'arguments'"),
        ({"arguments": ["when"]}, "expected a mapping such as"),
        ({"arguments": {"context": 1}}, "an argument 'context'"),
        ({"arguments": {1: 2}}, "expected strings as names"),
        ({"arguments": {"wen": "at_once"}}, "did you mean 'when'"),
    ],
)
def test_declarations_that_chaos_toolkit_could_not_call(
    provider: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidControl, match=complaint):
        halt.validate_control({"name": "halt", "provider": provider})


def test_a_variable_has_its_value_only_in_the_run() -> None:
    halt.validate_control({"name": "halt", "provider": {"arguments": {"when": "${when}"}}})


def test_declared_as_it_should_be() -> None:
    validate({"name": "undo", "provider": {"type": "python"}}, {}, whole=True)


@pytest.fixture
def halting() -> None:
    halt.before_experiment_control({})


def in_the_background(context: dict[str, Any]) -> None:
    thread = threading.Thread(target=halt.after_activity_control, args=(context, FAILED))
    thread.start()
    thread.join()


@pytest.mark.usefixtures("halting")
def test_what_failed_in_the_background_stops_the_run_before_the_next_activity() -> None:
    in_the_background(activity("lost"))
    with pytest.raises(InterruptExecution, match="'lost' failed"):
        halt.before_activity_control(activity())


@pytest.mark.usefixtures("halting")
def test_what_failed_in_the_background_stops_the_run_after_the_method() -> None:
    in_the_background(activity("lost"))
    in_the_background(activity("gone"))
    with pytest.raises(InterruptExecution, match="these failed: 'lost', 'gone'"):
        halt.after_method_control({})


@pytest.mark.usefixtures("halting")
def test_what_failed_in_the_background_does_not_stop_the_rollbacks() -> None:
    in_the_background(activity("lost"))
    halt.before_rollback_control({})
    halt.before_activity_control(activity())


@pytest.mark.usefixtures("halting")
def test_a_failed_rollback_fails_the_run() -> None:
    halt.before_rollback_control({})
    halt.after_activity_control(activity(), FAILED)
    halt.after_rollback_control({})
    journal = {"status": "completed"}
    halt.after_experiment_control({}, journal)
    assert journal == {"status": "failed"}
