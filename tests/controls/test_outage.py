"""An outage as part of a run that is interrupted, or that halts, meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from chaoslib.experiment import run_experiment

from tests.fakes import ON, FakePlatform

_platform = FakePlatform()


@pytest.fixture(autouse=True)
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    global _platform
    monkeypatch.chdir(tmp_path)
    _platform = FakePlatform()
    _platform.add("web-1")
    _platform.add("web-2")
    return _platform


def outage() -> dict[str, Any]:
    return _platform.outage({"all": True}, duration=600).to_json()


def run(*controls: str) -> dict[str, Any]:
    provider = {"type": "python", "module": __name__, "func": "outage"}
    journal: dict[str, Any] = run_experiment(
        {
            "title": "Does the service survive?",
            "description": "n/a",
            "controls": [
                {"name": name, "provider": {"type": "python", "module": f"chaosvm.controls.{name}"}}
                for name in controls
            ],
            "method": [
                {"type": "action", "name": "outage", "provider": provider},
                {"type": "action", "name": "another", "provider": provider},
            ],
            "rollbacks": [],
        }
    )
    return journal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("controls", [(), ("undo", "summary")], ids=str)
def test_a_signal_ends_the_holding_and_the_run(
    platform: FakePlatform, number: signal.Signals, controls: tuple[str, ...]
) -> None:
    begun = platform.clock.now
    platform.clock.at(100, lambda: os.kill(os.getpid(), number))
    journal = run(*controls)
    assert journal["status"] == "interrupted"
    assert len(journal["run"]) == 1
    assert {machine.state for machine in platform.machines.values()} == {ON}
    assert platform.clock.now - begun < 120
    assert [name for name, _ in platform.sent].count("web-1") == 2
