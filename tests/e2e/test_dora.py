"""Whole experiments with Dora and the vCenter behind it, on the lab."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from chaosvm.lab import Lab, State, World
from tests.e2e.conftest import Chaos
from tests.examples import EXAMPLES

ENVIRONMENT = "Arvig-Staging"
PASSWORD = "sécret/p%ss&w#rd?"


@pytest.fixture
def world() -> World:
    made = World()
    made.add_vm("web-01")
    made.add_vm("web-02")
    return made


@pytest.fixture
def lab(world: World) -> Iterator[Lab]:
    with Lab(world, platforms=["vsphere", "dora"], password=PASSWORD, dora_lag=0.5) as running:
        yield running


@pytest.fixture
def chaos(lab: Lab, tmp_path: Path) -> Chaos:
    environments = json.dumps({ENVIRONMENT: {"vsphere": {}}})
    return Chaos(tmp_path, {**lab.environment(), "DORA_ENVIRONMENTS": environments})


def activity(kind: str, func: str, **arguments: Any) -> dict[str, Any]:
    provider = {
        "type": "python",
        "module": f"chaosvm.dora.{kind}s",
        "func": func,
        "arguments": arguments,
    }
    return {"type": kind, "name": func, "provider": provider}


def test_validate_then_power_off(chaos: Chaos, world: World, lab: Lab) -> None:
    journal = chaos.run(
        EXAMPLES / "dora_validate_then_poweroff.json",
        "--var",
        f"environment={ENVIRONMENT}",
        "--var",
        "vm_name=web-01",
        *chaos.var_file(),
        "--verbose",
    )
    assert (journal["status"], journal["deviated"]) == ("completed", False), chaos.console
    assert [step["status"] for step in journal["run"]] == ["succeeded"] * len(journal["run"])
    assert world.vm("web-01").state in (State.BOOTING, State.RUNNING)  # its power is on
    assert lab.requests()["POST /sdk ShutdownGuest"] == 1
    written = chaos.everything_written()
    for secret in (PASSWORD, quote(PASSWORD, safe=""), "GetLoginToken/a"):
        assert secret not in written


def test_inventory(chaos: Chaos) -> None:
    journal = chaos.run(EXAMPLES / "dora_inventory.json", *chaos.var_file())
    assert (journal["status"], journal["deviated"]) == ("completed", False), chaos.console
    assert [step["status"] for step in journal["run"]] == ["succeeded"] * len(journal["run"])


def test_a_report_on_all_environments(chaos: Chaos) -> None:
    journal = chaos.run(EXAMPLES / "dora_all_environments.json", *chaos.var_file())
    assert (journal["status"], journal["deviated"]) == ("completed", False), chaos.console
    assert [step["status"] for step in journal["run"]] == ["succeeded"] * 3
    assert [step["output"]["format"] for step in journal["run"]] == ["html", "json", "csv"]
    page = (chaos.folder / "environments.html").read_text("utf-8")
    assert page.count(">web-01<") == 13
    data = json.loads((chaos.folder / "environments.json").read_text("utf-8"))
    assert [len(each["vms"]) for each in data["environments"]] == [2] * 13
    rows = (chaos.folder / "environments.csv").read_text("utf-8").splitlines()
    assert len(rows) == 1 + 13 * 2


def test_a_target_that_is_missing_stops_the_experiment(
    chaos: Chaos, world: World, experiment: Any
) -> None:
    halt = {"type": "python", "module": "chaosvm.controls.halt"}
    journal = chaos.run(
        experiment(
            [
                activity(
                    "action",
                    "validate_targets",
                    environment=ENVIRONMENT,
                    vms={"names": ["web-01", "web-09"]},
                ),
                activity("action", "power_off", environment=ENVIRONMENT, vm_name="web-01"),
            ],
            controls=[{"name": "halt", "provider": halt}],
        )
    )
    assert journal["status"] == "interrupted"
    assert [step["activity"]["name"] for step in journal["run"]] == ["validate_targets"]
    assert world.vm("web-01").state is State.RUNNING


def test_discovery_counts_the_environments(chaos: Chaos) -> None:
    assert chaos("discover", "--no-install", "chaostoolkit-vm") == 0
    found = json.loads((chaos.folder / "discovery.json").read_text())["system"]["dora"]
    assert len(found["environments"]) == 13
    assert {each["counts"]["vms"] for each in found["environments"]} == {2}
    assert quote(PASSWORD, safe="") not in chaos.everything_written()
    assert PASSWORD not in chaos.everything_written()
