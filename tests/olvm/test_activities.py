"""The functions that experiments call, with settings from where users put them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosvm.errors import InvalidValue, OperationFailed
from chaosvm.lab import Lab, State, World, rule
from chaosvm.olvm import actions, discover, probes
from tests.olvm.conftest import DB, OTHER, VM, sent

Environment = dict[str, str]


def test_every_action_does_what_its_name_says(environment: Environment, world: World) -> None:
    assert actions.power_off(VM)["how"] == "guest"
    assert world.vm(VM).state is State.OFF
    assert actions.power_on(VM)["after"] == "powered_on"
    assert actions.reboot(OTHER, graceful=False)["changed"] is True
    assert actions.reboot(DB)["how"] == "guest"
    assert actions.suspend(VM)["after"] == "suspended"
    assert world.vm(VM).state is State.SUSPENDED
    assert actions.power_off(VM, discard_memory=True)["before"] == "suspended"
    everything = {"all": True}
    assert actions.batch_power_on(everything)["changed"] == 1
    assert actions.batch_suspend(everything)["changed"] == 3
    off = actions.batch_power_off({"names": [VM, OTHER]}, parallel=2, discard_memory=True)
    assert (off["changed"], off["failed"], off["seed"]) == (2, 0, None)
    assert world.vm(DB).state is State.SUSPENDED


def test_a_batch_reboots(environment: Environment, world: World, lab: Lab) -> None:
    assert actions.batch_reboot({"all": True}, graceful=False)["changed"] == 3
    assert sent(lab) == {"reset": 3}


def test_every_probe_answers(environment: Environment, world: World) -> None:
    world.change(OTHER, state=State.OFF)
    assert probes.vm_info(VM)["status"] == "up"
    assert [vm["name"] for vm in probes.list_vms({"power_state": "powered_off"})] == [OTHER]
    assert len(probes.list_vms()) == 3
    assert probes.count_vms() == 3
    assert probes.count_vms({"name": "nothing*"}) == 0
    assert probes.vm_power_state(OTHER) == "powered_off"
    assert probes.vm_has_power_state(OTHER, "powered_off") is True
    assert probes.vm_has_power_state(OTHER) is False
    assert probes.all_vms_have_power_state({"name": "web-*"}) is False
    assert probes.all_vms_have_power_state({"names": [VM, DB]}, "powered_on") is True
    assert probes.inventory_summary()["power_states"] == {"powered_off": 1, "powered_on": 2}


def test_what_activities_return_is_plain_json(environment: Environment, world: World) -> None:
    world.change(VM, tags=("prod",), tells_start=True, ip_addresses=("10.0.0.1",))
    results: list[Any] = [
        probes.vm_info(VM),
        probes.list_vms(),
        probes.inventory_summary(),
        probes.vm_power_state(VM),
        actions.power_off(VM),
        actions.batch_power_on({"name": "web-*"}),
    ]
    for value in results:
        assert json.loads(json.dumps(value)) == value
        assert type(value) in (dict, list, str)


def test_settings_from_configuration_and_secrets(lab: Lab) -> None:
    configuration = {
        "olvm_url": lab.olvm_url + "/",
        "olvm_ca_file": lab.ca_file,
        "olvm_insecure": "false",
        "olvm_timeout": "9.5",
    }
    secrets = {"olvm_username": lab.username, "olvm_password": lab.password}
    assert probes.count_vms(configuration=configuration, secrets=secrets) == 3
    assert lab.sessions()["logins"] == 1


def test_a_password_in_the_configuration_is_refused_and_not_shown(
    environment: Environment, lab: Lab
) -> None:
    with pytest.raises(InvalidValue, match="move it to the secrets") as caught:
        probes.count_vms(configuration={"olvm_password": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert lab.requests() == {}


def test_activities_share_one_login(environment: Environment, lab: Lab) -> None:
    probes.count_vms()
    lab.reset_requests()
    probes.vm_power_state(VM)
    assert set(lab.requests()) == {
        f"GET /api/{name}" for name in ("vms", "hosts", "clusters", "datacenters")
    }
    actions.power_off(VM)
    assert lab.sessions()["logins"] == 1


def test_without_settings_everything_missing_is_named() -> None:
    with pytest.raises(InvalidValue) as caught:
        probes.count_vms()
    for key in ("olvm_url", "OLVM_USERNAME", "OLVM_PASSWORD"):
        assert key in str(caught.value)


def test_wrong_arguments_are_refused_before_any_request(environment: Environment, lab: Lab) -> None:
    with pytest.raises(InvalidValue, match="timeout is 'long'"):
        actions.power_off(VM, timeout="long")
    with pytest.raises(InvalidValue, match=r"expected is 'running'.*powered_on"):
        probes.vm_has_power_state(VM, "running")
    assert lab.requests() == {}


def test_a_failure_is_an_activity_failed(environment: Environment, lab: Lab) -> None:
    lab.rules(rule("stop", "fault", code=403))
    with pytest.raises(ActivityFailed) as caught:
        actions.power_off(VM, graceful=False)
    assert isinstance(caught.value, OperationFailed)


def test_the_system_is_discovered_where_it_is_configured(
    environment: Environment, world: World
) -> None:
    system = discover()["system"]
    assert (system["product"], system["version"]) == ("oVirt Engine", "4.5.8_lab")
    assert system["counts"] == {"datacenters": 1, "clusters": 1, "hosts": 1, "vms": 3}
    assert (system["datacenters"], system["clusters"]) == (["Default"], ["Default"])
    assert [(host["name"], host["status"]) for host in system["hosts"]] == [("host-1", "up")]
    assert [vm["name"] for vm in system["vms"]] == [DB, VM, OTHER]
    assert json.loads(json.dumps(system)) == system


def test_without_settings_only_the_activities_are_discovered() -> None:
    found = discover()
    assert len(found["activities"]) == 36
    assert {activity["mod"] for activity in found["activities"]} == {
        "chaosvm.olvm.actions",
        "chaosvm.olvm.probes",
    }
    assert not found["system"]


def test_an_engine_that_cannot_be_reached_does_not_stop_discovery(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLVM_PASSWORD", "wrong")
    found = discover()
    assert len(found["activities"]) == 36
    assert "refused user" in found["system"]["error"]
