"""Runs that die at any moment of a batch, and whether everything comes back.

A few of them by default; `make crash-test` kills a hundred on each platform.
The moments are drawn from a seed, which a failure names.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyVmomi import vim

from chaosvm.lab import Durations, Guest, Lab, State, World
from tests.e2e.conftest import Chaos
from tests.examples import EXAMPLES
from tests.registry import ACTING
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate

pytestmark = pytest.mark.timeout(3600)

# How many VMs of each sort, and what is done to them.
SORTS = {"lose": 20, "wake": 6, "freeze": 4}
# From the first line of the ledger on, the batches take about so long.
SECONDS = 1.5

Truth = Callable[[], dict[str, str]]


def world() -> World:
    made = World(durations=Durations().times(2))
    guests = [Guest.obeys(), Guest.slow(1.0), Guest.without_agent()]
    for number in range(SORTS["lose"]):
        made.add_vm(f"lose-{number:02}", guest=guests[number % len(guests)])
    for number in range(SORTS["wake"]):
        made.add_vm(f"wake-{number:02}", State.OFF)
    for number in range(SORTS["freeze"]):
        made.add_vm(f"freeze-{number:02}")
    return made


def action(platform: str, func: str, sort: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "action",
        "name": f"{func}-{sort}",
        "background": sort != "lose",
        "provider": {
            "type": "python",
            "module": f"chaosvm.{platform}.actions",
            "func": func,
            "arguments": {"vms": {"name": f"{sort}-*"}, "parallel": 5, "timeout": 60, **more},
        },
    }


def experiment(platform: str, **more: Any) -> dict[str, Any]:
    return {
        "title": "A batch of 30 VMs",
        "description": "n/a",
        "method": [
            action(platform, "batch_power_on", "wake"),
            action(platform, "batch_suspend", "freeze"),
            action(platform, "batch_power_off", "lose"),
            action(platform, "batch_power_on", "lose"),
        ],
        "rollbacks": [],
        **more,
    }


class Site:
    """A platform with 30 VMs, and what is true of them."""

    def __init__(self, platform: str, settings: dict[str, str], truth: Truth) -> None:
        self.platform = "vsphere" if platform == "vcsim" else platform
        self.settings = settings
        self._truth = truth
        self.original = truth()

    def is_as_it_was(self, within: float = 60) -> dict[str, str]:
        """What is not as it was, once all that was under way has had its time."""
        end = time.monotonic() + within
        while (wrong := self._wrong()) and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(1.0)  # ... and it must stay so: some guests take 1 s to shut down
        return wrong or self._wrong()

    def _wrong(self) -> dict[str, str]:
        now = self._truth()
        return {
            name: f"{self.original[name]} -> {state}"
            for name, state in now.items()
            if state != self.original[name]
        }


@pytest.fixture(params=[*ACTING, "vcsim"], scope="module")
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    if request.param == "vcsim":
        yield from vcsim_site()
    else:
        yield from lab_site(request.param)


def lab_site(platform: str) -> Iterator[Site]:
    made = world()

    def truth() -> dict[str, str]:
        return {vm.name: _power(vm.state) for vm in made.vms}

    with Lab(made, platforms=[platform], latency=0.01) as lab:
        yield Site(platform, lab.environment(), truth)


def _power(state: State) -> str:
    if state in (State.BOOTING, State.REBOOTING):
        return State.RUNNING.value
    return state.value


def vcsim_site() -> Iterator[Site]:
    names = [f"{sort}-{number:02}" for sort, count in SORTS.items() for number in range(count)]
    site = {"standalone_hosts": 0, "vms": len(names), "delay_ms": 10, "task_seconds": 0.2}
    with Vcsim.start(**site) as vcsim, Estate(vcsim) as estate:
        machines = [machine for machine, _ in estate.all(vim.VirtualMachine)]
        for machine, name in zip(machines, names, strict=True):
            estate.rename(machine, name)
            if name.startswith("wake"):
                estate.power_off(machine)
        # A guest takes its time to shut down.
        vcsim.rules(rule("ShutdownGuest", "guest_after", seconds=1.0))

        def truth() -> dict[str, str]:
            return estate.power_states()

        yield Site("vcsim", vcsim.environment(), truth)


def die(chaos: Chaos, command: list[str], number: int, after: float, begins: str = '"run"') -> None:
    """Start a run, and send it a signal so long after the ledger first has this."""
    process = chaos.start(*command)
    end = time.monotonic() + 60
    while not any(begins in each.read_text() for each in ledgers(chaos)):
        if process.poll() is not None:
            break
        assert time.monotonic() < end, "it never began"
        time.sleep(0.005)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    chaos.finish(process, within=120)


def ledgers(chaos: Chaos) -> list[Path]:
    return sorted(chaos.folder.rglob("chaosvm-ledger-*.jsonl"))


def recover(chaos: Chaos, ledger: Path) -> dict[str, Any]:
    """It may wait for a minute for a guest that may have been asked to shut down."""
    settings = ["--var", f"ledger={ledger}", "--var", "timeout=90"]
    return chaos.run(EXAMPLES / "recover.json", *settings, within=120)


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> Iterator[tuple[int, float]]:
    """As many moments as are asked for, each with its number."""
    seed = request.config.getoption("crash_seed") or random.SystemRandom().randrange(10**6)
    print(f"the moments are drawn with --crash-seed {seed}")
    drawn = random.Random(seed)
    count = request.config.getoption("crashes")
    return iter([(number, drawn.uniform(0, SECONDS)) for number in range(count)])


def test_after_a_kill_everything_comes_back(
    site: Site, tmp_path: Path, moments: Iterator[tuple[int, float]]
) -> None:
    for number, moment in moments:
        folder = tmp_path / str(number)
        folder.mkdir()
        chaos = Chaos(folder, site.settings)
        die(chaos, chaos.command(experiment(site.platform)), signal.SIGKILL, moment)
        (ledger,) = ledgers(chaos)
        journal = recover(chaos, ledger)
        assert journal["status"] == "completed", f"after {moment:.3f} s\n{chaos.console}"
        assert site.is_as_it_was() == {}, f"after {moment:.3f} s\n{chaos.console}"
        again = recover(chaos, ledger)
        changed = [run["output"]["changed"] for run in again["run"]]
        assert changed == [0], f"after {moment:.3f} s\n{chaos.console}"


UNDO = {"type": "python", "module": "chaosvm.controls.undo", "arguments": {"timeout": 60}}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_an_interruption_nothing_else_is_needed(
    site: Site, tmp_path: Path, moments: Iterator[tuple[int, float]], number: signal.Signals
) -> None:
    controls = [{"name": "undo", "provider": UNDO}]
    for run, moment in moments:
        folder = tmp_path / str(run)
        folder.mkdir()
        chaos = Chaos(folder, site.settings)
        die(chaos, chaos.command(experiment(site.platform, controls=controls)), number, moment)
        assert site.is_as_it_was() == {}, f"after {moment:.3f} s\n{chaos.console}"


RESTORES = '"restores": true'
BACK = {
    "type": "action",
    "name": "back",
    "provider": {"type": "python", "func": "restore_power_states", "arguments": {"timeout": 60}},
}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("phase", ["rollback", "undo", "recovery"])
def test_what_is_put_back_is_finished_by_a_recovery(
    site: Site,
    tmp_path: Path,
    moments: Iterator[tuple[int, float]],
    number: signal.Signals,
    phase: str,
) -> None:
    """Whatever was about to put it back died, or was interrupted twice."""
    provider = {**BACK["provider"], "module": f"chaosvm.{site.platform}.actions"}
    parts = {
        "rollback": {
            "rollbacks": [{**BACK, "provider": provider}],
            "runtime": {"rollbacks": {"strategy": "always"}},
        },
        "undo": {"controls": [{"name": "undo", "provider": UNDO}]},
        "recovery": {},
    }
    for run, moment in moments:
        folder = tmp_path / str(run)
        folder.mkdir()
        chaos = Chaos(folder, site.settings)
        made = experiment(site.platform, **parts[phase])
        del made["method"][-1]
        if phase == "recovery":
            die(chaos, chaos.command(made), signal.SIGKILL, moment)
            ledger = f"ledger={ledgers(chaos)[0]}"
            command = chaos.command(EXAMPLES / "recover.json", "--var", ledger)
        else:
            command = chaos.command(made)
        die(chaos, command, number, moment / 2, begins=RESTORES)
        journal = recover(chaos, ledgers(chaos)[0])
        assert journal["status"] == "completed", f"after {moment:.3f} s\n{chaos.console}"
        assert site.is_as_it_was() == {}, f"after {moment:.3f} s\n{chaos.console}"


def test_a_guest_that_shuts_down_after_the_crash(tmp_path: Path) -> None:
    """vCenter shows it as running until it is off: whoever looks too early leaves it off."""
    made = World()
    made.add_vm("lose-00", guest=Guest.slow(8))
    with Lab(made, platforms=["vsphere"]) as lab:
        chaos = Chaos(tmp_path, lab.environment())
        process = chaos.start(*chaos.command(experiment("vsphere")))
        while not lab.requests().get("POST /sdk ShutdownGuest"):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        chaos.finish(process)
        (ledger,) = ledgers(chaos)
        journal = recover(chaos, ledger)
        (outcome,) = journal["run"][0]["output"]["outcomes"]
        assert (outcome["before"], outcome["after"]) == ("powered_off", "powered_on")
        assert _power(made.vm("lose-00").state) == "running"


@pytest.mark.parametrize("platform", ACTING)
def test_an_action_in_the_background_ends_with_its_run(tmp_path: Path, platform: str) -> None:
    """It would wait for its guest for 300 s, and the process for it."""
    made = World()
    made.add_vm("freeze-00", guest=Guest(obedient=False, seconds=600))
    method = [action(platform, "batch_power_off", "freeze", on_timeout="fail", timeout=300)]
    undo = {**UNDO, "arguments": {"timeout": 2}}
    with Lab(made, platforms=[platform]) as lab:
        chaos = Chaos(tmp_path, lab.environment())
        controls = [{"name": "undo", "provider": undo}]
        planned = experiment(platform, method=method, controls=controls)
        process = chaos.start(*chaos.command(planned))
        asked = ("POST /sdk ShutdownGuest", "POST /api/vms/{id}/shutdown")
        while not any(lab.requests().get(name) for name in asked):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        chaos.finish(process, within=60)
        (outcome,) = chaos.journal()["chaosvm_undo"]["outcomes"]
        assert outcome["error"], "it may go off a moment later"
