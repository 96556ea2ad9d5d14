"""A signal stops a run wherever it is, and nothing is sent but what puts VMs back.

No control is declared here unless a test says so.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosvm.lab import Guest, Lab, State, World, rule, when
from tests.e2e.conftest import Chaos
from tests.moments import once
from tests.registry import ACTING

# Much longer than a run takes that has heeded a signal.
LONG = 300
WITHIN = 60


@pytest.fixture(params=ACTING)
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world() -> World:
    made = World()
    for number in range(4):
        made.add_vm(f"first-{number}", guest=Guest.slow(LONG))
        made.add_vm(f"second-{number}", guest=Guest.slow(LONG))
    return made


@pytest.fixture
def lab(world: World, platform: str) -> Iterator[Lab]:
    with Lab(world, platforms=[platform]) as running:
        yield running


@pytest.fixture
def chaos(lab: Lab, tmp_path: Path) -> Chaos:
    return Chaos(tmp_path, lab.environment())


def shut_down(platform: str, sort: str, **more: Any) -> dict[str, Any]:
    arguments = {"vms": {"name": f"{sort}-*"}, "timeout": LONG, **more}
    return ours(platform, "batch_power_off", f"shut-down-{sort}", **arguments)


def cut(platform: str, sort: str, **more: Any) -> dict[str, Any]:
    return shut_down(platform, sort, graceful=False, **more)


def ours(platform: str, func: str, name: str, **arguments: Any) -> dict[str, Any]:
    module = f"chaosvm.{platform}.actions"
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": "action", "name": name, "provider": provider}


def another(marker: Path, kind: str = "action") -> dict[str, Any]:
    """An activity of somebody else, in Python, that leaves a file and takes its time."""
    program = f"import pathlib, time; pathlib.Path({str(marker)!r}).touch(); time.sleep({LONG})"
    arguments = {"args": [sys.executable, "-c", program]}
    provider = {
        "type": "python",
        "module": "subprocess",
        "func": "check_call",
        "arguments": arguments,
    }
    return {"type": kind, "name": "somebody-elses", "provider": provider}


def play(chaos: Chaos, *method: Any, **more: Any) -> list[str]:
    experiment = {"title": "Stopped", "description": "n/a", "method": list(method), **more}
    return chaos.command({"rollbacks": [], **experiment})


def interrupt(
    chaos: Chaos, command: list[str], happened: Callable[[], bool], number: int = signal.SIGTERM
) -> dict[str, Any]:
    """Run it, send the signal once something has happened, and read the journal."""
    process = chaos.start(*command)
    end = time.monotonic() + WITHIN
    while not happened():
        assert process.poll() is None, chaos.finish(process) or chaos.console
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
    process.send_signal(number)
    assert chaos.finish(process, within=WITHIN) == 1, chaos.console
    return chaos.journal()


def changes(lab: Lab) -> int:
    """Requests that change a VM."""
    verbs = ("ShutdownGuest", "PowerOff", "PowerOn", "/shutdown", "/stop", "/start")
    return sum(n for name, n in lab.requests().items() if any(verb in name for verb in verbs))


def states(world: World, sort: str) -> set[State]:
    return {vm.state for vm in world.vms if vm.name.startswith(sort)}


def test_in_an_action_of_ours(chaos: Chaos, lab: Lab, world: World, platform: str) -> None:
    command = play(chaos, shut_down(platform, "first"), cut(platform, "second"))
    journal = interrupt(chaos, command, lambda: changes(lab) == 4)
    assert journal["status"] == "interrupted"
    (run,) = journal["run"]
    assert run["activity"]["name"] == "shut-down-first"
    assert {each["after"] for each in run["output"]["outcomes"]} == {"unknown"}
    assert len(run["output"]["outcomes"]) == 4
    assert journal["interruption"]["name"] == "SIGTERM"
    assert changes(lab) == 4
    assert states(world, "second") == {State.RUNNING}


def test_rollbacks_that_are_always_played(
    chaos: Chaos, world: World, platform: str, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    restore = ours(platform, "restore_power_states", "restore", timeout=WITHIN)
    runtime = {"rollbacks": {"strategy": "always"}}
    method = [cut(platform, "first"), another(marker), cut(platform, "second")]
    command = play(chaos, *method, rollbacks=[restore], runtime=runtime)
    journal = interrupt(chaos, command, marker.exists)
    assert journal["status"] == "interrupted"
    assert [run["output"]["changed"] for run in journal["rollbacks"]] == [4], chaos.console
    assert states(world, "") <= {State.RUNNING, State.BOOTING}


def test_in_an_action_of_somebody_else(
    chaos: Chaos, lab: Lab, platform: str, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    command = play(chaos, another(marker), cut(platform, "second"))
    journal = interrupt(chaos, command, marker.exists)
    assert journal["status"] == "interrupted"
    assert len(journal["run"]) == 1
    assert changes(lab) == 0


def test_in_a_probe_of_the_hypothesis(
    chaos: Chaos, lab: Lab, platform: str, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    probe = another(marker, "probe") | {"tolerance": 0}
    steady = {"title": "Steady", "probes": [probe]}
    command = play(chaos, cut(platform, "first"), **{"steady-state-hypothesis": steady})
    journal = interrupt(chaos, command, marker.exists)
    assert journal["status"] == "interrupted"
    assert journal["run"] == []
    assert changes(lab) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_while_ours_is_in_the_background(
    chaos: Chaos, lab: Lab, platform: str, tmp_path: Path, number: int
) -> None:
    """No signal reaches its thread, and the main thread has done nothing of ours so far."""
    marker = tmp_path / "marker"
    background = cut(platform, "first", parallel=1) | {"background": True}
    over = threading.Event()
    # The first is answered late: it is under way when the signal comes.
    lab.rules(*(when(request, lambda: over.wait(WITHIN)) for request in ("*owerOff*", "*/stop")))
    command = play(chaos, background, another(marker), cut(platform, "second"))

    def under_way() -> bool:
        return marker.exists() and sum(lab.applied()) == 1

    with once(lambda: chaos.has_logged("Experiment ended"), over.set):
        journal = interrupt(chaos, command, under_way, number)
    assert journal["status"] == "interrupted"
    assert changes(lab) == 1
    (output,) = [run["output"] for run in journal["run"] if run["activity"].get("background")]
    untouched = [each for each in output["outcomes"] if "was not touched" in each["error"]]
    assert (len(untouched), output["failed"]) == (3, 4)


def test_while_what_is_in_the_background_is_waited_for(
    chaos: Chaos, lab: Lab, world: World, platform: str
) -> None:
    background = shut_down(platform, "first") | {"background": True}
    journal = interrupt(chaos, play(chaos, background), lambda: changes(lab) == 4)
    assert journal["status"] == "interrupted"
    assert changes(lab) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_rollbacks_are_finished(
    chaos: Chaos, lab: Lab, world: World, platform: str, number: int
) -> None:
    """A signal in the middle of them would leave off what is not back yet."""
    rollbacks = [
        ours(
            platform, "batch_power_on", f"bring-{sort}-back", vms={"name": f"{sort}-*"}, parallel=1
        )
        for sort in ("first", "second")
    ]
    method = [cut(platform, "first"), cut(platform, "second")]
    command = play(chaos, *method, rollbacks=rollbacks)
    lab.rules(rule("*owerOn*", "delay", seconds=0.3), rule("*/start", "delay", seconds=0.3))
    journal = interrupt(chaos, command, lambda: sum(lab.applied()) > 0, number)
    assert journal["status"] == "interrupted"
    assert journal["interruption"]["name"] == signal.Signals(number).name
    assert [run["status"] for run in journal["rollbacks"]] == ["succeeded"] * 2
    assert states(world, "") <= {State.RUNNING, State.BOOTING}


def test_a_second_signal_stops_the_rollbacks(chaos: Chaos, lab: Lab, platform: str) -> None:
    back = ours(platform, "batch_power_on", "bring-back", vms={"name": "first-*"}, timeout=LONG)
    lab.rules(rule("*owerOn*", "ignore"), rule("*/start", "ignore"))
    process = chaos.start(*play(chaos, cut(platform, "first"), rollbacks=[back, back]))
    while sum(lab.applied()) < 4:
        assert process.poll() is None, chaos.finish(process) or chaos.console
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    # Python would merge the second with one that it has not handled yet.
    while not chaos.has_logged("a second signal stops that as well"):
        assert process.poll() is None, chaos.finish(process) or chaos.console
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert chaos.finish(process, within=WITHIN) == 1
    assert len(chaos.journal()["rollbacks"]) == 1


def test_a_signal_during_undo_leaves_its_mark(
    chaos: Chaos, lab: Lab, world: World, platform: str
) -> None:
    undo = {"type": "python", "module": "chaosvm.controls.undo"}
    controls = [{"name": "undo", "provider": undo}]
    command = play(chaos, cut(platform, "first"), controls=controls)
    lab.rules(rule("*owerOn*", "delay", seconds=1), rule("*/start", "delay", seconds=1))
    journal = interrupt(chaos, command, lambda: sum(lab.applied()) > 0)
    assert journal["status"] == "interrupted"
    assert journal["chaosvm_undo"]["failed"] == 0
    assert states(world, "first") <= {State.RUNNING, State.BOOTING}
