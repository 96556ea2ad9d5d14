"""Reading: properties, traversals, pages, views, and finding things."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from chaosvm.lab import Guest, Lab, State, World
from tests.lab.vcenter.conftest import Soap, view

Collector = vmodl.query.PropertyCollector


def spec_of(started_at: Any, kind: Any, *paths: str, walk: str = "view") -> Any:
    step = Collector.TraversalSpec(type=type(started_at), path=walk, skip=False)
    return Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=started_at, skip=True, selectSet=[step])],
        propSet=[Collector.PropertySpec(type=kind, pathSet=list(paths))],
    )


def test_a_script_finds_every_vm(content: Any, world: World) -> None:
    for number in range(3):
        world.add_vm(f"web-{number}")
    assert sorted(vm.name for vm in view(content, vim.VirtualMachine).view) == [
        "web-0",
        "web-1",
        "web-2",
    ]


def test_a_vm_is_told_in_full(content: Any, world: World) -> None:
    made = world.add_vm(
        "web/01",
        fqdn="web-01.lab.example",
        ip_addresses=("10.1.2.3", "fe80::1"),
        folder=("data", "prod"),
        attributes={"owner": "data team"},
        managed_by="com.vmware.vim.eam",
        description="<the> server",
    )
    (vm,) = view(content, vim.VirtualMachine).view
    assert (vm._moId, vm.name, vm.parent.name) == (made.moid, "web%2f01", "prod")
    config, guest, runtime, summary = vm.config, vm.guest, vm.runtime, vm.summary
    assert (config.instanceUuid, config.hardware.memoryMB) == (made.id, 1024)
    assert (config.annotation, config.managedBy.type) == ("<the> server", "agent")
    (card,) = (each for each in config.hardware.device if hasattr(each, "macAddress"))
    assert card.macAddress.startswith("00:50:56:")
    assert card.backing.network == vm.network[0]
    assert (guest.hostName, guest.ipAddress) == ("web-01.lab.example", "10.1.2.3")
    assert guest.net[0].ipAddress == ["10.1.2.3", "fe80::1"]
    assert guest.toolsRunningStatus == "guestToolsRunning"
    assert (runtime.powerState, runtime.host.name) == ("poweredOn", "host-1")
    assert summary.quickStats.uptimeSeconds >= 3600
    assert summary.config.name == "web%2f01"
    (field,) = content.customFieldsManager.field
    (value,) = vm.customValue
    assert (field.name, field.key, value.value) == ("owner", value.key, "data team")


def test_each_host_has_equipment_of_its_own(content: Any, world: World) -> None:
    for number in (1, 2):
        cluster = world.add_cluster(f"c{number}", world.add_datacenter(f"dc{number}"))
        world.add_host(f"esx-{number}.lab.example", cluster)
    hosts = {host.name: host for host in view(content, vim.HostSystem).view}
    for number, host in enumerate((hosts["esx-1.lab.example"], hosts["esx-2.lab.example"]), 1):
        (store,) = host.datastore
        (mounted,) = host.config.fileSystemVolume.mountInfo
        assert (mounted.volume.name, store.info.vmfs.name) == (store.name, store.name)
        dns = host.configManager.networkSystem.dnsConfig
        assert (dns.hostName, dns.domainName) == (f"esx-{number}", "lab.example")
        assert host.config.storageDevice.hostBusAdapter[0].device == "vmhba0"
    first, second = (hosts[name].config.network for name in sorted(hosts))
    macs = {network.pnic[0].mac for network in (first, second)}
    macs |= {network.vnic[0].spec.mac for network in (first, second)}
    assert len(macs) == 4
    assert first.vnic[0].spec.ip.ipAddress != second.vnic[0].spec.ip.ipAddress


def test_paths_lead_into_what_has_a_key(content: Any, world: World) -> None:
    world.add_vm("web", ip_addresses=("10.1.2.3",))
    made = view(content, vim.VirtualMachine)
    paths = ("config.hardware.device[4000].macAddress", "config.hardware.device[9]", "guest.net")
    (found,) = content.propertyCollector.RetrieveContents(
        [spec_of(made, vim.VirtualMachine, *paths)]
    )
    told = {each.name: each.val for each in found.propSet}
    assert told[paths[0]] == told["guest.net"][0].macAddress
    assert paths[1] not in told


@pytest.mark.parametrize("path", ["config", "runtime", "guest", "summary", "config.hardware"])
def test_the_whole_says_what_its_parts_say(content: Any, world: World, path: str) -> None:
    world.add_vm("web", ip_addresses=("10.1.2.3",))
    made = view(content, vim.VirtualMachine)
    (found,) = content.propertyCollector.RetrieveContents(
        [spec_of(made, vim.VirtualMachine, path, "config.hardware.numCPU", "runtime.powerState")]
    )
    told = {each.name: each.val for each in found.propSet}
    assert set(told) == {path, "config.hardware.numCPU", "runtime.powerState"}


def test_every_state_can_be_read(content: Any, world: World) -> None:
    for state in State:
        world.stick(world.add_vm(state.value).id, state)
    told = {vm.name: vm.summary for vm in view(content, vim.VirtualMachine).view}
    assert len(told) == len(State)
    assert told["suspended"].runtime.powerState == "suspended"
    assert told["paused"].runtime.question.text.startswith("There is no more space")
    assert told["not_responding"].runtime.connectionState == "disconnected"


def test_everything_can_be_read_at_once(content: Any, world: World) -> None:
    world.add_vm("web", ip_addresses=("10.0.0.1",))
    made = view(content, vim.ManagedEntity)
    spec = spec_of(made, vim.ManagedEntity)
    spec.propSet = [Collector.PropertySpec(type=vim.ManagedEntity, all=True)]
    found = content.propertyCollector.RetrieveContents([spec])
    names = {each.name: each.val for item in found for each in item.propSet if each.name == "name"}
    kinds = {type(item.obj).__name__.rsplit(".", 1)[-1] for item in found}
    assert names
    assert kinds >= {"VirtualMachine", "HostSystem", "ClusterComputeResource", "Datastore"}


def test_answers_come_in_pages(content: Any, world: World) -> None:
    for number in range(7):
        world.add_vm(f"web-{number}")
    collector = content.propertyCollector
    spec = spec_of(view(content, vim.VirtualMachine), vim.VirtualMachine, "name")
    page = collector.RetrievePropertiesEx([spec], Collector.RetrieveOptions(maxObjects=3))
    sizes, names = [], []
    while page is not None:
        sizes.append(len(page.objects))
        names += [item.propSet[0].val for item in page.objects]
        page = collector.ContinueRetrievePropertiesEx(page.token) if page.token else None
    assert sizes == [3, 3, 1]
    assert sorted(names) == [f"web-{number}" for number in range(7)]


def test_pages_can_be_given_up(content: Any, world: World) -> None:
    for number in range(3):
        world.add_vm(f"web-{number}")
    collector = content.propertyCollector
    spec = spec_of(view(content, vim.VirtualMachine), vim.VirtualMachine, "name")
    page = collector.RetrievePropertiesEx([spec], Collector.RetrieveOptions(maxObjects=1))
    collector.CancelRetrievePropertiesEx(page.token)
    with pytest.raises(vmodl.fault.InvalidArgument):
        collector.ContinueRetrievePropertiesEx(page.token)


@pytest.mark.parametrize("path", ["config.nonsense", "config.hardware[4000]", "name[1]"])
def test_a_property_that_does_not_exist_is_an_error(content: Any, world: World, path: str) -> None:
    world.add_vm("web")
    spec = spec_of(view(content, vim.VirtualMachine), vim.VirtualMachine, path)
    with pytest.raises(vmodl.query.InvalidProperty) as caught:
        content.propertyCollector.RetrieveContents([spec])
    assert caught.value.name == path


def test_an_object_that_is_gone_is_an_error(content: Any, world: World) -> None:
    moid = world.add_vm("web").moid
    (vm,) = view(content, vim.VirtualMachine).view
    world.remove_vm("web")
    assert vm._moId == moid
    with pytest.raises(vmodl.fault.ManagedObjectNotFound) as caught:
        _ = vm.name
    assert caught.value.obj == vm


def test_views_look_into_any_container(content: Any, world: World) -> None:
    datacenter = world.add_datacenter("dc")
    first = world.add_cluster("first", datacenter)
    second = world.add_cluster("second", datacenter)
    host = world.add_host("host-a", first)
    world.add_host("host-b", second)
    world.add_vm("one", cluster=first, host=host, folder=("some",))
    world.add_vm("two", cluster=second)
    clusters = {each.name: each for each in view(content, vim.ClusterComputeResource).view}
    hosts = {each.name: each for each in view(content, vim.HostSystem).view}
    inside = clusters["first"], hosts["host-a"], clusters["first"].resourcePool
    for container in inside:
        found = view(content, vim.VirtualMachine, container=container).view
        assert [vm.name for vm in found] == ["one"]
    assert view(content, vim.VirtualMachine, recursive=False).view == []
    assert [vm.name for vm in hosts["host-b"].vm] == ["two"]
    (found,) = view(content, vim.Datacenter).view
    assert [child.name for child in found.vmFolder.childEntity] == ["some", "two"]


def test_a_standalone_host_is_no_cluster(content: Any, world: World) -> None:
    around = world.add_cluster("esx-1", world.add_datacenter("dc"), standalone=True)
    world.add_host("esx-1", around)
    assert view(content, vim.ClusterComputeResource).view == []
    (compute,) = view(content, vim.ComputeResource).view
    assert compute.host[0].parent == compute


def test_list_views_hold_what_they_are_given(content: Any, world: World) -> None:
    for name in ("one", "two"):
        world.add_vm(name)
    one, two = view(content, vim.VirtualMachine).view
    listed = content.viewManager.CreateListView([one])
    assert listed.view == [one]
    assert listed.ModifyListView(add=[two, vim.VirtualMachine("vm-9")], remove=[one]) == [
        vim.VirtualMachine("vm-9")
    ]
    assert listed.view == [two]
    listed.DestroyView()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = listed.view


def test_things_are_found_by_what_they_are_called(content: Any, world: World) -> None:
    made = world.add_vm("a/b", folder=("one",), fqdn="ab.example", ip_addresses=("10.0.0.1",))
    quiet = world.add_vm("quiet", guest=Guest.deaf(), ip_addresses=("10.0.0.2",))
    index = content.searchIndex
    path = "/Default/vm/one/a%2fb"
    found = [
        index.FindByInventoryPath(path),
        index.FindByInventoryPath(path[1:] + "/"),
        index.FindByUuid(None, made.id, True, True),
        index.FindByDnsName(None, "ab.example", True),
        index.FindByIp(None, "10.0.0.1", True),
        index.FindChild(index.FindByInventoryPath("Default/vm/one"), "a%2fb"),
    ]
    assert {each._moId for each in found} == {made.moid}
    bios = found[0].config.uuid
    assert index.FindByUuid(None, bios, True, False)._moId == made.moid
    assert index.FindByInventoryPath("/Default/vm/nothing") is None
    assert index.FindByIp(None, "10.0.0.2", True) is None  # nobody there tells its address
    assert index.FindByInventoryPath("/Default/vm/quiet")._moId == quiet.moid
    assert index.FindByInventoryPath("/Default/host/Default/host-1").name == "host-1"


def test_answers_are_compressed_for_who_wants_it(lab: Lab, world: World, soap: Soap) -> None:
    soap.login()
    long = soap("RetrieveServiceContent", "ServiceInstance", **{"Accept-Encoding": "gzip"})
    plain = soap("RetrieveServiceContent", "ServiceInstance", **{"Accept-Encoding": "identity"})
    assert long.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert long.text == plain.text


def test_others_are_served_while_a_long_answer_is_made(instance: Any, world: World) -> None:
    for number in range(500):
        world.add_vm(f"web-{number:03}")
    content = instance.RetrieveContent()
    spec = spec_of(view(content, vim.VirtualMachine), vim.VirtualMachine, "name", "config")
    began = time.monotonic()
    assert len(content.propertyCollector.RetrieveContents([spec])) == 500
    assert time.monotonic() - began < 20


def test_older_clients_are_told_what_they_know(soap: Soap, world: World) -> None:
    moid = world.add_vm("web").moid
    soap.login()
    inner = (
        "<specSet><propSet><type>VirtualMachine</type><pathSet>config</pathSet></propSet>"
        f'<objectSet><obj type="VirtualMachine">{moid}</obj></objectSet></specSet><options/>'
    )
    told = {}
    for version in ("6.0", "8.0.3.0", "99.0"):
        action = {"SOAPAction": f'"urn:vim25/{version}"'}
        collector = ("PropertyCollector", "propertyCollector")
        told[version] = soap("RetrievePropertiesEx", *collector, inner, **action).text
    assert "createDate" not in told["6.0"]
    assert "createDate" in told["8.0.3.0"]
    assert told["99.0"] == told["8.0.3.0"]
