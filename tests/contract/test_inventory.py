"""What can be read of VMs, and how they are chosen: the same everywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chaosvm.errors import AmbiguousVM, InvalidValue, NoSuchVM
from chaosvm.service import VMService
from chaosvm.vm import PowerState
from tests.contract.backend import Backend, VCenter
from tests.contract.estate import Entry

TYPES: dict[str, Any] = {
    "name": str,
    "id": str,
    "platform": str,
    "power_state": str,
    "status": str,
    "instance_uuid": str,
    "path": str,
    "datacenter": str,
    "cluster": str,
    "cpu_count": int,
    "memory_mb": int,
    "guest_os": str,
    "template": bool,
    "metadata": dict,
}
MAY_BE_UNKNOWN: dict[str, Any] = {
    "host": str,
    "folder": str,
    "tools_status": str,
    "hostname": str,
    "ip_addresses": list,
    "tags": list,
}


def known_as(backend: Backend, found: Any) -> list[str]:
    """The keys in the estate of the VMs that were found."""
    keys = {vm_id: key for key, vm_id in backend.ids.items()}
    return sorted(keys[vm.id] for vm in found)


def those(backend: Backend, **wanted: Any) -> list[str]:
    """The keys of the entries with these values."""
    return sorted(
        entry.known_as
        for entry in backend.entries
        if all(getattr(entry, field) == value for field, value in wanted.items())
    )


# Reading -----------------------------------------------------------------------------------


def test_every_vm_is_listed_with_its_state(platform: VMService, backend: Backend) -> None:
    told = {vm.id: (vm.name, vm.power_state.value, vm.template) for vm in platform.list_vms()}
    assert told == {
        backend.ids[entry.known_as]: (entry.name, entry.power.value, entry.template)
        for entry in backend.entries
    }


def test_every_field_has_its_type(platform: VMService, backend: Backend) -> None:
    for vm in platform.list_vms():
        told = vm.to_json()
        assert told.keys() == TYPES.keys() | MAY_BE_UNKNOWN.keys()
        assert {key: type(told[key]) for key in TYPES} == TYPES
        known = {key: type(told[key]) for key in MAY_BE_UNKNOWN if told[key] is not None}
        assert known == {key: MAY_BE_UNKNOWN[key] for key in known}
        assert json.loads(json.dumps(told)) == told


def test_a_vm_says_where_it_is(platform: VMService, backend: Backend) -> None:
    vm = platform.get_vm("web-01")
    assert (vm.datacenter, vm.cluster) == ("DC0", "DC0_C0")
    assert vm.host in ("DC0_C0_H0", "DC0_C0_H1")
    assert vm.path is not None
    assert vm.path.startswith("/DC0/")
    assert vm.path.endswith("/web-01")


def test_a_guest_tells_its_name_and_addresses(platform: VMService, backend: Backend) -> None:
    vm = platform.get_vm("web-01")
    assert vm.hostname == "web-01.example.org"
    assert vm.ip_addresses in (("10.0.0.1",), None)  # an engine's lists do not have them
    other = platform.get_vm("web-02")
    assert (other.hostname, other.ip_addresses) == (None, None)


def test_a_vm_tells_its_tags(platform: VMService, backend: Backend) -> None:
    tagged = platform.get_vm("web-01").tags
    assert tagged is not None
    assert "web" in tagged
    assert "web" not in (platform.get_vm("bare-01").tags or ())


@pytest.mark.parametrize("field", ["id", "instance_uuid", "path", "name"])
def test_a_vm_answers_to_each_of_its_names(platform: VMService, field: str) -> None:
    wanted = platform.get_vm("web-02")
    assert platform.get_vm(getattr(wanted, field)).id == wanted.id


def test_a_uuid_is_the_same_in_capitals(platform: VMService) -> None:
    wanted = platform.get_vm("web-02")
    assert platform.get_vm((wanted.instance_uuid or "").upper()).id == wanted.id


def test_counts_and_summary_agree_with_the_list(platform: VMService, backend: Backend) -> None:
    listed = platform.list_vms()
    assert platform.count_vms() == len(listed) == len(backend.entries)
    summary = platform.inventory_summary()
    assert summary["vms"] == len(listed)
    assert summary["templates"] == len(those(backend, template=True))
    assert summary["power_states"] == {
        state: len(those(backend, power=state))
        for state in ("powered_off", "powered_on", "suspended")
    }
    assert summary["datacenters"] == {"DC0": len(listed) - 1, "DC1": 1}
    assert summary["cpu_count"] == sum(vm.cpu_count or 0 for vm in listed)
    assert isinstance(summary["version"], str)
    assert summary["version"]


@pytest.mark.parametrize(
    ("name", "state"),
    [("web-01", "powered_on"), ("app-01", "powered_off"), ("db-01", "suspended")],
)
def test_states_are_told_one_by_one(platform: VMService, name: str, state: str) -> None:
    assert platform.vm_power_state(name) is PowerState(state)
    assert platform.vm_has_power_state(name, state) is True
    others = {"powered_on", "powered_off", "suspended"} - {state}
    assert not any(platform.vm_has_power_state(name, other) for other in others)


def test_states_of_many(platform: VMService) -> None:
    assert platform.all_vms_have_power_state({"name": "web-*"}, "powered_on") is True
    mixed = {"names": ["web-01", "app-01"]}
    assert platform.all_vms_have_power_state(mixed, "powered_on") is False
    with pytest.raises(NoSuchVM):
        platform.all_vms_have_power_state({"name": "nobody-*"}, "powered_on")


def test_a_state_is_never_from_memory(platform: VMService, backend: Backend) -> None:
    assert platform.vm_power_state("web-01") is PowerState.POWERED_ON
    backend.switch_off("web-01")
    assert platform.vm_power_state("web-01") is PowerState.POWERED_OFF


def test_vms_come_and_go(platform: VMService, backend: Backend) -> None:
    before = platform.count_vms()
    backend.add(Entry(name="late-01"))
    assert platform.get_vm("late-01").id == backend.ids["late-01"]
    backend.remove("late-01")
    assert platform.count_vms() == before
    with pytest.raises(NoSuchVM):
        platform.get_vm("late-01")


# Choosing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vms", "expected"),
    [
        ({"names": ["web-01", "app-01"]}, ["app-01", "web-01"]),
        ({"name": "web-*"}, ["web-01", "web-02", "web-03"]),
        ({"name": ["web-0[12]", "db-*"]}, ["db-01", "web-01", "web-02"]),
        ({"regex": "(web|app)-01"}, ["app-01", "web-01"]),
        ({"datacenter": "DC1"}, ["twin in DC1"]),
        ({"cluster": "DC1_*"}, ["twin in DC1"]),
        ({"tag": "web"}, ["web-01", "web-02", "web-03"]),
        ({"tag": ["web", "app"], "power_state": "powered_off"}, ["app-01"]),
        ({"power_state": "suspended"}, ["db-01"]),
        ({"name": "web-*", "exclude": ["web-02"]}, ["web-01", "web-03"]),
        ({"name": "twin", "cluster": "DC0_C0"}, ["twin in DC0"]),
        ({"names": ["twin"], "datacenter": "DC1"}, ["twin in DC1"]),
        ({"name": "nobody-*"}, []),
    ],
    ids=str,
)
def test_a_selection_means_these(
    platform: VMService, backend: Backend, vms: dict[str, Any], expected: list[str]
) -> None:
    if vms.keys() & {*platform.backend.unsupported_selection_keys}:
        with pytest.raises(InvalidValue, match="does not support"):
            platform.list_vms(vms)
        return
    assert known_as(backend, platform.list_vms(vms)) == expected
    assert platform.count_vms(vms) == len(expected)


def test_a_host_chooses_what_runs_there(platform: VMService, backend: Backend) -> None:
    host = platform.get_vm("web-01").host
    found = platform.list_vms({"host": host, "power_state": "powered_on"})
    assert {vm.host for vm in found} == {host}
    assert "web-01" in known_as(backend, found)


def test_ids_choose_by_identity(platform: VMService, backend: Backend) -> None:
    wanted = backend.ids["twin in DC1"]
    assert known_as(backend, platform.list_vms({"ids": [wanted]})) == ["twin in DC1"]


def test_a_seed_draws_the_same_again(platform: VMService, backend: Backend) -> None:
    vms = {"name": "web-*", "count": 2, "seed": 7}
    drawn = known_as(backend, platform.list_vms(vms))
    assert len(drawn) == 2
    assert known_as(backend, backend.platform().list_vms(vms)) == drawn
    draws = {
        tuple(known_as(backend, platform.list_vms({**vms, "seed": seed}))) for seed in range(12)
    }
    assert len(draws) > 1


def test_percent_rounds_down(platform: VMService) -> None:
    assert platform.count_vms({"name": "web-*", "percent": 67, "seed": 1}) == 2
    with pytest.raises(NoSuchVM, match="rounds down to 0"):
        platform.count_vms({"name": "web-*", "percent": 10})


# What cannot be meant ------------------------------------------------------------------------


def test_a_name_of_two_vms_is_refused_with_both(platform: VMService, backend: Backend) -> None:
    for ask in (platform.get_vm, lambda name: platform.list_vms({"names": [name]})):
        with pytest.raises(AmbiguousVM) as caught:
            ask("twin")
        for key in ("twin in DC0", "twin in DC1"):
            assert backend.ids[key] in str(caught.value)


def test_a_name_of_nobody_is_an_error_with_a_hint(platform: VMService) -> None:
    with pytest.raises(NoSuchVM, match=r"'web-011'.*web-01"):
        platform.get_vm("web-011")
    with pytest.raises(NoSuchVM, match="'nobody'"):
        platform.power_off("nobody")


@pytest.mark.parametrize(
    "odd", ["web-01 or name=*", 'web-01"', "web-0?", "*", "WEB-01'; --", "wéb-01", "a\\"]
)
def test_an_odd_name_means_no_other_vm(platform: VMService, odd: str) -> None:
    with pytest.raises(NoSuchVM):
        platform.get_vm(odd)


@pytest.mark.parametrize(
    "vms",
    [{}, {"count": 1}, {"nam": "web-*"}, {"all": False}, {"name": 3}, {"regex": "("}],
    ids=str,
)
def test_a_selection_that_says_nothing_is_refused(platform: VMService, vms: Any) -> None:
    with pytest.raises(InvalidValue):
        platform.list_vms(vms)


# Where there are folders -----------------------------------------------------------------------


def test_folders_tell_two_of_a_name_apart(vcenter: VCenter) -> None:
    platform = vcenter.platform()
    assert known_as(vcenter, platform.list_vms({"folder": "left"})) == ["left pair"]
    path = "/DC0/vm/right"
    assert known_as(vcenter, platform.list_vms({"folder": path})) == ["right pair"]
    assert platform.get_vm("/DC0/vm/left/pair").id == vcenter.ids["left pair"]
    with pytest.raises(AmbiguousVM, match="/DC0/vm/left/pair"):
        platform.get_vm("pair")


def test_custom_attributes_are_told(vcenter: VCenter) -> None:
    told = vcenter.platform().get_vm("/DC0/vm/left/pair").metadata
    assert told["custom_attributes"] == {"owner": "data team"}


def test_tags_are_told_with_their_category(vcenter: VCenter) -> None:
    platform = vcenter.platform()
    assert platform.get_vm("web-01").metadata["qualified_tags"] == ["tier/web"]
    assert platform.count_vms({"tag": "tier/web"}) == 3


def test_one_tag_in_two_categories(vcenter: VCenter) -> None:
    platform = vcenter.platform()
    found = platform.list_vms({"tag": "gold"})
    assert known_as(vcenter, found) == ["left pair", "right pair"]
    assert {vm.tags for vm in found} == {("gold",)}
    assert known_as(vcenter, platform.list_vms({"tag": "site/gold"})) == ["right pair"]
    assert known_as(vcenter, platform.list_vms({"tag": "tier/gold"})) == ["left pair"]
