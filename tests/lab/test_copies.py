"""Worlds copied from what this package told of an estate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import chaosvm
from chaosvm.dora.actions import export_inventory
from chaosvm.errors import InvalidValue
from chaosvm.lab import Guest, Lab, State, World, load
from chaosvm.olvm import OLVMPlatform
from chaosvm.olvm import probes as olvm
from chaosvm.platforms import PLATFORMS
from chaosvm.vm import VM
from chaosvm.vsphere import VSpherePlatform
from chaosvm.vsphere import probes as vsphere

# What experiments may name, and what they see.
SEEN = (
    *("id", "name", "instance_uuid", "power_state", "path", "datacenter", "cluster", "host"),
    *("folder", "cpu_count", "memory_mb", "guest_os", "tools_status", "hostname"),
    *("ip_addresses", "tags", "template"),
)
TOLD_BY_VCENTERS = ("custom_attributes", "managed_by", "question", "qualified_tags")
TOLD_BY_ENGINES = ("origin", "highly_available", "stateless", "pool_id", "description")
ENVIRONMENTS = {
    "dora_environments": {
        "Here": {"vcenter": "v", "pattern_path": "p", "vm_path": "p", "host_filter": ""}
    }
}


@pytest.fixture
def estate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """What is to be copied, with the settings to reach it."""
    described = load("awkward")
    described.world.add_vm("spare", attributes={"owner": "me"}, ip_addresses=("10.0.0.7",))
    with Lab(described) as lab:
        for key, value in lab.environment().items():
            monkeypatch.setenv(key, value)
        yield lab


def in_vcenter(lab: Lab) -> list[VM]:
    account = (lab.vsphere_server, lab.username, lab.password)
    with VSpherePlatform(*account, port=lab.vsphere_port, ca_file=lab.ca_file) as platform:
        return platform.list_vms()


def in_engine(lab: Lab) -> list[VM]:
    with OLVMPlatform(lab.olvm_url, lab.username, lab.password, lab.ca_file) as platform:
        return platform.list_vms()


def seen(vms: list[VM], *told: str) -> dict[str, dict[str, Any]]:
    shown = {vm.id: vm.to_json() for vm in vms}
    for vm in shown.values():
        # Tools that do not run in a VM that does are, in a copy, not there.
        if vm["power_state"] == "powered_on" and vm["tools_status"] == "toolsNotRunning":
            vm["tools_status"] = "toolsNotInstalled"
    return {
        number: {
            **{key: vm[key] for key in SEEN},
            **{key: vm["metadata"].get(key) for key in told},
        }
        for number, vm in shown.items()
    }


def written(told: Any, folder: Path) -> Path:
    path = folder / "told.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


def test_what_discovery_tells_of_a_vcenter(estate: Lab, tmp_path: Path) -> None:
    found = chaosvm.vsphere.discover()
    copy = load(written(found, tmp_path))
    assert "told.json" in copy.title
    with Lab(copy) as lab:
        assert seen(in_vcenter(lab), *TOLD_BY_VCENTERS) == seen(
            in_vcenter(estate), *TOLD_BY_VCENTERS
        )
        for key in ("datacenters", "clusters"):
            names = sorted(each.name for each in getattr(lab.world, key))
            assert set(found["system"][key]) <= set(names)
        hosts = sorted((host.name, host.usable) for host in lab.world.hosts)
        assert set(hosts) >= {("esx-01", True), ("esx-02", True), ("esx-out", False)}


def test_what_discovery_tells_of_an_engine(estate: Lab, tmp_path: Path) -> None:
    found = chaosvm.olvm.discover()
    with Lab(load(written(found, tmp_path))) as lab:
        before, after = (seen(in_engine(each), *TOLD_BY_ENGINES) for each in (estate, lab))
    # What an engine calls transitional has come to its end.
    for number, vm in before.items():
        if vm["power_state"] == "transitioning":
            assert after.pop(number)["power_state"] in ("powered_on", "powered_off")
    settled = {n: vm for n, vm in before.items() if vm["power_state"] != "transitioning"}
    for vm in (*settled.values(), *after.values()):
        del vm["tags"]  # an engine's list of VMs tells none
    assert after == settled


def test_what_discovery_tells_of_everything(estate: Lab, tmp_path: Path) -> None:
    """The lab shows one world on both platforms, and so do two copies in one."""
    found = chaosvm.discover()
    assert found["system"].keys() == {each.name for each in PLATFORMS}
    copy = load(written(found, tmp_path)).world
    # Each VM of the engine has the id that the vCenter tells as its instance UUID.
    assert sorted(vm.moid for vm in copy.vms) == sorted(vm.moid for vm in estate.world.vms)
    assert load(found["system"]).world.vms[0].name == copy.vms[0].name


def test_a_platform_that_was_not_discovered_is_told(
    estate: Lab, logs: pytest.LogCaptureFixture
) -> None:
    found = chaosvm.discover()["system"]
    found["olvm"] = {"error": "no route"}
    assert load(found).world.vms
    assert "olvm is missing" in logs.text
    with pytest.raises(InvalidValue, match="no VMs"):
        load({"vsphere": {"error": "no route"}})


@pytest.mark.parametrize("form", ["json", "csv"])
def test_what_dora_exported(estate: Lab, form: str, tmp_path: Path) -> None:
    path = tmp_path / f"inventory.{form}"
    export_inventory(["Here"], str(path), form, configuration=ENVIRONMENTS)
    with Lab(load(path)) as lab:
        before, after = ({vm.id: vm for vm in in_vcenter(each)} for each in (estate, lab))
        assert after.keys() == before.keys()
        for number, vm in after.items():
            there = before[number]
            assert vm.name == there.name.strip()
            for key in ("datacenter", "host", "cpu_count", "memory_mb"):
                assert getattr(vm, key) == getattr(there, key), (key, vm)
            assert vm.cluster == (None if vm.host == "lonely-esx" else there.cluster)


def test_what_list_vms_returned(estate: Lab, tmp_path: Path) -> None:
    told = json.loads(json.dumps(vsphere.list_vms()))
    with Lab(load(written(told, tmp_path)), platforms=["vsphere"]) as lab:
        assert seen(in_vcenter(lab)) == seen(in_vcenter(estate))
    assert len(load(olvm.list_vms()).world.vms) == len(told)


def test_what_a_journal_holds(estate: Lab) -> None:
    first = vsphere.list_vms({"name": "web-01"})
    later = [{**vm, "power_state": "powered_off", "status": "poweredOff"} for vm in first]
    journal = {
        "experiment": {},
        "steady_states": {"before": {"probes": [{"output": True}, {"output": first}]}},
        "run": [{"output": later}, {"output": vsphere.vm_info("spare")}],
    }
    copy = load(journal).world
    assert sorted(vm.name for vm in copy.vms) == ["spare", "web-01", "web-01"]
    assert {vm.state for vm in copy.vms} == {State.RUNNING}


def record(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "id": name, "platform": "vsphere", "power_state": "powered_on", **more}


def test_dora_and_vcenter_tell_of_one_vm() -> None:
    """What the vCenter tells counts, Dora fills in what it left out."""
    dora = record("web", id="vm-5", platform="dora", cpu_count=9, memory_mb=512, guest_os="Ubuntu")
    told = record("web", id="vm-5", cpu_count=2, memory_mb=None)
    for records in ([dora, told], [told, dora]):
        (vm,) = load(records).world.vms
        assert (vm.moid, vm.topology.cpus, vm.memory, vm.os) == ("vm-5", 2, 2**29, "Ubuntu")


def test_what_dora_exported_beside_what_was_discovered(estate: Lab, tmp_path: Path) -> None:
    path = tmp_path / "inventory.json"
    export_inventory(["Here"], str(path), configuration=ENVIRONMENTS)
    told = chaosvm.vsphere.discover()["system"]
    both = {"vsphere": told, "dora": json.loads(path.read_text(encoding="utf-8"))}
    copy = load(both).world
    # Dora tells this one without its spaces, so that it is another one.
    twice = [vm.name for vm in copy.vms if "two  spaces" in vm.name]
    assert len(twice) == 2
    assert len(copy.vms) == len(told["vms"]) + 1


def test_one_moid_in_two_vcenters_is_two_vms() -> None:
    def dora(name: str, vcenter: str) -> dict[str, Any]:
        return record(name, id="vm-5", platform="dora", metadata={"vcenter": vcenter})

    copy = load([dora("a", "x"), dora("b", "x"), dora("a", "y"), dora("a", "y")]).world
    assert sorted(vm.name for vm in copy.vms) == ["a", "a", "b"]
    assert len({vm.moid for vm in copy.vms}) == 3


def test_duplicated_names_stay_so() -> None:
    copy = load([record("web", id="vm-1"), record("web", id="vm-2")]).world
    assert [(vm.name, vm.moid) for vm in copy.vms] == [("web", "vm-1"), ("web", "vm-2")]


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, State.RUNNING),
        ({"power_state": "paused"}, State.PAUSED),
        ({"power_state": "transitioning", "status": "powering_up"}, State.RUNNING),
        ({"power_state": "transitioning", "status": "powering_down"}, State.OFF),
        ({"power_state": "transitioning", "status": "saving_state"}, State.SUSPENDED),
        ({"power_state": "unknown", "status": "not_responding"}, State.NOT_RESPONDING),
        ({"power_state": "unknown", "status": "unknown"}, State.UNREACHABLE),
        (
            {"power_state": "unknown", "metadata": {"connection_state": "orphaned"}},
            State.UNASSIGNED,
        ),
    ],
)
def test_states_are_kept_where_they_stay(more: dict[str, Any], state: State) -> None:
    assert load([record("a", **more)]).world.vms[0].state is state


def test_tools_that_are_not_there() -> None:
    told = [
        record("none", id="vm-1", tools_status="toolsNotInstalled"),
        record("dead", id="vm-2", tools_status="toolsNotRunning"),
        record("off", id="vm-3", tools_status="toolsNotRunning", power_state="powered_off"),
        record("fine", id="vm-4", tools_status="toolsOk"),
    ]
    guests = {vm.name: vm.guest for vm in load(told).world.vms}
    assert guests["none"] == guests["dead"] == Guest.without_agent()
    assert guests["off"] == guests["fine"] == Guest()


def test_a_cluster_without_a_host_gets_one() -> None:
    """An engine does not tell of the hosts of what is off; nothing could start there."""
    told = {
        "counts": {},
        "datacenters": ["dc"],
        "clusters": ["prod", "spare"],
        "hosts": [{"name": "esx-9", "id": "x", "status": "up"}],
        "vms": [record("a", platform="olvm", power_state="powered_off", cluster="prod")],
    }
    copy = load(told).world
    assert [(c.name, [h.name for h in copy.hosts if h.cluster_id == c.id]) for c in copy.clusters]
    assert sorted(host.name for host in copy.hosts) == ["esx-9", "spare-host-1"]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([{"name": "a"}], r"\[0\]"),
        ([record("a"), record("a", power_state="onn")], r"\[1\].power_state is 'onn'"),
        ([record("a", cpu_count="2")], r"\[0\].cpu_count is '2'"),
        ([record("a", tags="web")], r"\[0\].tags is 'web'"),
        ([record("a", ip_addresses=[1])], r"\[0\].ip_addresses"),
        ([record("a", metadata=[])], r"\[0\].metadata"),
        ({"counts": {}, "vms": [record("a")], "clusters": "prod"}, "clusters is 'prod'"),
        ({"environments": ["a"]}, r"environments\[0\]"),
        ({"environments": [{"vms": [3]}]}, r"environments\[0\].vms\[0\]"),
        ({"activities": [], "system": {"aws": {}}}, "aws"),
        ({"activities": [], "system": None}, "no VMs"),
        ({"dora": {"environments": [{"counts": {}}]}}, "export_inventory"),
    ],
)
def test_what_tells_no_estate(told: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=said):
        load(written(told, tmp_path))


def test_a_big_estate_is_read_once() -> None:
    world = World.generated(2000)
    with Lab(world, platforms=["vsphere"]) as lab:
        told = [vm.to_json() for vm in in_vcenter(lab)]
    assert len(load(told).world.vms) == 2000
