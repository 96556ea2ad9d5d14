"""Experiments with one misspelt word each: no rehearsal of them passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from chaoslib.control import load_global_controls, reset_global_controls
from chaoslib.experiment import load_experiment, run_experiment

from chaosvm.lab import control
from chaosvm.lab.fixtures import is_near_miss
from tests.production import CONTROL_FILE


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    control.cleanup_control()
    reset_global_controls()


def activity(kind: str, func: str, tolerance: Any = None, **arguments: Any) -> dict[str, Any]:
    module = f"chaosvm.vsphere.{kind}s"
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    name = f"number {len(str(arguments))}"  # in no word that is misspelt
    made = {"type": kind, "name": name, "provider": provider}
    return made if tolerance is None else made | {"tolerance": tolerance}


WEB = {"name": "web-*", "cluster": "prod", "tag": "production"}
EXPERIMENT = {
    "title": "The shop goes on",
    "description": "while a VM is off",
    "configuration": {
        "vsphere_server": "vcenter.example",
        "chaosvm_protect": "db-*",
        "chaosvm_protect_tag": "data",
    },
    "secrets": {"vc": {"vsphere_username": "chaos", "vsphere_password": "secret"}},
    "controls": [
        {"name": "undo", "provider": {"type": "python", "module": "chaosvm.controls.undo"}},
        {
            "name": "told",
            "provider": {"type": "python", "module": "chaosvm.controls.summary", "arguments": {}},
            "scope": "after",
        },
    ],
    "steady-state-hypothesis": {
        "title": "It runs",
        "probes": [
            activity("probe", "vm_has_power_state", True, vm_name="app-01", expected="powered_on"),
            activity("probe", "count_vms", 3, vms={**WEB, "power_state": "powered_on"}),
        ],
    },
    "method": [
        activity(
            "action",
            "power_off",
            vm_name="shop-frontend",
            graceful=True,
            timeout=30,
            on_timeout="fail",
        ),
        {
            **activity("probe", "vm_power_state", vm_name="shop-frontend"),
            "pauses": {"before": 0, "after": 0},
        },
        activity("action", "batch_reboot", vms={**WEB, "count": 1}),
        activity("action", "batch_power_off", vms={"folder": "data", "host": "esx-01"}),
        activity("probe", "count_vms", vms={"guest_os": "Red Hat*"}),
        activity("probe", "hosts_available", cluster="test"),
    ],
    "rollbacks": [activity("action", "power_on", vm_name="app-02")],
}


def misspell(right: str, wrong: str, which: int = 0) -> dict[str, Any]:
    """The experiment with one word replaced in the one place that is counted."""
    parts = json.dumps(EXPERIMENT).split(right)
    assert len(parts) > which + 1, right
    text = right.join(parts[: which + 1]) + wrong + right.join(parts[which + 1 :])
    made: dict[str, Any] = json.loads(text)
    return made


def rehearse(experiment: dict[str, Any], folder: Path) -> dict[str, Any]:
    """As `chaos run --no-validation` does, which leaves all checks to the rehearsal."""
    path = folder / "experiment.json"
    path.write_text(json.dumps(experiment))
    load_global_controls({}, [str(CONTROL_FILE)])
    journal: dict[str, Any] = run_experiment(load_experiment(str(path)))
    return journal


def test_as_it_is_meant_it_passes(tmp_path: Path) -> None:
    journal = rehearse(deepcopy(EXPERIMENT), tmp_path)
    assert (journal["status"], journal["deviated"]) == ("completed", False)
    assert {step["status"] for step in (*journal["run"], *journal["rollbacks"])} == {"succeeded"}


@pytest.mark.parametrize(
    ("right", "wrong", "which"),
    [
        # Names.
        ("app-01", "app-O1", 0),
        ("app-02", "ap-02", 0),
        ("shop-frontend", "shop-fronted", 0),
        ("shop-frontend", "shop-frontent", 1),
        ("web-*", "wbe-*", 0),
        ('"prod"', '"prd"', 0),
        ('"prod"', '"porduction"', 1),
        ('"production"', '"prodution"', 0),
        ('"data"', '"dta"', 0),
        ("esx-01", "exs-01", 0),
        ("Red Hat*", "Red Hatt*", 0),
        ('"test"', '"tset"', 0),
        ("db-*", "bd-*", 0),
        ('"chaosvm_protect_tag": "data"', '"chaosvm_protect_tag": "dta"', 0),
        # Keys, which Chaos Toolkit ignores if it does not know them.
        ('"rollbacks"', '"rolbacks"', 0),
        ('"steady-state-hypothesis"', '"steady-state-hypotesis"', 0),
        ('"arguments"', '"argument"', 0),
        ('"tolerance"', '"tolerence"', 0),
        ('"pauses"', '"pausse"', 0),
        ('"after": 0', '"aftr": 0', 0),
        # In controls.
        ('"arguments": {}', '"argumnts": {}', 0),
        ('"scope"', '"scpe"', 0),
        ("chaosvm.controls.undo", "chaosvm.controls.udno", 0),
        # Words of the language that experiments are written in.
        ("vm_name", "vmname", 1),
        ("graceful", "gracefull", 0),
        ("timeout", "tiemout", 0),
        ("on_timeout", "on_timout", 0),
        ('"power_off"', '"poweroff"', 0),
        ('"batch_reboot"', '"batch_rebot"', 0),
        ('"count_vms"', '"count_vm"', 0),
        ("chaosvm.vsphere.actions", "chaosvm.vsphere.action", 0),
        ("chaosvm.vsphere.actions", "chaosvm.vshpere.actions", 1),
        ("chaosvm.vsphere.actions", "chaosmv.vsphere.actions", 2),
        ('"expected": "powered_on"', '"expected": "powerd_on"', 0),
        ('"power_state": "powered_on"', '"power_state": "poweredon"', 0),
        ('"power_state"', '"power_sate"', 0),
        ('"cluster"', '"clutser"', 0),
        ('"folder"', '"foldr"', 0),
        ('"count": 1', '"cuont": 1', 0),
        ('"on_timeout": "fail"', '"on_timeout": "fial"', 0),
        ("vsphere_server", "vsphere_sever", 0),
        ("vsphere_server", "vshpere_server", 0),
        ("chaosvm_protect", "chaosvm_protct", 0),
        ("vsphere_password", "vsphere_pasword", 0),
    ],
)
def test_with_one_misspelt_word_it_does_not(
    tmp_path: Path, right: str, wrong: str, which: int
) -> None:
    journal = rehearse(misspell(right, wrong, which), tmp_path)
    assert (journal["status"], journal["run"], journal["rollbacks"]) == ("interrupted", [], [])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("web-O1", "web-01"),
        ("wbe-01", "web-01"),
        ("we-01", "web-01"),
        ("web-1", "web-01"),
        ("Web-01", "web-01"),
        ("web_01", "web-01"),
        ("bd-01", "db-01"),
        ("web-fronted", "web-frontend"),
        ("webfrontend", "web-frontend"),
        ("wbe-*", "web-01"),
        ("prd", "prod"),
        ("porud", "prod"),
        ("webs-01", "web-01"),
        ("chace-01", "cache-01"),
        ("app-l", "app-01"),
        ("Red Hatt*", "Red Hat Enterprise Linux 9 (64-bit)"),
        ("Red Hat Enterprize Linux*", "Red Hat Enterprise Linux 9 (64-bit)"),
        ("prodution", "production"),
        ("production1", "production"),
    ],
)
def test_a_near_miss(written: str, meant: str) -> None:
    assert is_near_miss(written, meant)
    assert is_near_miss(meant, written)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("web-01", "web-02"),
        ("web-01", "web-11"),
        ("api-01", "app-01"),
        ("node-a", "node-b"),
        ("web-eu", "web-us"),
        ("shop-east", "shop-west"),
        ("mail-01", "main-01"),
        ("db-01", "lb-01"),
        ("web-*", "app-01"),
        ("prod", "prod-2"),
        ("prod", "prod1"),
        ("production", "production-2"),
        ("production1", "production2"),
        ("node-l", "node-02"),
        ("shop-07", "shop-70"),
        ("Debian GNU/Linux 12*", "Debian GNU/Linux 11 (64-bit)"),
    ],
)
def test_names_that_differ(one: str, other: str) -> None:
    assert not is_near_miss(one, other)
    assert not is_near_miss(other, one)


def test_what_is_made_up_is_told(tmp_path: Path, logs: pytest.LogCaptureFixture) -> None:
    rehearse(deepcopy(EXPERIMENT), tmp_path)
    told = [record.getMessage() for record in logs.records if record.levelname == "WARNING"]
    assert "rehearsal: added VM 'shop-frontend' (powered on) in cluster prod" in told
    assert told[-1].startswith("rehearsal: 3 VMs were made up")
    assert "shop-frontend" in told[-1]


def test_a_sample_of_less_than_one_vm_fails_as_for_real(
    tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    made = deepcopy(EXPERIMENT)
    made["method"] = [
        activity("action", "batch_power_off", vms={"name": name, "percent": 33})
        for name in ("web-*", "mine-*")
    ]
    names = [repr(each["name"]) for each in made["method"]]
    journal = rehearse(made, tmp_path)
    run = journal["run"]
    assert [step["status"] for step in run] == ["failed", "failed"]
    assert "33 % of 3 VMs rounds down to 0" in str(run[0]["exception"])
    # Chaos Toolkit alone goes on to "completed", and the command to 0.
    assert journal["status"] == "failed"
    last = [record.getMessage() for record in logs.records if record.levelname == "ERROR"][-1]
    assert last == f"rehearsal: not passed, as these activities failed: {', '.join(names)}"


@pytest.mark.parametrize(
    ("vms", "secrets", "said"),
    [
        ({"regex": "^wbe-.*"}, [], "a regular expression yields no names"),
        ({"ids": ["vm-100l"]}, [], "'vm-100l' is no VM id on vsphere"),
        ({"name": "web-*"}, ["nowhere"], "names the group of secrets 'nowhere', which the"),
        ({"regex": "^lb-.*"}, [], ""),  # fewer VMs than are made up, but one
    ],
)
def test_what_cannot_succeed_is_not_begun(
    tmp_path: Path,
    vms: dict[str, Any],
    secrets: list[str],
    said: str,
    logs: pytest.LogCaptureFixture,
) -> None:
    made = deepcopy(EXPERIMENT)
    made["method"] = [activity("action", "batch_power_off", vms=vms)]
    made["method"][0]["provider"]["secrets"] = secrets
    journal = rehearse(made, tmp_path)
    assert (journal["status"], journal["run"] == []) == (
        ("interrupted", True) if said else ("completed", False)
    )
    assert said in logs.text
