"""Rehearsals as the `chaos` command runs them, in a process of their own."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Chaos
from tests.production import CONTROL_FILE, Production, read, switch
from tests.registry import ACTING, SIMULATED

WAYS = [*map(read, SIMULATED), *map(switch, ACTING)]


def statuses(journal: dict[str, Any]) -> list[str]:
    return [step["status"] for step in journal["run"]]


@pytest.fixture
def chaos(tmp_path: Path) -> Chaos:
    return Chaos(tmp_path, {"TMPDIR": str(tmp_path)})


def left_behind(chaos: Chaos) -> list[Path]:
    return list(chaos.folder.glob("chaosvm-lab-*"))


def test_with_the_command(chaos: Chaos, real: Production) -> None:
    experiment = real.experiment(*WAYS)
    assert chaos(*chaos.command(experiment, "--control-file", str(CONTROL_FILE))) == 0
    assert "VMs stands in for vSphere, OLVM and Dora; chaosvm touches nothing real" in chaos.console
    assert "rehearsal: web-01: shutdown requested, then off" in chaos.console
    assert statuses(chaos.journal()) == ["succeeded"] * 5
    assert real.connections == 0
    assert left_behind(chaos) == []


def test_arguments_that_chaos_toolkit_cannot_pass(chaos: Chaos, real: Production) -> None:
    """It would go on without the control then, and tell nobody."""
    module = "chaosvm.lab.control"
    nothing = {"provider": {"type": "python", "module": module, "arguments": None}}
    path = chaos.folder / "control.json"
    path.write_text(json.dumps({"rehearse": nothing}))
    experiment = real.experiment(*WAYS)
    assert chaos(*chaos.command(experiment, "--control-file", str(path))) == 1
    assert "the rehearsal cannot begin, so nothing was run: the control 'rehearse'" in chaos.console
    assert "Traceback" not in chaos.console
    assert not (chaos.folder / "journal.json").exists()
    assert real.connections == 0


MISSPELT = {"name": "rehearse", "provider": {"type": "python", "module": "chaosvm.lab.controls"}}


@pytest.mark.parametrize("where", ["control file", "unreadable file", "settings", "experiment"])
def test_a_control_that_chaos_toolkit_does_not_find(
    where: str, chaos: Chaos, real: Production
) -> None:
    """It goes on without it."""
    path = chaos.folder / "control.yaml"
    path.write_text(json.dumps({"controls": {"rehearse": MISSPELT}}))
    before, behind = [], ["--control-file", str(path)]
    match where:
        case "settings":
            before, behind = ["--settings", str(path)], []
        case "control file":
            path.write_text(json.dumps({"rehearse": MISSPELT}))
        case "unreadable file":
            told = CONTROL_FILE.read_text().replace("    module:", "\tmodule:")
            path.write_text(told)
        case "experiment":
            behind = []
    in_background = {**read("vsphere"), "background": True}
    experiment = real.experiment(*WAYS, in_background)
    if where == "experiment":
        experiment["controls"] = [MISSPELT]
    chaos(*before, *chaos.command(experiment, *behind))
    assert statuses(chaos.journal()) == ["failed"] * 6
    assert "no connection was made: a rehearsal was requested in " in chaos.console
    assert real.connections == 0


def test_controls_of_others_do_not_matter(chaos: Chaos, real: Production) -> None:
    path = chaos.folder / "control.yaml"
    path.write_text("# not chaosvm.lab.control\nown: {provider: {type: python, module: mine}}\n")
    chaos(*chaos.command(real.experiment(read("vsphere")), "--control-file", str(path)))
    assert real.connections > 0


def test_an_experiment_that_is_not_valid(chaos: Chaos, real: Production) -> None:
    """The lab is there by then, and nobody else stops it."""
    experiment = real.experiment(*WAYS)
    experiment["configuration"]["vm_name"] = {"type": "env", "key": "CHAOSVM_TEST_NOT_SET"}
    assert chaos(*chaos.command(experiment, "--control-file", str(CONTROL_FILE))) == 1
    assert "CHAOSVM_TEST_NOT_SET" in chaos.console
    assert left_behind(chaos) == []
    assert real.connections == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals(number: signal.Signals, chaos: Chaos, real: Production) -> None:
    process = {"type": "process", "path": "sleep", "arguments": "30"}
    waiting = {"type": "probe", "name": "wait", "provider": process}
    experiment = real.experiment(switch("vsphere"), waiting, rollbacks=WAYS)
    command = chaos.command(
        experiment, "--control-file", str(CONTROL_FILE), "--rollback-strategy", "always"
    )
    running = chaos.start(*command)
    until = time.monotonic() + 60
    while not chaos.has_logged("Probe: wait"):
        assert time.monotonic() < until
        time.sleep(0.05)
    running.send_signal(number)
    chaos.finish(running)
    assert chaos.journal()["status"] in ("interrupted", "completed")
    assert "rehearsal: web-01: shutdown requested" in chaos.console
    assert left_behind(chaos) == []
    assert real.connections == 0
