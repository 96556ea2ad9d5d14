"""VMs as they are written quickly: what pyvmomi's serializer would write, and only once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pyVmomi import VmomiSupport, vim

from chaosvm.lab import Guest, Lab, State, World
from chaosvm.lab.simulation import HighAvailability
from chaosvm.lab.vcenter import object_selection
from chaosvm.lab.vcenter.alarms import Alarms
from chaosvm.lab.vcenter.inventory import Inventory
from chaosvm.lab.vcenter.property_tree import TREE, vm_property
from chaosvm.lab.vcenter.property_xml import property_xml
from chaosvm.lab.vcenter.serialization import serialize
from chaosvm.lab.vcenter.tasks import Tasks
from chaosvm.lab.vcenter.vm_properties import LEAVES, VOLATILE
from tests.fakes import FakeClock
from tests.lab.vcenter.conftest import connected, left, view
from tests.lab.vcenter.test_reading import Collector, spec_of

NEWEST = VmomiSupport.versionMap["vim25/8.0.3.0"]
OLD = VmomiSupport.versionMap["vim25/6.5"]
_AROUND = {path.rpartition(".")[0] for path in LEAVES if "." in path}
_WITHIN = ("config.hardware.device[4000].macAddress", "config.managedBy.type", "guest.net[4000]")
PATHS = sorted({*LEAVES, *_AROUND, *TREE, *_WITHIN})


@pytest.fixture
def inventory(world: World) -> Inventory:
    """VMs of all sorts, with names that mean something in XML and in patterns."""
    for state in State:
        world.stick(world.add_vm(state.value, ip_addresses=("10.0.0.1", "fe80::1")).id, state)
    world.change("suspended", suspended_at=world.now)
    world.change_cluster(world.clusters[0].id, ha=HighAvailability(enabled=True))
    world.add_vm(
        '<b>&"{0}" {} %s/%',
        fqdn="a<b>.example",
        os="rhel_9x64",
        description="<&> {1}",
        attributes={"<owner>": "{0}&", "other": "<x>"},
        managed_by="com.<vmware>&",
        folder=("a & b",),
    )
    world.add_vm("plain", guest=Guest.without_agent(), template=True, attributes={"other": ""})
    inventory = Inventory(world)
    inventory.notify = lambda moids: None
    inventory.tasks = Tasks(world, inventory.own_events, inventory.notify)
    inventory.alarms = Alarms(inventory)
    return inventory


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("version", [NEWEST, OLD])
def test_it_is_what_pyvmomi_writes(inventory: Inventory, path: str, version: str) -> None:
    for _ in range(2):  # the first of a form is written in another way than the rest
        for vm in inventory.world.vms:
            value = vm_property(inventory, vm, path)
            expected = "" if value is None else serialize("val", value, version)
            assert property_xml(inventory, vm, path, version) == expected


def test_some_of_all_this_is_set(inventory: Inventory) -> None:
    """Else the test above compares nothing with nothing."""
    rare = {"guest.net[4000]", "snapshot"}
    for path in set(PATHS) - rare:
        assert any(property_xml(inventory, vm, path, NEWEST) for vm in inventory.world.vms), path


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which VMs are written, and not taken from what is kept."""
    names: list[str] = []
    render_pieces = object_selection.render_pieces

    def counted(pieces: Any, inventory: Any, vm: Any) -> Any:
        names.append(vm.name)
        return render_pieces(pieces, inventory, vm)

    monkeypatch.setattr(object_selection, "render_pieces", counted)
    return names


@pytest.fixture
def content(world: World) -> Iterator[Any]:
    with Lab(world, platforms=["vsphere"]) as lab:
        instance = connected(lab)
        yield instance.RetrieveContent()
        left(instance)


def _read(content: Any, *paths: str, whole: bool = False) -> dict[str, dict[str, Any]]:
    spec = spec_of(view(content, vim.VirtualMachine), vim.VirtualMachine, *paths)
    if whole:
        spec.propSet = [Collector.PropertySpec(type=vim.VirtualMachine, all=True)]
    found = content.propertyCollector.RetrieveContents([spec])
    items = [{each.name: each.val for each in item.propSet} for item in found]
    return {each["name"]: each for each in items}


@pytest.mark.parametrize("paths", [("name", "summary"), ("name", "config", "runtime", "guest"), ()])
def test_nothing_is_written_twice(
    world: World, content: Any, writes: list[str], paths: tuple[str, ...]
) -> None:
    for number in range(5):
        world.add_vm(f"web-{number}")
    before = _read(content, *paths, whole=not paths)
    assert sorted(writes) == sorted(before)
    writes.clear()
    assert _read(content, *paths, whole=not paths).keys() == before.keys()
    assert writes == []
    world.stick("web-3", State.SUSPENDED)
    after = _read(content, *paths, whole=not paths)["web-3"]
    runtime = after["summary"].runtime if "summary" in after else after["runtime"]
    assert runtime.powerState == "suspended"
    assert writes == ["web-3"]


@pytest.fixture
def world(slow_world: World) -> World:
    return slow_world


def test_what_is_fleeting_is_not_kept(world: World, content: Any, clock: FakeClock) -> None:
    world.add_vm("web", up_for=60)
    first = _read(content, "name", "summary", "summary.quickStats", *VOLATILE)["web"]
    clock.sleep(100)
    world.change(world.add_vm("other").id, attributes={"owner": "me"})
    content.customFieldsManager.AddCustomFieldDef(name="more", moType=vim.VirtualMachine)
    later = _read(content, "name", "summary", "summary.quickStats", *VOLATILE)["web"]
    for told_of, more in ((first, 0), (later, 100)):
        up = {
            told_of["summary"].quickStats.uptimeSeconds,
            told_of["summary.quickStats"].uptimeSeconds,
            told_of["summary.quickStats.uptimeSeconds"],
        }
        assert up == {60 + more}
    assert {each.name for each in later["availableField"]} == {"owner", "more"}


def test_each_vm_is_looked_up_once_for_all_hosts(
    world: World, content: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = world.add_cluster("c1", world.add_datacenter("dc1"))
    hosts = [world.add_host(f"h{number}", cluster) for number in range(5)]
    vms = [world.add_vm(f"vm-{number}", cluster=cluster) for number in range(20)]
    looked_up: list[str] = []
    host_of = Inventory.host_of
    monkeypatch.setattr(
        Inventory, "host_of", lambda self, vm: looked_up.append(vm.name) or host_of(self, vm)
    )

    def members() -> dict[str, set[str]]:
        spec = spec_of(view(content, vim.HostSystem), vim.HostSystem, "name", "vm")
        found = content.propertyCollector.RetrieveContents([spec])
        values = [{each.name: each.val for each in item.propSet} for item in found]
        return {each["name"]: {vm._moId for vm in each["vm"]} for each in values}

    expected = {host.name: {vm.moid for vm in vms if vm.host_id == host.id} for host in hosts}
    assert members() == expected
    assert sorted(looked_up) == sorted(vm.name for vm in vms)
    moved = next(vm for vm in vms if vm.host_id != hosts[0].id)
    world.change(moved.id, host_id=hosts[0].id)
    assert moved.moid in members()[hosts[0].name]
    assert sum(map(len, members().values())) == len(vms)


def test_what_xml_cannot_hold_is_left_out_of_everything(world: World, content: Any) -> None:
    world.add_vm("a\x07b", attributes={"owner": "\x00me"})
    told_of = _read(content, whole=True)["ab"]
    assert told_of["layoutEx"].file[0].name.endswith("ab/ab.vmx")
    assert told_of["customValue"][0].value == "me"
