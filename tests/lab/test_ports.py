"""A rehearsal has what probes name: the ports of guests, hosts, clusters and enough VMs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chaosvm.lab import World
from chaosvm.lab.fixtures import cast
from tests.production import CONTROL_FILE, run


def probe(platform: str, func: str, **arguments: Any) -> dict[str, Any]:
    module = f"chaosvm.{platform}.probes"
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": "probe", "name": func, "provider": provider}


def experiment(*method: dict[str, Any]) -> dict[str, Any]:
    return {"title": "Probes", "description": "Probes", "method": list(method), "rollbacks": []}


@pytest.mark.parametrize("platform", ["vsphere", "olvm"])
def test_a_rehearsal_answers_probes_of_what_production_has(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    off = probe(platform, "power_off", vm_name="shop-07", graceful=False)
    on = probe(platform, "power_on", vm_name="shop-07")
    for name, each in (("off", off), ("on", on)):
        each |= {"type": "action", "name": name}
        each["provider"]["module"] = f"chaosvm.{platform}.actions"
    made = experiment(
        probe(platform, "guest_port_open", vm_name="shop-07", port=8443),
        probe(platform, "guest_tools_running", vm_name="shop-07"),
        probe(platform, "running_vms_at_least", vms={"name": "tier-*"}, minimum=5),
        probe(platform, "hosts_available", cluster="gold"),
        probe(platform, "host_connection_state", host="esx-42.example.com"),
        off,
        on,
        probe(platform, "recovery_seconds", vm_name="shop-07", since="off", limit=60),
    )
    journal = run(made, tmp_path, CONTROL_FILE)
    outputs = {each["activity"]["name"]: each["output"] for each in journal["run"]}
    assert {each["status"] for each in journal["run"]} == {"succeeded"}
    assert outputs["guest_port_open"] is True
    assert outputs["guest_tools_running"] is True
    assert outputs["running_vms_at_least"] is True
    assert outputs["hosts_available"] >= 1
    assert outputs["host_connection_state"] == "connected"
    assert 0 <= outputs["recovery_seconds"] < 60


def test_what_a_probe_would_refuse_adds_nothing() -> None:
    world = World()
    world.add_vm("web-01")
    cast(
        experiment(
            probe("vsphere", "guest_port_open", vm_name="web-01", port=0),
            probe("vsphere", "guest_port_open", vm_name="web-01", port="ssh"),
            probe("vsphere", "recovery_seconds", vm_name="web-01", since="x", milestone="prot:1"),
        ),
        {},
        world,
    )
    assert world.vms[0].guest.services == ()


def test_a_port_is_added_once_and_to_all_that_are_chosen() -> None:
    world = World()
    lines = cast(
        experiment(
            probe("vsphere", "recovery_seconds", vm_name="web-01", since="x", milestone="http:80/"),
            probe("vsphere", "guest_port_open", vm_name="web-01", port=80),
            probe("vsphere", "guest_port_open", vm_name="web-01"),
        ),
        {},
        world,
    )
    (vm,) = world.vms
    assert [(each.port, each.http) for each in vm.guest.services] == [(80, True)]
    assert [line for line in lines if "listens" in line] == ["'web-01' listens on port 80"]
