"""Probes in whole experiments: ``since`` as the name of an activity, and verdicts on recovery."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.types import Strategy

from chaosvm.lab import Guest, Lab, World
from tests.http_service import serving
from tests.production import ROOT, run

EXAMPLE = ROOT / "examples" / "vsphere_outage_watched.json"
VM, LATE = "web-01", "late-01"


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    with serving() as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A VM whose guest is ready at once, and one whose agent does not come."""
    world = World()
    # An engine tells of an agent only by what it reports, such as addresses.
    world.add_vm(VM, ip_addresses=("10.0.0.1",))
    world.add_vm(LATE, ip_addresses=("10.0.0.2",), guest=Guest(agent_after=600))
    with Lab(world, platforms=["vsphere", "olvm"]) as running:
        yield running


@pytest.fixture(autouse=True)
def environment(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where reports and ledgers are written
    for name, value in lab.environment().items():
        monkeypatch.setenv(name, value)


def step(platform: str, func: str, name: str, **arguments: Any) -> dict[str, Any]:
    kind = "action" if func in ("power_off", "power_on", "reboot") else "probe"
    provider = {"type": "python", "module": f"chaosvm.{platform}.{kind}s", "func": func}
    return {"type": kind, "name": name, "provider": {**provider, "arguments": arguments}}


def experiment(*method: dict[str, Any], **more: Any) -> dict[str, Any]:
    title = "A VM comes back"
    return {"title": title, "description": title, "method": list(method), **more}


def outputs(journal: dict[str, Any]) -> dict[str, Any]:
    return {
        each["activity"]["name"]: each["output"]
        if each["status"] == "succeeded"
        else each["exception"][-1].strip()
        for each in journal["run"]
    }


def cycle(platform: str) -> list[dict[str, Any]]:
    return [
        step(platform, "power_off", "off", vm_name=VM, graceful=False),
        step(platform, "power_on", "on", vm_name=VM),
    ]


@pytest.mark.parametrize("platform", ["vsphere", "olvm"])
def test_since_is_the_beginning_of_an_earlier_activity(platform: str, tmp_path: Path) -> None:
    journal = run(
        experiment(
            *cycle(platform),
            step(platform, "wait_for_state", "back", vms={"names": [VM]}, timeout=60),
            step(platform, "recovery_seconds", "recovery", vm_name=VM, since="off"),
            step(platform, "vm_rebooted_since", "rebooted", vm_name=VM, since="off"),
            step(platform, "vm_restarted_by_ha", "restarted", vm_name=VM, since="off"),
            step(platform, "vm_events", "events", vms={"names": [VM]}, since="on"),
            step(platform, "vm_events", "later", vms={"names": [VM]}, since="back"),
            step(platform, "vm_events", "misspelt", vms={"names": [VM]}, since="of"),
            step(platform, "vm_events", "too-early", vms={"names": [VM]}, since="last"),
            step(platform, "vm_host", "last", vm_name=VM),
        ),
        tmp_path,
    )
    told = outputs(journal)
    assert told["back"] is True
    assert 0 < told["recovery"] < 60
    assert told["rebooted"] is True
    assert told["restarted"] is False
    assert "power_on_requested" in {each["kind"] for each in told["events"]}
    assert "powered_off" not in {each["kind"] for each in told["events"]}
    assert "powered_off" not in {each["kind"] for each in told["later"]}
    assert "did you mean 'off'" in told["misspelt"]
    assert "has not begun in this run" in told["too-early"]


@pytest.mark.parametrize("platform", ["vsphere", "olvm"])
def test_a_recovery_is_waited_for_after_the_method(platform: str, tmp_path: Path, lab: Lab) -> None:
    vm = next(vm for vm in lab.world.vms if vm.name == VM)
    lab.world.change(vm.id, guest=Guest(agent_after=1.5))
    arguments = {"vm_name": VM, "since": "off", "milestone": "tools", "limit": 60}
    recovers = step(platform, "recovery_seconds", "recovers", **arguments)
    hypothesis = {"title": "-", "probes": [{**recovers, "tolerance": [0, 60]}]}
    journal = run(experiment(*cycle(platform), **{"steady-state-hypothesis": hypothesis}), tmp_path)
    lab.world.change(vm.id, guest=Guest())
    after = journal["steady_states"]["after"]
    assert (journal["deviated"], after["steady_state_met"]) == (False, True)
    assert 1.5 <= after["probes"][0]["output"] < 60
    assert journal["steady_states"]["before"]["probes"][0]["output"] == 0


@pytest.mark.parametrize("platform", ["vsphere", "olvm"])
def test_a_recovery_is_judged_once_the_limit_has_passed(platform: str, tmp_path: Path) -> None:
    recovers = step(
        platform,
        "recovery_seconds",
        "recovers",
        vm_name=LATE,
        since="off",
        milestone="tools",
        limit=1.0,
    )
    hypothesis = {"title": "-", "probes": [{**recovers, "tolerance": [0, 1]}]}
    journal = run(
        experiment(
            step(platform, "power_off", "off", vm_name=LATE, graceful=False),
            {
                **step(platform, "power_on", "on", vm_name=LATE, timeout=30),
                "pauses": {"after": 1.5},
            },
            **{"steady-state-hypothesis": hypothesis},
        ),
        tmp_path,
        strategy=Strategy.CONTINUOUS,
    )
    states = journal["steady_states"]
    assert states["before"]["probes"][0]["output"] == 0
    # Where a check takes long, only the one after the method may begin late enough.
    checks = [*states["during"], states["after"]]
    met = [state["steady_state_met"] for state in checks]
    assert met == sorted(met, reverse=True)
    assert met[-1] is False
    ended = checks[met.index(False)]["probes"][0]["end"]
    took = dt.datetime.fromisoformat(ended) - dt.datetime.fromisoformat(journal["start"])
    assert took.total_seconds() > 1.0  # no check failed before the limit had passed
    seconds = [state["probes"][0]["output"] for state in checks if state["probes"]]
    assert max((each for each in seconds if each is not None), default=0) <= 1.0
    assert "has not reached tools again" in checks[-1]["probes"][0]["exception"][-1]


def test_the_example_watches_an_outage(shop: str, tmp_path: Path) -> None:
    written = json.loads(EXAMPLE.read_text())
    written["method"][0]["pauses"]["after"] = 0.5
    journal = run(
        written,
        tmp_path,
        strategy=Strategy.CONTINUOUS,
        variables={"vm_name": VM, "service_url": shop},
    )
    assert (journal["status"], journal["deviated"]) == ("completed", False)
    states = journal["steady_states"]["during"]
    assert {state["steady_state_met"] for state in states} == {True}
    recovery = [state["probes"][1]["output"] for state in states]
    assert recovery[0] < max(recovery) < 120
    kinds = [each["kind"] for each in journal["run"][-1]["output"]]
    assert kinds.index("powered_off") < kinds.index("power_on_requested")
