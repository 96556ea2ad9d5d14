"""The table at the end of a run, in whole runs within this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chaoslib.experiment import run_experiment

from chaosvm.backend import PowerCommand
from chaosvm.errors import CommandFailed
from tests.fakes import FakePlatform, fails

_platform = FakePlatform()


@pytest.fixture(autouse=True)
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    global _platform
    monkeypatch.chdir(tmp_path)
    _platform = FakePlatform()
    return _platform


def lose(**vms: Any) -> dict[str, Any]:
    return _platform.batch_power_off(vms, graceful=False).to_json()


def run(controls: tuple[str, ...], **vms: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": __name__, "func": "lose", "arguments": vms}
    journal: dict[str, Any] = run_experiment(
        {
            "title": "What became of them?",
            "description": "n/a",
            "controls": [
                {"name": name, "provider": {"type": "python", "module": f"chaosvm.controls.{name}"}}
                for name in controls
            ],
            "method": [{"type": "action", "name": "lose", "provider": provider}],
            "rollbacks": [],
        }
    )
    return journal


def table(logs: pytest.LogCaptureFixture) -> list[list[str]]:
    """The lines of the table, which are the last of the log."""
    lines = [record.message for record in logs.records if record.levelname == "INFO"]
    start = max(n for n, line in enumerate(lines) if line.startswith("outcomes of "))
    return [line.split() for line in lines[start + 1 :]]


@pytest.mark.parametrize("controls", [("summary", "undo"), ("undo", "summary")])
def test_it_comes_after_undo(
    controls: tuple[str, ...], platform: FakePlatform, logs: pytest.LogCaptureFixture
) -> None:
    platform.add("web-1")
    run(controls, name="web-*")
    heading, off, on = table(logs)
    assert heading == ["platform", "action", "VM", "before", "after", "how", "seconds"]
    assert off[:6] == ["fake", "power_off", "web-1", "powered_on", "powered_off", "hard"]
    assert on[:6] == ["fake", "restore", "web-1", "powered_off", "powered_on", "hard"]


def test_300_vms_two_of_them_failing(
    platform: FakePlatform, logs: pytest.LogCaptureFixture
) -> None:
    for number in range(300):
        platform.add(f"web-{number:03}")
    for name in ("web-100", "web-200"):
        platform.on(name, PowerCommand.POWER_OFF, fails(CommandFailed("no such disk")))
    journal = run(("summary",), name="web-*")

    outcomes = journal["run"][0]["output"]["outcomes"]
    assert len(outcomes) == 300
    assert [each["name"] for each in outcomes if "error" in each] == ["web-100", "web-200"]
    ended = [each.message for each in logs.records if each.message.startswith("power_off: 298 ")]
    assert len(ended) == 1
    assert "298 of 300 off (298 hard), 2 failed: 'web-100' (" in ended[0]
    _, *rows, more = table(logs)
    assert len(rows) == 20
    assert {row[2] for row in rows if "failed:" in row} == {"web-100", "web-200"}
    assert more[:3] == ["and", "280", "more,"]


def test_a_run_that_operates_on_no_vm(logs: pytest.LogCaptureFixture) -> None:
    run(("summary",), name="web-*")
    assert "no VM was operated on" in logs.text
