"""The control that rehearses an experiment: what it is told, and what it leaves behind."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.control import reset_global_controls
from chaoslib.exceptions import InterruptExecution, InvalidExperiment
from chaoslib.experiment import run_experiment

from chaosvm.errors import InvalidValue, NotInRehearsal
from chaosvm.lab import control, lab
from chaosvm.lab.foreign_activities import OtherActions
from chaosvm.lab.session import ControlArguments
from chaosvm.runtime import rehearsal
from tests.lab import late_control
from tests.production import CONTROL_FILE, read, run, switch
from tests.production import activity as made_activity
from tests.production import control as declared


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    late_control.done.clear()
    yield
    control.cleanup_control()
    reset_global_controls()


def experiment(*method: dict[str, Any], **more: Any) -> dict[str, Any]:
    basis = {"title": "A test", "description": "A test", "rollbacks": []}
    return {**basis, "method": list(method), **more}


def activity(*arguments: Any, **more: Any) -> dict[str, Any]:
    """Without secrets: the lab's own do."""
    made = made_activity(*arguments, **more)
    del made["provider"]["secrets"]
    return made


def count(**vms: Any) -> dict[str, Any]:
    return activity("chaosvm.vsphere.probes", "count_vms", vms=vms or {"all": True})


def process(folder: Path, kind: str = "action", name: str = "touched") -> dict[str, Any]:
    provider = {"type": "process", "path": "touch", "arguments": str(folder / name)}
    return {"type": kind, "name": f"touch-{name}", "provider": provider}


def rehearse(folder: Path, made: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    rollbacks = arguments.pop("rollbacks", "default")
    path = folder / "control.json"
    path.write_text(json.dumps({"rehearse": declared(**arguments)}))
    return run(made, folder, path, rollbacks)


def outputs(journal: dict[str, Any]) -> list[Any]:
    return [step["output"] for step in journal["run"]]


# What it is told --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"wrold": "small"}, "unknown key 'wrold' .did you mean 'world'"),
        ({"world": ""}, "control.world is empty"),
        ({"world": 3}, "control.world is 3"),
        ({"cast": "perhaps"}, "control.cast is 'perhaps'"),
        (
            {"platforms": ["vsphere", "hyperv"]},
            "control.platforms is 'hyperv'.*vsphere, olvm",
        ),
        ({"platforms": []}, "control.platforms is"),
        ({"latency": "soon"}, "control.latency is 'soon'"),
        ({"durations": -1}, "control.durations is -1"),
        ({"longest_wait": 0}, "control.longest_wait is 0"),
        ({"other_actions": "skipp"}, "control.other_actions is 'skipp'.*skip, run, stop"),
        ({"process_probes": "stop"}, "control.process_probes is 'stop'.*skip, run"),
    ],
)
def test_arguments_that_cannot_be_used(arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidValue, match=reason):
        ControlArguments.read(arguments)


def test_everything_may_be_left_out() -> None:
    assert ControlArguments.read({}) == ControlArguments(
        world="small", cast=True, other_actions=OtherActions.SKIP, platforms=None
    )
    assert ControlArguments.read({"world": "awkward"}) == ControlArguments(
        world="awkward", cast=False
    )
    assert ControlArguments.read({"world": "awkward", "cast": True}) == ControlArguments(
        world="awkward", cast=True
    )


def test_a_world_of_ones_own(tmp_path: Path) -> None:
    world = {"vms": [{"name": "mine-{01..03}"}]}
    assert outputs(rehearse(tmp_path, experiment(count()), world=world)) == [3]
    path = tmp_path / "world.json"
    path.write_text(json.dumps(world))
    assert outputs(rehearse(tmp_path, experiment(count()), world=str(path))) == [3]


def test_arguments_may_hold_variables(tmp_path: Path) -> None:
    made = experiment(count(), configuration={"which": "awkward"})
    assert outputs(rehearse(tmp_path, made, world="${which}")) != [12]


def test_the_worlds_faults_are_for_the_experiment(tmp_path: Path) -> None:
    """Not for the lab's own look at whether everything leads there."""
    # A reading is tried twice.
    fault = {"method": "Login", "action": "status", "code": 503, "times": 2}
    world = {"vms": [{"name": "mine"}], "faults": [fault]}
    journal = rehearse(tmp_path, experiment(count(), count()), world=world)
    assert [step["status"] for step in journal["run"]] == ["failed", "succeeded"]


def test_only_some_platforms(tmp_path: Path, logs: pytest.LogCaptureFixture) -> None:
    journal = rehearse(tmp_path, experiment(count()), platforms=["vsphere"])
    assert outputs(journal) == [12]
    assert "VMs stands in for vSphere; chaosvm touches nothing real" in logs.text


