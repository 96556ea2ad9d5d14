"""Guards, plans and dry runs in whole experiments, on a vCenter and an engine alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosvm.lab import Lab, State, World
from tests.e2e.conftest import Chaos
from tests.registry import ACTING

Experiment = Callable[..., dict[str, Any]]
Activity = Callable[..., dict[str, Any]]


@pytest.fixture
def world() -> World:
    made = World()
    for number in range(10):
        made.add_vm(f"web-{number}")
    made.add_vm("db", tags=("chaosvm-protect",))
    return made


@pytest.fixture(params=ACTING)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lab(world: World, name: str) -> Iterator[Lab]:
    with Lab(world, platforms=[name]) as running:
        yield running


@pytest.fixture
def chaos(lab: Lab, tmp_path: Path) -> Chaos:
    return Chaos(tmp_path, lab.environment())


@pytest.fixture
def activity(name: str) -> Activity:
    def make(kind: str, func: str, **arguments: Any) -> dict[str, Any]:
        provider = {
            "type": "python",
            "module": f"chaosvm.{name}.{kind}s",
            "func": func,
            "arguments": arguments,
        }
        return {"type": kind, "name": func, "provider": provider}

    return make


def off(world: World) -> set[str]:
    return {vm.name for vm in world.vms if vm.state is State.OFF}


def some(first: int, last: int) -> dict[str, Any]:
    return {"names": [f"web-{number}" for number in range(first, last)]}


def told(run: dict[str, Any]) -> str:
    return " ".join(run.get("exception", ()))


def test_the_whole_run_is_counted(
    chaos: Chaos, world: World, experiment: Experiment, activity: Activity
) -> None:
    made = experiment(
        [
            activity("action", "batch_power_off", vms=some(0, 5)),
            activity("action", "batch_power_off", vms=some(5, 10)),
            activity("action", "batch_power_off", vms={"all": True}),
        ],
        rollbacks=[activity("action", "batch_power_on", vms={"name": "web-*"})],
        configuration={"chaosvm_max_vms": 8},
    )
    journal = chaos.run(made)
    assert [run["status"] for run in journal["run"]] == ["succeeded", "failed", "failed"]
    assert journal["run"][0]["output"]["changed"] == 5
    assert "chaosvm_max_vms is 8" in told(journal["run"][1])
    assert journal["rollbacks"][0]["output"]["changed"] == 5
    assert off(world) == set()


def test_two_in_the_background_do_not_pass_together(
    chaos: Chaos, world: World, experiment: Experiment, activity: Activity
) -> None:
    made = experiment(
        [
            activity("action", "batch_power_off", vms=some(first, first + 3)) | {"background": True}
            for first in (0, 3, 6)
        ],
        configuration={"chaosvm_max_percent": {"inventory": "55"}},
    )
    journal = chaos.run(made)
    assert sorted(run["status"] for run in journal["run"]) == ["failed", "failed", "succeeded"]
    assert len(off(world)) == 3


def test_a_vm_that_opted_out(
    chaos: Chaos, world: World, experiment: Experiment, activity: Activity
) -> None:
    made = experiment(
        [
            activity("action", "power_off", vm_name="db"),
            activity("action", "batch_power_off", vms={"all": True}, graceful=False),
        ]
    )
    one, many = chaos.run(made)["run"]
    assert "has the tag 'chaosvm-protect'" in told(one)
    assert [each["name"] for each in many["output"]["passed_over"]] == ["db"]
    assert "db" not in off(world)
    assert len(off(world)) == 10


def test_a_plan_is_made_and_acted_upon(
    chaos: Chaos, world: World, experiment: Experiment, activity: Activity
) -> None:
    made = experiment(
        [
            activity(
                "probe", "plan_power_off", vms={"name": "web-*", "count": 2}, path="plan.json"
            ),
            activity("action", "batch_power_off", vms={"plan": "plan.json"}),
            activity("action", "batch_power_off", vms={"plan": "plan.json"}),
        ]
    )
    plan, act, again = chaos.run(made)["run"]
    planned = {vm["name"] for vm in plan["output"]["vms"]}
    assert plan["output"] == json.loads((chaos.folder / "plan.json").read_text())
    assert plan["output"]["possible"] is True
    assert {outcome["name"] for outcome in act["output"]["outcomes"]} == planned == off(world)
    assert act["output"]["seed"] == plan["output"]["seed"]
    assert "was powered_on and is powered_off" in told(again)
    assert "Make a new plan" in told(again)


def test_a_plan_of_a_vm_that_was_renamed(
    chaos: Chaos, world: World, experiment: Experiment, activity: Activity
) -> None:
    chaos.run(experiment([activity("probe", "plan_suspend", vms=some(0, 2), path="plan.json")]))
    world.change("web-1", name="precious")
    made = experiment([activity("action", "batch_suspend", vms={"plan": "plan.json"})])
    assert "was renamed to 'precious'" in told(chaos.run(made)["run"][0])
    assert {vm.state for vm in world.vms} == {State.RUNNING}


def test_a_dry_run_by_setting(
    chaos: Chaos, world: World, lab: Lab, experiment: Experiment, activity: Activity
) -> None:
    made = experiment(
        [
            activity("action", "batch_power_off", vms={"name": "web-*", "count": 2, "seed": 1}),
            activity("action", "power_off", vm_name="web-1", graceful=False),
        ],
        rollbacks=[activity("action", "restore_power_states")],
        configuration={"chaosvm_dry_run": True},
    )
    journal = chaos.run(made)
    assert [run["status"] for run in journal["run"] + journal["rollbacks"]] == ["succeeded"] * 3
    assert all(run["output"]["dry_run"] for run in journal["run"] + journal["rollbacks"])
    assert "dry run: power_off of 2 VM(s), drawn with seed 1" in chaos.console
    assert "powered_on: hard power off" in chaos.console
    assert off(world) == set()
    assert list(chaos.folder.rglob("chaosvm-ledger-*")) == []
    changes = ("ShutdownGuest", "PowerOffVM", "/shutdown", "/stop")
    assert not [asked for asked in lab.requests() if any(verb in asked for verb in changes)]


def test_a_recovery_can_be_rehearsed(
    chaos: Chaos, lab: Lab, world: World, experiment: Experiment, activity: Activity, name: str
) -> None:
    chaos.run(experiment([activity("action", "batch_power_off", vms=some(0, 2))]))
    (ledger,) = chaos.folder.rglob("chaosvm-ledger-*")
    before = ledger.read_bytes()
    restore = activity("action", "restore_power_states", ledger=str(ledger))
    dry = chaos.run(experiment([restore], configuration={"chaosvm_dry_run": True}))
    assert [vm["name"] for vm in dry["run"][0]["output"]["plan"]["vms"]] == ["web-1", "web-0"]
    assert "power_on, to bring it to powered_on" in chaos.console
    assert (off(world), ledger.read_bytes()) == ({"web-0", "web-1"}, before)
    assert chaos.run(experiment([restore]))["run"][0]["output"]["changed"] == 2
    assert off(world) == set()


CONTROL = {
    "name": "tell-what-is-left-out",
    "provider": {"type": "python", "module": "chaosvm.controls.dry_run"},
}


@pytest.mark.parametrize("dry", ["actions", "activities"])
def test_what_dry_leaves_out_is_told(
    chaos: Chaos, world: World, experiment: Experiment, activity: Activity, dry: str
) -> None:
    made = experiment(
        [
            activity("probe", "count_vms"),
            activity("action", "batch_power_off", vms=some(0, 3)),
            activity("action", "batch_reboot", vms=some(3, 6), graceful=False),
            activity("action", "power_off", vm_name="no-such-vm"),
        ],
        rollbacks=[activity("action", "batch_power_on", vms={"name": "web-*"})],
        configuration={"chaosvm_max_vms": 5},
        controls=[CONTROL],
    )
    journal = chaos.run(made, "--dry", dry)
    assert journal["status"] == "completed"
    assert "dry run: power_off of 3 VM(s)" in chaos.console
    assert "dry run: reboot of 3 VM(s)" in chaos.console
    assert "6 with this action: stopped" in chaos.console
    assert "'batch_reboot' would fail: " in chaos.console
    assert "no VM is called 'no-such-vm'" in chaos.console
    assert "dry run: power_on of 10 VM(s)" in chaos.console
    assert [run["output"] for run in journal["run"]] == [
        11 if dry == "actions" else None,
        None,
        None,
        None,
    ]
    assert off(world) == set()
    assert list(chaos.folder.rglob("chaosvm-ledger-*")) == []


@pytest.mark.parametrize("arguments", [[], ["--dry", "probes"], ["--dry", "pause"]], ids=str)
def test_what_is_not_left_out_is_not_planned(
    chaos: Chaos, world: World, experiment: Experiment, activity: Activity, arguments: list[str]
) -> None:
    made = experiment([activity("action", "power_off", vm_name="web-1")], controls=[CONTROL])
    journal = chaos.run(made, *arguments)
    assert journal["run"][0]["output"]["changed"] is True
    assert "dry run" not in chaos.console
    assert off(world) == {"web-1"}
