"""The functions that experiments call, with settings from every source."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed

from chaosvm.errors import InvalidValue, OperationFailed
from chaosvm.vsphere import actions, discover, probes
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate

VM, OTHER = "DC0_H0_VM0", "DC0_H0_VM1"


def test_every_action_does_what_its_name_says(environment: dict[str, str], estate: Estate) -> None:
    assert actions.power_off(VM)["how"] == "guest"
    assert estate.power_state(VM) == "poweredOff"
    assert actions.power_on(VM)["after"] == "powered_on"
    assert actions.reboot(VM, graceful=False)["changed"] is True
    assert actions.suspend(VM)["after"] == "suspended"
    assert estate.power_state(VM) == "suspended"
    everything = {"all": True}
    assert actions.batch_power_on(everything)["changed"] == 1
    assert actions.batch_reboot(everything, graceful=False)["changed"] == 4
    assert actions.batch_suspend(everything)["changed"] == 4
    assert actions.batch_power_on(everything)["changed"] == 4
    off = actions.batch_power_off({"names": [VM, OTHER]}, parallel=2)
    assert (off["changed"], off["failed"], off["seed"]) == (2, 0, None)
    assert estate.power_state("DC0_C0_RP0_VM0") == "poweredOn"


def test_every_probe_returns_a_result(environment: dict[str, str], estate: Estate) -> None:
    estate.power_off(OTHER)
    assert probes.vm_info(VM)["power_state"] == "powered_on"
    assert [vm["name"] for vm in probes.list_vms({"power_state": "powered_off"})] == [OTHER]
    assert len(probes.list_vms()) == 4
    assert probes.count_vms() == 4
    assert probes.count_vms({"name": "nothing*"}) == 0
    assert probes.list_vms({"name": "nothing*"}) == []
    assert probes.vm_power_state(OTHER) == "powered_off"
    assert probes.vm_has_power_state(OTHER, "powered_off") is True
    assert probes.vm_has_power_state(OTHER) is False
    assert probes.all_vms_have_power_state({"host": "DC0_H0"}) is False
    assert probes.all_vms_have_power_state({"cluster": "DC0_C0"}, "powered_on") is True
    assert probes.inventory_summary()["power_states"] == {"powered_off": 1, "powered_on": 3}


def test_what_activities_return_is_plain_json(environment: dict[str, str]) -> None:
    results: list[Any] = [
        actions.power_off(VM),
        actions.batch_power_on({"name": "*H0*"}),
        probes.vm_info(VM),
        probes.list_vms(),
        probes.inventory_summary(),
        probes.vm_power_state(VM),
    ]
    for value in results:
        assert json.loads(json.dumps(value)) == value
        assert type(value) in (dict, list, str)


def test_settings_from_configuration_and_secrets(vcsim: Vcsim) -> None:
    configuration = {
        "vsphere_server": vcsim.host,
        "vsphere_port": str(vcsim.port),
        "vsphere_ca_file": vcsim.ca_file,
        "vsphere_insecure": "false",
    }
    secrets = {"vsphere_username": vcsim.username, "vsphere_password": vcsim.password}
    assert probes.count_vms(configuration=configuration, secrets=secrets) == 4
    assert vcsim.requests()["methods"]["Login"] == 1


def test_activities_share_one_login(environment: dict[str, str], vcsim: Vcsim) -> None:
    probes.count_vms()
    vcsim.reset_requests()
    probes.vm_power_state(VM)
    # One request for all names, one for the VM, which is then cached.
    assert vcsim.requests()["methods"] == {"RetrievePropertiesEx": 2}
    probes.vm_power_state(VM)
    assert vcsim.requests()["methods"] == {"RetrievePropertiesEx": 3}
    actions.power_off(VM)
    assert "Login" not in vcsim.requests()["methods"]


def test_without_settings_everything_missing_is_named() -> None:
    with pytest.raises(InvalidValue) as caught:
        probes.count_vms()
    for key in ("vsphere_server", "VSPHERE_USERNAME", "VSPHERE_PASSWORD"):
        assert key in str(caught.value)


def test_wrong_arguments_are_rejected_before_any_request(
    environment: dict[str, str], vcsim: Vcsim
) -> None:
    with pytest.raises(InvalidValue, match="timeout is 'long'"):
        actions.power_off(VM, timeout="long")
    with pytest.raises(InvalidValue, match=r"expected is 'running'.*powered_on"):
        probes.vm_has_power_state(VM, "running")
    assert vcsim.requests()["total"] == 0


def test_a_failure_is_an_activity_failed(environment: dict[str, str], vcsim: Vcsim) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "fault", fault="NoPermission"))
    with pytest.raises(ActivityFailed) as caught:
        actions.power_off(VM, graceful=False)
    assert isinstance(caught.value, OperationFailed)


def test_the_system_is_discovered_where_it_is_configured(
    environment: dict[str, str], estate: Estate
) -> None:
    system = discover()["system"]
    assert system["version"] == "6.5.0"
    assert system["counts"] == {"datacenters": 1, "clusters": 1, "hosts": 4, "vms": 4}
    assert system["datacenters"] == ["DC0"]
    assert system["clusters"] == ["DC0_C0"]
    assert {host["name"] for host in system["hosts"]} >= {"DC0_H0", "DC0_C0_H0"}
    assert [vm["name"] for vm in system["vms"]] == sorted(estate.power_states())


def test_a_vcenter_that_cannot_be_reached_does_not_stop_discovery(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSPHERE_PASSWORD", "wrong")
    found = discover()
    assert len(found["activities"]) == 39
    assert "refused user" in found["system"]["error"]