@pytest.mark.parametrize(
    ("needs", "platforms", "missing"),
    [
        (switch("olvm"), ["vsphere", "dora"], "OLVM, .*: add olvm to the `platforms`"),
        (read("vsphere"), ["olvm"], "vSphere, .*: add vsphere to the `platforms`"),
        (switch("dora"), ["dora"], "vSphere, .*: add vsphere to the `platforms`"),
        (read("vsphere"), None, "vSphere, .*: pip install 'chaostoolkit-vm.lab,vsphere"),
    ],
    ids=str,
)
@pytest.mark.parametrize("where", ["method", "rollbacks"])
def test_a_platform_that_the_experiment_needs_and_the_lab_lacks(
    where: str,
    needs: dict[str, Any],
    platforms: list[str] | None,
    missing: str,
    tmp_path: Path,
    logs: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is run that would only fail half way."""
    monkeypatch.setattr("chaosvm.lab.lab.installed", lambda: ("dora",))
    needs = copy.deepcopy(needs)
    del needs["provider"]["secrets"]
    first = activity("tests.production", "interrupt")
    method, rollbacks = ([first, needs], []) if where == "method" else ([first], [needs])
    made = experiment(*method, rollbacks=rollbacks)
    told = {} if platforms is None else {"platforms": platforms}
    journal = rehearse(tmp_path, made, **told, rollbacks="always")
    assert (journal["status"], journal["run"], journal["rollbacks"]) == ("interrupted", [], [])
    assert re.search(f"{needs['name']}' needs {missing}", logs.text)


@pytest.mark.parametrize("told", [{}, {"platforms": ["dora"]}], ids=str)
def test_a_platform_without_a_simulated_server(
    told: dict[str, Any], tmp_path: Path, logs: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    simulated = {name: each for name, each in lab._PLATFORMS.items() if name != "vsphere"}
    monkeypatch.setattr(lab, "_PLATFORMS", simulated)
    rehearse(tmp_path, experiment(count()), **told)
    assert "needs vSphere, which the lab lacks: it is not simulated, so this exp" in logs.text


# VMs that an experiment names ---------------------------------------------------------------


def test_vms_that_the_experiment_names_are_added(tmp_path: Path) -> None:
    made = experiment(switch("vsphere", "shop-frontend-7"))
    made["method"][0]["provider"].pop("secrets")
    journal = rehearse(tmp_path, made)
    assert outputs(journal)[0]["name"] == "shop-frontend-7"
    journal = rehearse(tmp_path, made, world="small")
    assert [step["status"] for step in journal["run"]] == ["failed"]


# What others do -----------------------------------------------------------------------------


def test_actions_of_others_are_skipped(tmp_path: Path, logs: pytest.LogCaptureFixture) -> None:
    action, probe = process(tmp_path), process(tmp_path, "probe", "probed")
    background = {**process(tmp_path, name="behind"), "background": True, "pauses": {"after": 60}}
    made = experiment(
        action, background, {"ref": "touch-touched"}, probe, count(), rollbacks=[action]
    )
    journal = rehearse(tmp_path, made)
    assert not (tmp_path / "touched").exists()
    assert not (tmp_path / "behind").exists()
    assert not (tmp_path / "probed").exists()
    skipped = "skipped: this was a rehearsal, and the action is not one of chaosvm's"
    assert outputs(journal)[:3] == [skipped] * 3
    assert outputs(journal)[3] == skipped.replace("action", "probe")
    assert outputs(journal)[4] == 12
    assert journal["rollbacks"][0]["output"] == skipped
    assert "skipped actions that are not chaosvm's: 'touch-touched', 'touch-behind'" in logs.text
    assert (
        "skipped process probes, whose connections cannot be controlled: 'touch-probed'"
        in logs.text
    )
    # The journal shows what was written.
    assert journal["experiment"]["method"] == made["method"]
    assert [step["activity"] for step in journal["run"]] == [
        action,
        background,
        action,
        probe,
        count(),
    ]


def test_they_are_skipped_too_where_the_control_is_not_called(tmp_path: Path) -> None:
    """Chaos Toolkit leaves it out where an activity only refers to other controls."""
    other = {"name": "late", "provider": {"type": "python", "module": "tests.lab.late_control"}}
    action = {**process(tmp_path), "controls": [{"ref": "late"}]}
    made = experiment(action, controls=[declared(), {**other, "automatic": False}])
    journal = run_experiment(made, settings={})
    assert not (tmp_path / "touched").exists()
    json.dumps(journal["run"])


def test_actions_that_come_later_are_skipped_too(tmp_path: Path) -> None:
    """Another control may change what has begun."""
    late = {"name": "late", "provider": {"type": "python", "module": "tests.lab.adding_control"}}
    later = process(tmp_path)
    made = experiment(count(), controls=[declared(), late], extensions=[{"name": "x", **later}])
    journal = run_experiment(made, settings={})
    assert not (tmp_path / "touched").exists()
    assert "skipped" in outputs(journal)[-1]


def test_actions_of_others_may_be_run(tmp_path: Path, logs: pytest.LogCaptureFixture) -> None:
    journal = rehearse(tmp_path, experiment(process(tmp_path)), other_actions="run")
    assert journal["status"] == "completed"
    assert (tmp_path / "touched").exists()
    assert "are really run, because other_actions is run: 'touch-touched'" in logs.text


def test_actions_of_others_may_stop_it(tmp_path: Path, logs: pytest.LogCaptureFixture) -> None:
    made = experiment(count(), process(tmp_path), rollbacks=[process(tmp_path)])
    journal = rehearse(tmp_path, made, other_actions="stop", rollbacks="always")
    assert (journal["status"], journal["run"], journal["rollbacks"]) == ("interrupted", [], [])
    assert not (tmp_path / "touched").exists()
    assert "other_actions is stop: 'touch-touched'" in logs.text


# The end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["declared before", "declared after", "by control file"])
def test_other_controls_still_find_the_lab(how: str, tmp_path: Path) -> None:
    module = "tests.lab.late_control"
    late = {"name": "late", "provider": {"type": "python", "module": module}}
    controls = {"declared before": [declared(), late], "declared after": [late, declared()]}
    made = experiment(switch("vsphere"), controls=controls.get(how, [late]))
    made["method"][0]["provider"].pop("secrets")
    run(made, tmp_path, CONTROL_FILE if how == "by control file" else None)
    assert late_control.done == ["after", "cleanup", "finish"]
    assert control._session is None
    assert not rehearsal.is_on()


@pytest.mark.parametrize("rollbacks", ["default", "always"])
def test_what_is_undone_is_undone_in_the_lab(
    rollbacks: str, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    undo = {"name": "undo", "provider": {"type": "python", "module": "chaosvm.controls.undo"}}
    real = tmp_path / "real.jsonl"
    made = experiment(
        switch("vsphere"),
        switch("olvm", "web-02"),
        made_activity("tests.production", "interrupt"),
        configuration={"chaosvm_ledger": str(real)},
        controls=[undo],
    )
    for each in made["method"]:
        each["provider"].pop("secrets")
    journal = run(made, tmp_path, CONTROL_FILE, rollbacks)
    assert journal["status"] == "interrupted"
    undone = journal["chaosvm_undo"]["outcomes"]
    assert {(each["name"], each["after"]) for each in undone} == {
        ("web-01", "powered_on"),
        ("web-02", "powered_on"),
    }
    assert "rehearsal: web-01: shutdown requested, then off, then power on requested" in logs.text
    assert not real.exists()


def test_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = dict(os.environ)
    made = experiment(switch("vsphere"), switch("olvm", "web-02"))
    for each in made["method"]:
        each["provider"].pop("secrets")
    rehearse(tmp_path, made)
    assert list(tmp_path.glob("chaosvm-lab-*")) == []
    assert dict(os.environ) == before
    assert "rehearsal: web-01: shutdown requested, then off" in logs.text
    assert "rehearsal: web-02: shutdown requested, then off" in logs.text


def test_declared_twice_is_as_good_as_once(tmp_path: Path) -> None:
    made = experiment(count(), controls=[declared()])
    journal = run(made, tmp_path, CONTROL_FILE)
    assert outputs(journal) == [12]


def test_one_after_the_other(tmp_path: Path) -> None:
    made = experiment(count(), switch("vsphere", "web-01"), secrets={"all": {}})
    for _ in range(2):
        assert outputs(rehearse(tmp_path, made))[0] == 12


def test_an_export_does_not_take_the_place_of_a_real_one(tmp_path: Path) -> None:
    path = tmp_path / "staging.json"
    path.write_text("what was really there")
    arguments = {"environments": ["staging"], "path": str(path)}
    made = experiment(activity("chaosvm.dora.actions", "export_inventory", **arguments))
    written = tmp_path / "staging.rehearsal.json"
    assert outputs(rehearse(tmp_path, made))[0]["path"] == str(written)
    assert written.exists()
    assert path.read_text() == "what was really there"


def test_an_experiment_that_was_never_run_is_not_mixed_up(tmp_path: Path) -> None:
    missing = {"type": "env", "key": "CHAOSVM_TEST_NOT_SET"}
    with pytest.raises(InvalidExperiment, match="CHAOSVM_TEST_NOT_SET"):
        rehearse(tmp_path, experiment(count(), configuration={"vm_name": missing}))
    made = experiment(count(), configuration={"mine": 1}, controls=[declared()])
    journal = run_experiment(made, settings={})
    assert journal["experiment"]["configuration"] == {"mine": 1}


def test_what_could_not_be_set_up_is_blocked(tmp_path: Path) -> None:
    with pytest.raises(InterruptExecution, match="other_actions is stop"):
        control.before_experiment_control(experiment(process(tmp_path)), other_actions="stop")
    with pytest.raises(NotInRehearsal, match="no connection was made: the rehearsal could not"):
        rehearsal.require_allowed("127.0.0.1", 443)
    with pytest.raises(InterruptExecution, match="'touch-touched' was not run"):
        control.before_activity_control(process(tmp_path))
