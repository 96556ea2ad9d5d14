"""VMs by name: the requests it takes, and what must not come from the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim

from chaosvm.errors import AmbiguousVM, NoSuchVM
from chaosvm.runtime import Deadline
from chaosvm.selection.keys import KEYS
from chaosvm.vm import VM, PowerState
from chaosvm.vsphere import VSpherePlatform, name_cache
from chaosvm.vsphere.properties import ALL_PATHS, paths_for_fields
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate

Connect = Callable[..., VSpherePlatform]
NAME, OTHER = "DC0_H0_VM0", "DC0_H0_VM1"


def everything_of(platform: VSpherePlatform) -> dict[str, VM]:
    return {vm.id: vm for vm in platform.backend.inventory(Deadline(20))}


def reads(vcsim: Vcsim) -> dict[str, int]:
    """The requests since the last call."""
    methods: dict[str, int] = vcsim.requests()["methods"]
    vcsim.reset_requests()
    return methods


def test_a_probe_that_is_repeated_costs_one_request(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    assert platform.vm_has_power_state(NAME, "powered_on")
    reads(vcsim)
    for _ in range(3):
        assert platform.vm_has_power_state(NAME, "powered_on")
    assert reads(vcsim) == {"RetrievePropertiesEx": 3}
    estate.power_off(NAME)
    assert not platform.vm_has_power_state(NAME, "powered_on")


@pytest.mark.parametrize("app", [True, False])
def test_a_vm_is_the_same_by_any_of_its_names(connect: Connect, app: bool) -> None:
    with Vcsim.start(clusters=1, folders=1, apps=1, pools=1, vms=1) as deep, Estate(deep) as estate:
        estate.set_custom_attribute("DC0_C0_APP0_VM0", "owner", "a & b <c>")
        estate.set_guest("DC0_H0_VM0", hostname="h0", ip="10.0.0.9")
        platform = connect(port=deep.port, password=deep.password, ca_file=deep.ca_file)
        whole = everything_of(platform)
        vm = next(vm for vm in whole.values() if ("APP" in vm.name) is app)
        for word in (vm.name, vm.id, vm.path, (vm.instance_uuid or "").upper()):
            for allow_cached in (False, True):
                assert word
                found = platform.backend.inventory(Deadline(20), [word], allow_cached)
                assert found == [vm]
        assert vm.path != f"/{vm.name}"
        assert vm.host


def test_no_action_is_based_on_what_was_true_before(
    platform: VSpherePlatform, estate: Estate
) -> None:
    first = estate.create_vm("twin", folder="/DC0/vm/one")
    assert platform.vm_power_state("twin").value == "powered_on"
    estate.create_vm("twin", folder="/DC0/vm/two")
    # The probe keeps to the VM that it found first.
    assert platform.get_vm("twin").id == first._moId
    for act in (platform.power_off, platform.suspend, platform.reboot):
        with pytest.raises(AmbiguousVM, match=r"/DC0/vm/one/twin.*/DC0/vm/two/twin"):
            act("twin")
    with pytest.raises(AmbiguousVM):
        platform.batch_power_off({"names": ["twin"]})


def test_a_vm_that_was_created_again_is_found(platform: VSpherePlatform, estate: Estate) -> None:
    gone = platform.get_vm(NAME).id
    estate.destroy(NAME)
    with pytest.raises(NoSuchVM):
        platform.vm_power_state(NAME)
    made = estate.create_vm(NAME, power_on=False)
    assert platform.get_vm(NAME).id == made._moId != gone
    assert platform.vm_power_state(NAME).value == "powered_off"


def test_a_vm_that_has_another_name_now_is_not_the_one(
    platform: VSpherePlatform, estate: Estate
) -> None:
    vm = platform.get_vm(NAME)
    platform.get_vm(OTHER)
    estate.rename(NAME, "renamed")
    with pytest.raises(NoSuchVM):
        platform.get_vm(NAME)
    estate.rename(OTHER, NAME)
    assert platform.get_vm(NAME).id != vm.id
    assert platform.get_vm("renamed").id == vm.id
    assert platform.get_vm(vm.id).name == "renamed"


def test_an_ambiguous_name_is_not_cached(platform: VSpherePlatform, estate: Estate) -> None:
    estate.create_vm("twin", folder="/DC0/vm/one")
    second = estate.create_vm("twin", folder="/DC0/vm/two")
    for _ in range(2):
        with pytest.raises(AmbiguousVM):
            platform.vm_power_state("twin")
    estate.rename("/DC0/vm/one/twin", "other")
    assert platform.get_vm("twin").id == second._moId


def test_a_session_that_ends_between_two_probes(platform: VSpherePlatform, vcsim: Vcsim) -> None:
    vm = platform.backend.inventory(Deadline(20), [NAME], True)
    vcsim.expire_sessions()
    assert platform.backend.inventory(Deadline(20), [NAME], True) == vm
    vcsim.rules(rule("RetrievePropertiesEx", "drop_after", times=1))
    assert platform.backend.inventory(Deadline(20), [NAME], True) == vm
    vcsim.rules(rule("RetrievePropertiesEx", "fault", fault="ManagedObjectNotFound", times=1))
    assert platform.backend.inventory(Deadline(20), [NAME], True) == vm


def test_an_unknown_name_is_reported_with_the_known_names(
    platform: VSpherePlatform,
) -> None:
    with pytest.raises(NoSuchVM, match=r"DC0_H0_VM9.*4 VMs are known"):
        platform.power_off("DC0_H0_VM9")


def test_what_is_excluded_may_be_another_than_what_is_named(platform: VSpherePlatform) -> None:
    chosen = platform.list_vms({"names": [NAME, OTHER], "exclude": [OTHER]})
    assert [vm.name for vm in chosen] == [NAME]
    batch = platform.batch_power_off({"names": [NAME], "exclude": [OTHER]}, graceful=False)
    assert [outcome.name for outcome in batch.outcomes] == [NAME]


def test_names_and_ids_at_once(platform: VSpherePlatform) -> None:
    vm = platform.get_vm(NAME)
    batch = platform.batch_power_off({"names": [NAME, OTHER], "ids": [vm.id]}, graceful=False)
    assert [outcome.name for outcome in batch.outcomes] == [NAME]


# Several names, and names that do not exist ------------------------------------------


@pytest.mark.parametrize(("few", "requests"), [(20, 2), (0, 3)])
def test_many_names_are_found_without_reading_everything(
    platform: VSpherePlatform,
    estate: Estate,
    vcsim: Vcsim,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    requests: int,
) -> None:
    estate.create_vm("twin", folder="/DC0/vm/one")
    estate.create_vm("twin", folder="/DC0/vm/two")
    whole = everything_of(platform)
    monkeypatch.setattr(name_cache, "_MAX_SINGLE", few)
    monkeypatch.setattr(name_cache, "_MAX_FRACTION", 1)
    words = [NAME, "twin", *(vm.id for vm in whole.values() if vm.name == OTHER)]
    reads(vcsim)
    found = platform.backend.inventory(Deadline(20), words)
    assert reads(vcsim) == {"RetrievePropertiesEx": requests}
    assert {vm.id: vm for vm in found} == {
        vm.id: vm for vm in whole.values() if vm.name in (NAME, OTHER, "twin")
    }


def test_most_of_all_are_read_with_all(
    platform: VSpherePlatform, vcsim: Vcsim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_cache, "_MAX_SINGLE", 1)
    whole = everything_of(platform)
    reads(vcsim)
    found = platform.backend.inventory(Deadline(20), [vm.name for vm in list(whole.values())[:3]])
    assert {vm.id: vm for vm in found} == whole
    assert reads(vcsim) == {"RetrievePropertiesEx": 2}


def test_names_that_are_only_counted_cost_one_reading_of_the_names(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    platform.connect()
    reads(vcsim)
    assert platform.count_vms({"names": [NAME, OTHER, "nobody"]}) == 2
    assert reads(vcsim) == {"RetrievePropertiesEx": 1}


def test_next_to_an_unknown_name_the_others_have_all_fields(
    platform: VSpherePlatform, estate: Estate
) -> None:
    estate.suspend(OTHER)
    whole = everything_of(platform)
    ids = {vm.name: vm.id for vm in whole.values()}
    for words in ([NAME, OTHER, "nobody"], [ids[NAME], "vm-0", ids[OTHER]]):
        by_id = {vm.id: vm for vm in platform.backend.inventory(Deadline(20), words)}
        assert [by_id[ids[name]] for name in (NAME, OTHER)] == [
            whole[ids[name]] for name in (NAME, OTHER)
        ]
        # Of the other VMs, only the names, for the error message.
        assert {vm.name for vm in by_id.values()} == ids.keys()
        assert {vm.power_state for vm in by_id.values()} >= {PowerState.UNKNOWN}
    selection = {"names": [NAME, OTHER, "nobody"]}
    states = {vm.name: vm.power_state.value for vm in platform.list_vms(selection)}
    assert states == {NAME: "powered_on", OTHER: "suspended"}
    assert platform.count_vms(selection | {"power_state": "suspended"}) == 1
    with pytest.raises(NoSuchVM, match=r"'nobody'.*4 VMs are known"):
        platform.all_vms_have_power_state(selection, "powered_on")


def test_a_vm_that_is_gone_costs_one_reading_of_the_names(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    platform.connect()
    reads(vcsim)
    with pytest.raises(NoSuchVM, match=f"did you mean '{NAME}'.*4 VMs are known"):
        platform.get_vm(NAME + "x")
    assert reads(vcsim) == {"RetrievePropertiesEx": 1}


def test_a_vm_deleted_after_the_names_were_read_is_left_out(
    platform: VSpherePlatform, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = name_cache._read_vms

    def late(*arguments: Any) -> Any:
        estate.destroy(NAME)
        return read(*arguments)

    monkeypatch.setattr(name_cache, "_read_vms", late)
    found = platform.backend.inventory(Deadline(20), [NAME, OTHER, "nobody"])
    assert sorted(vm.name for vm in found) == ["DC0_C0_RP0_VM0", "DC0_C0_RP0_VM1", OTHER]
    assert {vm.power_state for vm in found} == {PowerState.POWERED_ON}


# Required properties only --------------------------------------------------------------


@pytest.fixture
def varied(platform: VSpherePlatform, estate: Estate) -> dict[str, VM]:
    """An inventory in which all VMs differ."""
    estate.create_vm("deep", folder="/DC0/vm/data/prod", cluster="DC0_C0")
    estate.set("deep", **{"config.guestFullName": "CentOS 7 (64-bit)"})
    estate.set("DC0_H0_VM1", **{"runtime.connectionState": "disconnected"})
    estate.suspend("DC0_C0_RP0_VM0")
    estate.tag("DC0_H0_VM0", "tier", "gold")
    return everything_of(platform)


@pytest.mark.parametrize("key", [*KEYS])
def test_a_count_is_the_same_without_the_rest(
    platform: VSpherePlatform, varied: dict[str, VM], key: str
) -> None:
    deep = next(vm for vm in varied.values() if vm.name == "deep")
    selections: dict[str, dict[str, object]] = {
        "names": {"names": ["deep", deep.instance_uuid, NAME]},
        "ids": {"ids": [deep.id, (deep.instance_uuid or "").upper()]},
        "name": {"name": "DC0_H0*"},
        "regex": {"regex": "d.+p"},
        "datacenter": {"datacenter": "DC0", "name": "deep"},
        "cluster": {"cluster": "DC0_C*"},
        "host": {"host": deep.host},
        "folder": {"folder": "prod"},
        "tag": {"tag": "gold"},
        "guest_os": {"guest_os": "centos*"},
        "power_state": {"power_state": ["unknown", "suspended"]},
        "exclude": {"all": True, "exclude": [deep.path, NAME, "*_VM1"]},
        "count": {"all": True, "count": 2},
        "percent": {"all": True, "percent": 50},
        "seed": {"name": "DC0*", "count": 3, "seed": 7},
        "all": {"all": True},
    }
    counted = platform.count_vms(selections[key])
    assert counted == len(platform.list_vms(selections[key]))
    assert counted > 0
    assert counted < len(varied) or key == "all"


def test_a_count_requests_only_what_it_needs() -> None:
    assert "HostSystem" not in paths_for_fields(["name", "id"])
    assert paths_for_fields(["name"])["VirtualMachine"] == ["name", "parent", "parentVApp"]
    assert "runtime.host" in paths_for_fields(["cluster"])["VirtualMachine"]
    assert paths_for_fields(["name", "metadata"]) == ALL_PATHS


@pytest.mark.parametrize("allow_cached", [True, False])
def test_one_vm_requests_only_what_it_needs(
    platform: VSpherePlatform, varied: dict[str, VM], estate: Estate, allow_cached: bool
) -> None:
    deep = next(vm for vm in varied.values() if vm.name == "deep")

    def find(word: str) -> list[VM]:
        return platform.backend.inventory(
            Deadline(20), [word], allow_cached, fields=("power_state",)
        )

    for word in (deep.name, deep.id, deep.path, (deep.instance_uuid or "").upper()):
        for _ in range(2):
            assert word
            (vm,) = find(word)
            assert (vm.id, vm.name, vm.path) == (deep.id, deep.name, deep.path)
            assert (vm.power_state, vm.folder) == (PowerState.POWERED_ON, deep.folder)
            assert (vm.cpu_count, vm.guest_os, vm.host, vm.tools_status) == (None,) * 4
    (other,) = find("DC0_H0_VM1")
    assert other.power_state is PowerState.UNKNOWN  # as its host is not connected
    estate.rename("deep", "deeper")
    assert not any(vm.answers_to("deep") for vm in find("deep"))
    assert [vm.id for vm in find("deeper")] == [deep.id]


def test_a_summary_is_the_same_without_the_rest(
    platform: VSpherePlatform, varied: dict[str, VM], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = platform.inventory_summary({"guest_os": "*", "exclude": ["*_VM1"]})
    monkeypatch.setattr("chaosvm.vsphere.backend.paths_for_fields", lambda fields: ALL_PATHS)
    assert summary == platform.inventory_summary({"guest_os": "*", "exclude": ["*_VM1"]})
    assert all(summary[key] for key in ("memory_mb", "cpu_count", "hosts"))


def test_the_requested_fields_identify_immutable_vms(
    platform: VSpherePlatform, varied: dict[str, VM], estate: Estate
) -> None:
    by_name, by_address = platform.settings.server, "127.0.0.1"
    estate.set_managed_by("DC0_C0_RP0_VM0", "com.vmware.vim.eam")
    estate.set_guest("DC0_C0_RP0_VM1", hostname=by_name)
    estate.set_guest("DC0_H0_VM0", ip=by_address)
    estate.power_off("DC0_H0_VM1")
    estate.mark_template("DC0_H0_VM1")
    secondary = vim.vm.FaultToleranceConfigInfo(
        role=2, instanceUuids=["1", "2"], configPaths=["a", "b"]
    )
    estate.set("deep", **{"config.ftInfo": secondary})
    fields = (*platform.backend.immutable_fields, "power_state")
    whole = everything_of(platform)
    narrow = {vm.id: vm for vm in platform.backend.inventory(Deadline(20), fields=fields)}
    reasons = {vm_id: platform.backend.immutable_reason(vm) for vm_id, vm in whole.items()}
    assert {vm_id: platform.backend.immutable_reason(vm) for vm_id, vm in narrow.items()} == reasons
    assert sum(reason is not None for reason in reasons.values()) == 5
