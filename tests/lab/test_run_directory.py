"""The folder of a lab does not outlive it for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaosvm.lab.run_directory import RunDirectory
from tests.production import ROOT

KILLED = """
import os, signal
from chaosvm.lab import control
from chaosvm.lab.http_server import Server

def end(server):
    os.kill(os.getpid(), signal.{name})

if {starting}:
    Server.start = end
control.after_loading_experiment_control("experiment.json", {{}})
end(None)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def aged(path: Path) -> Path:
    os.utime(path, (1, 1))
    return path


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("chaosvm-lab-*"))


def end(name: str, folder: Path, starting: bool) -> int:
    code = KILLED.format(name=name, starting=starting)
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode


@pytest.mark.parametrize("starting", [True, False])
def test_sigterm_before_the_run_begins(starting: bool, folder: Path) -> None:
    assert end("SIGTERM", folder, starting) == 128 + signal.SIGTERM
    assert left(folder) == []


def test_sigkill(folder: Path) -> None:
    assert end("SIGKILL", folder, starting=False) == -signal.SIGKILL
    assert len(left(folder)) == 1
    aged(next(folder.glob("chaosvm-lab-*")))
    RunDirectory().remove()
    assert left(folder) == []


def test_what_is_in_use_or_somebody_elses_stays(folder: Path) -> None:
    used = RunDirectory()
    aged(used.path)
    young = folder / "chaosvm-lab-young"
    young.mkdir()
    (young / "in-use").touch()
    other = folder / "chaosvm-lab-other"
    other.mkdir()
    aged(other)
    target = folder / "target"
    target.mkdir()
    (target / "in-use").touch()
    aged(target)
    (folder / "chaosvm-lab-link").symlink_to(target)
    RunDirectory().remove()
    assert left(folder) == sorted(
        [used.path.name, "chaosvm-lab-link", "chaosvm-lab-other", "chaosvm-lab-young"]
    )
    assert target.exists()
    used.remove()
    used.remove()
    assert used.path.name not in left(folder)
