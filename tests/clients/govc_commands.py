"""Runs the command lines of govc/commands/ against a server.

A line is what follows `govc` in a shell, `=>`, and a regular expression that its output
matches; with `!` before it, the command has to fail. The lines of a file share a fresh server.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.clients.servers import built, newest_simulator

__all__ = ["Line", "Outcome", "files", "lines", "run", "small_world_in_simulator"]

_GOVC = Path(__file__).parent / "govc"
_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Line:
    file: str
    command: str
    expected: str
    fails: bool

    def __str__(self) -> str:
        return f"{self.file}: {self.command}"

    def problem(self, code: int | None, output: str) -> str:
        """Why the line did not pass; empty if it did."""
        if code is None:
            return f"it did not end in time: {output}"
        if code != 0 and not self.fails:
            return output or f"exit code {code}"
        if code == 0 and self.fails:
            return f"did not fail: {output}"
        if not re.search(self.expected, output, re.MULTILINE):
            return f"expected /{self.expected}/ in: {output or 'no output'}"
        return ""


@dataclass(frozen=True, slots=True)
class Outcome:
    line: Line
    output: str
    problem: str


def files() -> list[str]:
    return sorted(path.stem for path in (_GOVC / "commands").glob("*.txt"))


def lines(file: str) -> list[Line]:
    return _read(_GOVC / "commands" / f"{file}.txt")


def _read(path: Path) -> list[Line]:
    text = path.read_text(encoding="utf-8")
    return [
        _line(path.stem, each) for each in text.splitlines() if each and not each.startswith("#")
    ]


def _line(file: str, text: str) -> Line:
    command, _, expected = text.partition(" => ")
    return Line(file, command.removeprefix("! "), expected, command.startswith("! "))


def run(
    chosen: list[Line], server: Mapping[str, str], seconds: float = _WITHIN
) -> Iterator[Outcome]:
    with tempfile.TemporaryDirectory(prefix="govc-") as directory:
        environment = os.environ | server | _settings(Path(directory))
        for line in chosen:
            code, output = _execute(f"govc {line.command}", environment, seconds)
            yield Outcome(line, output, line.problem(code, output))


@contextmanager
def small_world_in_simulator() -> Iterator[dict[str, str]]:
    """govmomi's simulator with the VMs, hosts and tags of the lab's small world."""
    with newest_simulator(dc=0) as server, tempfile.TemporaryDirectory() as datastore:
        for outcome in run(_read(_GOVC / "small_world.txt"), server | {"DATASTORE": datastore}):
            assert not outcome.problem, outcome
        yield server


def _settings(home: Path) -> dict[str, str]:
    return {
        "PATH": f"{built('govc').parent}:{os.environ['PATH']}",
        "GOVC_PERSIST_SESSION": "false",
        "GOVMOMI_HOME": str(home),
        "TMPDIR": str(home),
    }


def _execute(
    command: str, environment: Mapping[str, str], seconds: float
) -> tuple[int | None, str]:
    process = subprocess.Popen(
        ["sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return None, output.strip()
    return process.returncode, output.strip()
