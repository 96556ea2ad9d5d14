"""A long inventory is read in two steps; the selection is the same as in one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chaosvm.errors import NoSuchVM
from chaosvm.service import reader
from chaosvm.vsphere import VSpherePlatform, name_cache
from chaosvm.vsphere.backend import VSphereBackend
from tests.vcsim import Vcsim
from tests.vcsim.estate import Estate

Connect = Callable[..., VSpherePlatform]
NAME = "DC0_H0_VM0"

SELECTIONS: list[dict[str, Any]] = [
    {"name": "DC0_H0*"},
    {"regex": "DC0_C0.*|deep"},
    {"name": "*", "exclude": [NAME]},
    {"name": "*", "exclude": ["*_VM1"]},
    {"datacenter": "DC0"},
    {"cluster": "DC0_C0"},
    {"folder": "prod"},
    {"host": "DC0_H0"},
    {"tag": "gold"},
    {"tag": "tier/gold", "name": "DC0*"},
    {"guest_os": "centos*"},
    {"power_state": ["powered_on", "unknown"]},
    {"names": [NAME, "deep"], "exclude": ["DC0_C0_RP0_VM0"]},
    {"name": "*", "count": 2, "seed": 7},
    {"power_state": "powered_on", "percent": 50, "seed": 7},
]


@pytest.fixture
def varied(estate: Estate) -> Estate:
    """An inventory with a VM for each selection."""
    estate.create_vm("deep", folder="/DC0/vm/data/prod", cluster="DC0_C0")
    estate.set("deep", **{"config.guestFullName": "CentOS 7 (64-bit)"})
    estate.set("DC0_H0_VM1", **{"runtime.connectionState": "disconnected"})
    estate.set_managed_by("DC0_C0_RP0_VM1", "com.vmware.vim.eam")
    estate.tag(NAME, "tier", "gold")
    estate.tag("deep", "tier", "gold")
    return estate


@pytest.fixture
def in_two_steps(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> VSpherePlatform:
    """A platform that has read a long inventory before."""
    monkeypatch.setattr(reader, "_LARGE_INVENTORY", 1)
    platform = connect()
    platform.count_vms()
    return platform


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
@pytest.mark.parametrize("many", [True, False])
def test_what_is_planned_is_the_same(
    connect: Connect,
    in_two_steps: VSpherePlatform,
    varied: Estate,
    monkeypatch: pytest.MonkeyPatch,
    selection: dict[str, Any],
    many: bool,
) -> None:
    at_once = connect().plan("power_off", selection)
    # Few VMs are read with a traversal to their locations, many with all locations.
    monkeypatch.setattr(name_cache, "_MAX_SINGLE", 0 if many else 20)
    planned = in_two_steps.plan("power_off", selection)
    assert planned.to_json() == at_once.to_json()
    assert [each.vm for each in planned.previews] == [each.vm for each in at_once.previews]


def test_only_what_fits_is_read_in_full(
    in_two_steps: VSpherePlatform, vcsim: Vcsim, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[list[str]] = []
    read = name_cache._retrieve_vms

    def record(content: Any, moids: list[str], paths: Any) -> Any:
        requested.append(moids)
        return read(content, moids, paths)

    monkeypatch.setattr(name_cache, "_retrieve_vms", record)
    vcsim.reset_requests()
    planned = in_two_steps.plan("power_off", {"name": "*_H0_VM0"})
    assert requested == [[each.vm.id for each in planned.previews]]
    assert vcsim.requests()["methods"]["RetrievePropertiesEx"] == 2


@pytest.mark.parametrize("selection", [{"all": True}, {"names": [NAME]}], ids=str)
def test_one_step_is_used_if_two_save_nothing(
    in_two_steps: VSpherePlatform, monkeypatch: pytest.MonkeyPatch, selection: dict[str, Any]
) -> None:
    monkeypatch.setattr(VSphereBackend, "hydrate", lambda *_: pytest.fail("a second step"))
    assert in_two_steps.plan("power_off", selection).previews


def test_one_that_goes_between_the_steps_is_not_chosen(
    in_two_steps: VSpherePlatform, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = VSphereBackend.hydrate

    def late(platform: VSpherePlatform, *arguments: Any) -> Any:
        estate.destroy(NAME)
        return read(platform, *arguments)

    monkeypatch.setattr(VSphereBackend, "hydrate", late)
    planned = in_two_steps.plan("power_off", {"name": "DC0_H0*"})
    assert [each.vm.name for each in planned.previews] == ["DC0_H0_VM1"]


def test_one_that_no_longer_fits_in_the_second_step_is_not_chosen(
    in_two_steps: VSpherePlatform, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = VSphereBackend.hydrate

    def late(platform: VSpherePlatform, *arguments: Any) -> Any:
        estate.rename(NAME, "other")
        return read(platform, *arguments)

    monkeypatch.setattr(VSphereBackend, "hydrate", late)
    planned = in_two_steps.plan("power_off", {"name": "DC0_H0*"})
    assert [each.vm.name for each in planned.previews] == ["DC0_H0_VM1"]


def test_an_unknown_name_is_reported_with_those_that_exist(in_two_steps: VSpherePlatform) -> None:
    with pytest.raises(NoSuchVM, match=r"no VM matches.*4 VMs are known.*DC0_H0_VM0"):
        in_two_steps.plan("power_off", {"name": "web-*"})
    with pytest.raises(NoSuchVM, match="exclude names 'DC0_H0_VM9'"):
        in_two_steps.plan("power_off", {"name": "*", "exclude": ["DC0_H0_VM9"]})
