"""``python -m chaosvm.lab``."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosvm.lab import State, World
from chaosvm.lab.__main__ import main
from chaosvm.lab.activity_log import Watching
from chaosvm.vsphere import VSpherePlatform
from tests.children import heeding_signals
from tests.fakes import FakeClock

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def launch(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            heeding_signals([sys.executable, "-m", "chaosvm.lab", *arguments]),
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.kill()
        process.communicate()


def exported(process: subprocess.Popen[str], last: str) -> dict[str, str]:
    found: dict[str, str] = {}
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.fullmatch(r"export (\w+)='(.*)'\n", line):
            found[match[1]] = match[2]
        else:
            assert line.startswith("#"), line
        if last in found:
            return found
    raise AssertionError(process.communicate()[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_a_signal(number: int, start: Start, tmp_path: Path) -> None:
    env_file = tmp_path / "lab.env"
    process = start("--platforms", "vsphere", "--env-file", str(env_file))
    found = exported(process, "VSPHERE_CA_FILE")
    assert {name.partition("_")[0] for name in found} == {"VSPHERE"}
    assert env_file.stat().st_mode & 0o777 == 0o600
    written = dict(line.split("=", 1) for line in env_file.read_text().splitlines())
    assert written == found
    with VSpherePlatform(
        found["VSPHERE_SERVER"],
        found["VSPHERE_USERNAME"],
        found["VSPHERE_PASSWORD"],
        port=int(found["VSPHERE_PORT"]),
        ca_file=found["VSPHERE_CA_FILE"],
    ) as platform:
        platform.power_off("web-01")
    process.send_signal(number)
    _, output = process.communicate(timeout=100)
    assert process.returncode == 0, output
    assert "web-01: running -> shutting down" in output
    assert "ShutdownGuest" in output
    assert "web-01: shutdown requested, then off" in output
    assert found["VSPHERE_PASSWORD"] not in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--world", "not-there.yaml"], "not-there.yaml"),
        (
            ["--platforms", "vsphere,hyperv"],
            "no platform 'hyperv': expected one of vsphere, olvm,",
        ),
        (["--latency", "soon"], "--latency is 'soon'"),
    ],
)
def test_what_cannot_be_started(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert reason in err
    assert out == ""


def test_a_file_with_other_things_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ".env"
    path.write_text("VSPHERE_PASSWORD=mine")
    assert main(["--platforms", "dora", "--env-file", str(path)]) == 1
    assert "File exists" in capsys.readouterr().err
    assert path.read_text() == "VSPHERE_PASSWORD=mine"


@pytest.fixture
def watched() -> tuple[World, Watching, FakeClock]:
    clock = FakeClock()
    world = World(clock=clock)
    world.add_vm("web-01")
    return world, Watching(world, clock), clock


def lines(watching: Watching, **requests: int) -> list[str]:
    return [line.split("  ", 1)[1] for line in watching.lines(requests)]


def test_repeated_requests_are_summarized(watched: Any) -> None:
    _, watching, clock = watched
    assert lines(watching) == []
    assert lines(watching, a=1, b=1) == ["a, b"]
    for count in range(2, 5):
        clock.sleep(1)
        assert lines(watching, a=1, b=count) == []
    clock.sleep(10)
    assert lines(watching, a=1, b=4) == ["b (3 times)"]
    assert lines(watching, a=1, b=4, c=1) == ["c"]


def test_power_changes_come_after_the_requests_that_made_them(watched: Any) -> None:
    world, watching, _ = watched
    assert lines(watching, a=1) == ["a"]
    world.change("web-01", state=State.SHUTTING_DOWN)
    assert lines(watching, a=2) == ["a", "web-01: running -> shutting down"]


def test_power_that_is_cut_is_no_shutdown(watched: Any) -> None:
    world, watching, _ = watched
    world.power.power_off("web-01")
    assert lines(watching) == ["web-01: running -> powering off"]
    world.power.start("web-01")
