"""Whole experiments through the `chaos` command, in a folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.children import heeding_signals
from tests.production import Production
from tests.vcsim import Vcsim
from tests.vcsim.estate import Estate

ROOT = Path(__file__).resolve().parents[2]


class Chaos:
    """Runs the `chaos` command as a user would, and reads what it leaves behind."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),  # this tree, whatever is installed
        }
        self._settings = settings
        self.console = ""

    def var_file(self) -> tuple[str, str]:
        """Move the settings from the environment to a file; returns the options for it."""
        path = self.folder / ".env"
        path.write_text("".join(f"{name}={value}\n" for name, value in self._settings.items()))
        self._settings = {}
        return "--var-file", str(path)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = Path(sys.executable).with_name("chaos")
        return subprocess.Popen(
            heeding_signals([str(command), "--no-version-check", *arguments]),
            cwd=self.folder,
            env=self._environment | self._settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str], within: float = 60) -> int:
        try:
            self.console, _ = process.communicate(timeout=within)
        finally:
            process.kill()
        return process.returncode

    def __call__(self, *arguments: str) -> int:
        return self.finish(self.start(*arguments))

    def run(
        self, experiment: dict[str, Any] | Path, *arguments: str, within: float = 60
    ) -> dict[str, Any]:
        """Run an experiment to its end; returns the journal."""
        self.finish(self.start(*self.command(experiment, *arguments)), within)
        return self.journal()

    def command(self, experiment: dict[str, Any] | Path, *arguments: str) -> list[str]:
        if isinstance(experiment, dict):
            path = self.folder / "experiment.json"
            path.write_text(json.dumps(experiment))
            experiment = path
        options = [argument for argument in arguments if argument == "--verbose"]
        return [*options, "run", str(experiment), *(a for a in arguments if a != "--verbose")]

    def journal(self) -> dict[str, Any]:
        path = self.folder / "journal.json"
        assert path.exists(), self.console
        journal: dict[str, Any] = json.loads(path.read_text())
        return journal

    def has_logged(self, text: str, times: int = 1) -> bool:
        log = self.folder / "chaostoolkit.log"
        return log.exists() and log.read_text().count(text) >= times

    def everything_written(self) -> str:
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.name != ".env"]
        return "\n".join([self.console, *(path.read_text(errors="replace") for path in files)])


@pytest.fixture
def vcsim() -> Iterator[Vcsim]:
    with Vcsim.start() as running:
        yield running


@pytest.fixture
def estate(vcsim: Vcsim) -> Iterator[Estate]:
    with Estate(vcsim) as opened:
        yield opened


@pytest.fixture
def real() -> Iterator[Production]:
    """Stands for what is not simulated."""
    with Production() as counting:
        yield counting


@pytest.fixture
def chaos(vcsim: Vcsim, tmp_path: Path) -> Chaos:
    return Chaos(tmp_path, vcsim.environment())


@pytest.fixture
def chaos_without_settings(tmp_path: Path) -> Chaos:
    return Chaos(tmp_path, {})


def activity(kind: str, func: str, /, tolerance: Any = None, **arguments: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": kind,
        "name": func,
        "provider": {
            "type": "python",
            "module": f"chaosvm.vsphere.{kind}s",
            "func": func,
            "arguments": arguments,
        },
    }
    return made if tolerance is None else made | {"tolerance": tolerance}


@pytest.fixture
def experiment() -> Callable[..., dict[str, Any]]:
    def make(
        method: list[dict[str, Any]],
        hypothesis: list[dict[str, Any]] | None = None,
        rollbacks: list[dict[str, Any]] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        made: dict[str, Any] = {
            "title": "A test",
            "description": "A test",
            "method": method,
            "rollbacks": rollbacks or [],
            **more,
        }
        if hypothesis:
            made["steady-state-hypothesis"] = {"title": "Steady", "probes": hypothesis}
        return made

    return make
