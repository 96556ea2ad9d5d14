"""``chaos init``, answered as a person would: the experiment that it writes runs on the lab."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.experiment import ensure_experiment_is_valid, run_experiment
from chaoslib.loader import load_experiment
from chaostoolkit.commands.init import init
from click.testing import CliRunner, Result

import chaosvm
from chaosvm.lab import Lab, State, World

ACTIVITIES: list[dict[str, Any]] = chaosvm.discover(discover_system=False)["activities"]
NO, YES, ENTER = "n", "y", ""

# What is typed at the prompt for each argument, in order.
BATCH_POWER_OFF = {
    "vms": '{"name": "web-*", "count": 1, "seed": 3}',
    "parallel": ENTER,
    "graceful": "no",
    "timeout": "60",
    "on_timeout": ENTER,
    "waves": ENTER,
    "interval": ENTER,
}
LIST_VMS = {"vms": ENTER}
EXPORT_INVENTORY = {"environments": "Arvig-Staging", "path": "staging.md", "format": ENTER}


@pytest.fixture(scope="module")
def world() -> World:
    made = World()
    for name in ("web-01", "web-02", "db-01"):
        made.add_vm(name)
    return made


@pytest.fixture(scope="module")
def lab(world: World) -> Iterator[Lab]:
    with Lab(world, platforms=["vsphere", "dora"]) as running:
        yield running


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "discovery.json").write_text(json.dumps({"activities": ACTIVITIES}))
    return tmp_path


def answers(func: str, module: str, arguments: dict[str, str]) -> list[str]:
    """Choose the activity by its number, confirm it, and fill in its arguments."""
    names = [(each["mod"], each["name"]) for each in ACTIVITIES]
    return [str(names.index((module, func)) + 1), YES, *arguments.values()]


def typed(*lines: str) -> Result:
    settings = {"settings_path": "settings.yaml"}
    return CliRunner().invoke(init, input="\n".join(lines) + "\n", obj=settings)


def test_an_experiment_is_written_and_runs(
    lab: Lab, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = typed(
        *("Made by hand", NO, YES),
        *(*answers("list_vms", "chaosvm.vsphere.probes", LIST_VMS), YES),
        *(*answers("batch_power_off", "chaosvm.vsphere.actions", BATCH_POWER_OFF), YES),
        *(*answers("export_inventory", "chaosvm.dora.actions", EXPORT_INVENTORY), NO),
        NO,
    )
    assert done.exit_code == 0, done.output
    experiment = load_experiment("experiment.json")
    ensure_experiment_is_valid(experiment)
    assert [each["provider"]["arguments"] for each in experiment["method"]] == [
        {"vms": None},
        {
            "vms": BATCH_POWER_OFF["vms"],
            "parallel": 10,
            "graceful": False,
            "timeout": 60,
            "on_timeout": "hard",
            "waves": 1,
            "interval": 0,
        },
        {"environments": "Arvig-Staging", "path": "staging.md", "format": None},
    ]

    for key, value in lab.environment().items():
        monkeypatch.setenv(key, value)
    journal = run_experiment(experiment, settings={})
    assert [step["status"] for step in journal["run"]] == ["succeeded"] * 3
    listed, _, exported = [step["output"] for step in journal["run"]]
    assert {vm["name"] for vm in listed} == {"web-01", "web-02", "db-01"}
    states = [world.vm(name).state for name in ("web-01", "web-02")]
    assert sorted(state is State.OFF for state in states) == [False, True]
    assert exported["format"] == "md"
    assert (folder / "staging.md").read_text("utf-8").startswith("# Inventory")


def test_an_argument_without_a_default_is_asked_for_again() -> None:
    chosen = answers("batch_power_off", "chaosvm.vsphere.actions", BATCH_POWER_OFF)
    done = typed("Title", NO, YES, *chosen[:2], ENTER, ENTER, *chosen[2:], NO, NO)
    assert done.exit_code == 0, done.output
    assert done.output.count("Argument's value for 'vms'") == 3
    (action,) = load_experiment("experiment.json")["method"]
    assert action["provider"]["arguments"]["vms"] == BATCH_POWER_OFF["vms"]
