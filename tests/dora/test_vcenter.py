"""Dora and the vCenter behind an environment, both in one lab over one world."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chaosvm.activities import connections
from chaosvm.dora import actions, probes
from chaosvm.errors import (
    AmbiguousVM,
    GuardStopped,
    InvalidValue,
    NoSuchVM,
    OperationRefused,
    SelectionError,
)
from chaosvm.lab import Lab, State, World

ENVIRONMENT = "Arvig-Staging"
LAG = 3600.0
SWITCHED = "POST /sdk PowerOffVM_Task"


@pytest.fixture
def world() -> World:
    made = World()
    made.add_vm("web-01")
    made.add_vm("web-02")
    made.add_vm("db-01", State.OFF)
    return made


def enter(lab: Lab, monkeypatch: pytest.MonkeyPatch, **environment: Any) -> Lab:
    for name, value in lab.environment().items():
        monkeypatch.setenv(name, value)
    described = {ENVIRONMENT: {"vsphere": {}, **environment}}
    monkeypatch.setenv("DORA_ENVIRONMENTS", json.dumps(described))
    return lab


@pytest.fixture
def lab(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with Lab(world, platforms=["vsphere", "dora"]) as running:
        yield enter(running, monkeypatch)
        connections.close_all()


@pytest.fixture
def late(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A Dora that keeps reporting its first reading."""
    with Lab(world, platforms=["vsphere", "dora"], dora_lag=LAG) as running:
        enter(running, monkeypatch)
        assert probes.count_vms(ENVIRONMENT) == 3
        yield running
        connections.close_all()


def test_the_vcenter_switches_the_vm_that_dora_finds(lab: Lab, world: World) -> None:
    off = actions.power_off(ENVIRONMENT, "web-01", graceful=False, timeout=20)
    assert (off["id"], off["platform"]) == (world.vm("web-01").moid, "vsphere")
    assert (off["after"], off["changed"]) == ("powered_off", True)
    assert world.vm("web-01").state is State.OFF
    assert world.vm("web-02").state is State.RUNNING
    assert actions.power_on(ENVIRONMENT, "web-01", timeout=20)["changed"]
    assert actions.reboot(ENVIRONMENT, "web-01", graceful=False, timeout=20)["changed"]
    assert lab.requests()[SWITCHED] == 1


def test_guards_and_dry_runs_are_for_dora_too(lab: Lab, world: World) -> None:
    world.change("web-02", tags=("chaosvm-protect",))
    with pytest.raises(OperationRefused, match="has the tag 'chaosvm-protect'"):
        actions.power_off(ENVIRONMENT, "web-02", timeout=20)
    with pytest.raises(GuardStopped, match="chaosvm_max_vms is 0"):
        actions.power_off(ENVIRONMENT, "web-01", timeout=20, configuration={"chaosvm_max_vms": 0})
    dry = actions.power_off(
        ENVIRONMENT, "web-01", timeout=20, configuration={"chaosvm_dry_run": True}
    )
    assert (dry["dry_run"], dry["plan"]["vms"][0]["name"]) == (True, "web-01")
    assert {vm.state for vm in world.vms if vm.name != "db-01"} == {State.RUNNING}


def test_a_vm_of_another_name_there_is_left_alone(late: Lab, world: World) -> None:
    world.change("web-01", name="payments")
    with pytest.raises(OperationRefused, match="is 'payments', not 'web-01'"):
        actions.power_off(ENVIRONMENT, "web-01", graceful=False)
    assert SWITCHED not in late.requests()


def test_a_vm_that_is_gone_is_not_looked_for_by_name(late: Lab, world: World) -> None:
    moid = world.vm("web-01").moid
    world.remove_vm("web-01")
    world.add_vm("web-01")
    with pytest.raises(NoSuchVM, match=f"no VM has the id '{moid}'"):
        actions.power_off(ENVIRONMENT, "web-01", graceful=False)
    assert SWITCHED not in late.requests()


def test_a_vm_whose_name_is_anothers_id_is_not_used(late: Lab, world: World) -> None:
    moid = world.vm("web-01").moid
    world.remove_vm("web-01")
    world.add_vm(moid)
    with pytest.raises(NoSuchVM):
        actions.power_off(ENVIRONMENT, "web-01", graceful=False)
    assert SWITCHED not in late.requests()


def test_without_a_vcenter_of_its_own_nothing_is_switched(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidValue, match="'Midco-Prod' has no vCenter configured"):
        actions.power_off("Midco-Prod", "web-01")
    assert not any("/sdk" in name for name in lab.requests())


def test_a_name_that_two_vms_have(lab: Lab, world: World) -> None:
    world.add_vm("web-01")
    with pytest.raises(AmbiguousVM):
        actions.power_off(ENVIRONMENT, "web-01", graceful=False)
    assert not any("/sdk" in name for name in lab.requests())


def test_credentials_of_its_own(lab: Lab, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(lab, monkeypatch, vsphere={"credentials": "arvig"})
    monkeypatch.delenv("VSPHERE_USERNAME")
    monkeypatch.delenv("VSPHERE_PASSWORD")
    with pytest.raises(InvalidValue, match="not set: arvig_username"):
        actions.power_off(ENVIRONMENT, "web-01")
    monkeypatch.setenv("ARVIG_PASSWORD", lab.password)
    dora = {"dora_username": lab.username, "dora_password": lab.password}
    secrets = {**dora, "arvig_username": lab.username}
    ended = actions.power_off(ENVIRONMENT, "web-01", timeout=20, secrets=secrets)
    assert ended["after"] == "powered_off"


def test_dora_and_vcenter_agree(lab: Lab) -> None:
    result = probes.matches_platform(ENVIRONMENT, 0)
    assert (result["matches"], result["compared"]) == (True, 3)
    assert result["hosts"] == ["host-1"]


def test_what_lasts_is_a_difference(late: Lab, world: World) -> None:
    gone = world.vm("web-02")
    world.remove_vm("web-02")
    new = world.add_vm("web-03")
    world.change("web-01", state=State.OFF)
    world.change("db-01", name="db-02")
    result = probes.matches_platform(ENVIRONMENT, 0)
    assert result["matches"] is False
    assert [vm["id"] for vm in result["only_in_dora"]] == [gone.moid]
    assert [vm["id"] for vm in result["only_in_vcenter"]] == [new.moid]
    (state,) = result["different_state"]
    assert (state["dora"], state["vcenter"]) == ("powered_on", "powered_off")
    (name,) = result["different_name"]
    assert (name["dora"], name["vcenter"]) == ("db-01", "db-02")


def test_validation(lab: Lab) -> None:
    result = actions.validate_targets(ENVIRONMENT, {"names": ["web-01", "web-02"]})
    assert [target["name"] for target in result["targets"]] == ["web-01", "web-02"]
    with pytest.raises(SelectionError, match=r"1 of 2 targets .* 'db-01'.* is powered_off"):
        actions.validate_targets(ENVIRONMENT, {"names": ["web-01", "db-01"]})
    with pytest.raises(NoSuchVM, match="vcenter 'Arvig-Staging'"):
        actions.validate_targets(ENVIRONMENT, {"names": ["web-09"]})
