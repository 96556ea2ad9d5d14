"""The control that restores VMs at the end of a run, in whole runs within this process."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.experiment import run_experiment
from chaoslib.types import Strategy

from chaosvm.backend import PowerCommand
from chaosvm.controls import undo
from chaosvm.errors import CommandFailed
from chaosvm.ledger import ledger as ledgers
from chaosvm.runtime import experiment as experiments
from chaosvm.runtime import rehearsal
from tests.fakes import OFF, ON, FakePlatform, fails

UNDO = "chaosvm.controls.undo"
_platform = FakePlatform()


@pytest.fixture(autouse=True)
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    global _platform
    monkeypatch.chdir(tmp_path)
    _platform = FakePlatform()
    for name in ("web-1", "web-2"):
        _platform.add(name)
    return _platform


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """No signal handler outlives its run."""
    # Ignored where the tests run below nohup.
    outside = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    after = [signal.getsignal(number) for number in numbers]
    signal.signal(signal.SIGHUP, outside)
    assert after == before


# Activities of the experiments below.


def lose(name: str = "web-1") -> bool:
    return _platform.power_off(name).changed


def lose_and_interrupt() -> None:
    _platform.power_off("web-1")
    raise KeyboardInterrupt


def lose_and_break() -> None:
    _platform.power_off("web-1")

    def breaks(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("can't start new thread")

    _platform.inventory = breaks  # type: ignore[method-assign]


def hang_up() -> None:
    _platform.power_off("web-1")
    os.kill(os.getpid(), signal.SIGHUP)


def is_well(answer: bool = True) -> bool:
    return answer


def end_the_run() -> None:
    run = experiments.current_run()
    assert run is not None
    ledgers.block_run(run, "it is over")


def activity(func: str, kind: str = "action", **arguments: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": __name__, "func": func, "arguments": arguments}
    return {"type": kind, "name": func, "provider": provider}


def run(
    *method: dict[str, Any],
    hypothesis: bool | None = None,
    rollbacks: list[dict[str, Any]] | None = None,
    settings: Any = None,
    strategy: Strategy = Strategy.DEFAULT,
    **arguments: Any,
) -> dict[str, Any]:
    provider = {"type": "python", "module": UNDO, "arguments": arguments}
    made: dict[str, Any] = {
        "title": "Do we survive?",
        "description": "n/a",
        "controls": [{"name": "undo", "provider": provider}],
        "method": list(method),
        "rollbacks": rollbacks or [],
    }
    if hypothesis is not None:
        probe = activity("is_well", "probe", answer=hypothesis) | {"tolerance": True}
        made["steady-state-hypothesis"] = {"title": "Well", "probes": [probe]}
    journal: dict[str, Any] = run_experiment(made, settings=settings, strategy=strategy)
    return journal


def states() -> list[str]:
    return [machine.state.value for machine in _platform.machines.values()]


def test_at_an_ordinary_end() -> None:
    journal = run(activity("lose"), activity("lose", name="web-2"))
    assert journal["status"] == "completed"
    assert states() == ["powered_on", "powered_on"]
    assert journal["chaosvm_undo"]["changed"] == 2
    assert [each["name"] for each in journal["chaosvm_undo"]["outcomes"]] == ["web-2", "web-1"]


def test_where_nothing_was_changed() -> None:
    assert "chaosvm_undo" not in run(activity("is_well", "probe"))
    assert _platform.sent == []


def test_after_an_interruption() -> None:
    journal = run(activity("lose_and_interrupt"))
    assert journal["status"] == "interrupted"
    assert states() == ["powered_on", "powered_on"]


def test_when_the_terminal_is_closed() -> None:
    journal = run(activity("hang_up"), activity("lose", name="web-2"))
    assert journal["status"] == "interrupted"
    assert len(journal["run"]) == 1
    assert states() == ["powered_on", "powered_on"]


def test_after_a_hypothesis_that_failed_after_the_method() -> None:
    journal = run(activity("lose"), hypothesis=False, strategy=Strategy.AFTER_METHOD)
    assert journal["deviated"] is True
    assert states() == ["powered_on", "powered_on"]


@pytest.mark.parametrize("strategy", ["always", "never", "deviated", "default"])
def test_whatever_the_rollback_strategy_is(strategy: str) -> None:
    settings = {"runtime": {"rollbacks": {"strategy": strategy}}}
    run(activity("lose"), rollbacks=[activity("lose", name="web-2")], settings=settings)
    assert states() == ["powered_on", "powered_on"]


def test_a_vm_that_does_not_come_back_fails_the_run(logs: pytest.LogCaptureFixture) -> None:
    _platform.on("web-1", PowerCommand.POWER_ON, fails(CommandFailed("no host has room")))
    journal = run(activity("lose"), timeout=20)
    assert journal["status"] == "failed"
    assert journal["chaosvm_undo"]["failed"] == 1
    assert states() == ["powered_off", "powered_on"]
    command = re.search(r"`chaos run --var ledger=(/\S+) recover.json`", logs.text)
    assert command is not None
    assert Path(command[1]).is_file()


def test_each_ledger_has_a_command_for_the_shell() -> None:
    hint = undo._recovery_hint([ledgers.Ledger(Path(name)) for name in ("/a b.jsonl", "/c.jsonl")])
    assert "`chaos run --var ledger='/a b.jsonl' recover.json` and " in hint
    assert "`chaos run --var ledger=/c.jsonl recover.json`, with `--var-file .env`" in hint


def test_the_ledger_of_a_rehearsal_cannot_be_recovered() -> None:
    rehearsal.begin({}, [])
    assert undo._recovery_hint([ledgers.Ledger(Path("/c.rehearsal.jsonl"))]) == ""


def test_an_unexpected_error_of_a_platform_fails_the_run(logs: pytest.LogCaptureFixture) -> None:
    journal = run(activity("lose_and_break"))
    assert journal["status"] == "failed"
    assert "RuntimeError: can't start new thread" in str(journal["chaosvm_undo"])
    assert "not everything is restored" in logs.text


def test_an_unexpected_error_of_the_control_fails_the_run(
    monkeypatch: pytest.MonkeyPatch, logs: pytest.LogCaptureFixture
) -> None:
    """Chaos Toolkit ignores errors of controls, and would call the run completed."""

    def no_more_threads(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(undo, "restore_from", no_more_threads)
    journal = run(activity("lose"))
    assert journal["status"] == "failed"
    (entry,) = journal["rollbacks"]
    assert entry["exception"] == ["RuntimeError: can't start new thread"]
    assert "RuntimeError: can't start new thread" in logs.text


@pytest.mark.parametrize(
    ("missing", "still"),
    [
        ("after_experiment_control", "cleanup_control"),
        ("cleanup_control", "FinalHandler"),
    ],
)
def test_where_the_ordinary_end_is_not_reached(
    monkeypatch: pytest.MonkeyPatch, missing: str, still: str
) -> None:
    """As after another signal between the end of the method and the control."""
    monkeypatch.delattr(undo, "after_experiment_control")
    if missing == "cleanup_control":
        monkeypatch.delattr(undo, "cleanup_control")
    run(activity("lose"))
    assert states() == ["powered_on", "powered_on"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"timeout": "soon"}, "timeout is 'soon'"),
        ({"parallel": 0}, "parallel is 0"),
        ({"timout": 5}, "unknown arguments timout"),
    ],
)
def test_invalid_arguments_stop_the_run(
    arguments: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal = run(activity("lose"), **arguments)
    assert journal["status"] == "interrupted"
    assert message in caplog.text
    assert _platform.sent == []


def test_after_the_end_nothing_else_is_sent() -> None:
    """Not even by an activity without a ledger yet, such as a slow one in the background."""
    journal = run(activity("end_the_run"), activity("lose"))
    assert [each["status"] for each in journal["run"]] == ["succeeded", "failed"]
    assert "not carried out: it is over" in str(journal["run"][1]["exception"])
    assert _platform.sent == []


def test_an_activity_that_outlives_its_run_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = experiments.RunContext("over", {"title": "over"}, {"status": "interrupted"}, None)
    ledgers.block_run(over, "it is over")
    monkeypatch.setattr(experiments, "current_run", lambda: over)
    with pytest.raises(Exception, match="not carried out: it is over"):
        _platform.power_off("web-1")
    assert _platform.sent == []


def undo_with(*sent: signal.Signals) -> None:
    with undo._deferring_signals(experiments.RunContext(None, {}, None, None)):
        for number in sent:
            os.kill(os.getpid(), number)


def test_one_signal_does_not_stop_the_undo_and_two_do() -> None:
    undo_with(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        undo_with(signal.SIGTERM, signal.SIGINT)


def test_an_undo_that_is_interrupted_names_the_ledger(
    monkeypatch: pytest.MonkeyPatch, logs: pytest.LogCaptureFixture
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(undo, "restore_from", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(activity("lose"))
    assert "undo: interrupted. To restore the rest, run `chaos run --var ledger=/" in logs.text
    assert states() == [OFF.value, ON.value]
