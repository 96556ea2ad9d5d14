"""Reading as plain pyvmomi scripts do, which know nothing of chaosvm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from tests.contract.backend import VCenter
from tests.contract.vim_helpers import (
    COLLECTOR,
    filter_of,
    names_in,
    retrieved,
    view_of,
    walk_of,
)

Find = Callable[[str], Any]


def told(item: Any) -> dict[str, Any]:
    return {each.name: each.val for each in item.propSet}


# Views -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (vim.Datacenter, ["DC0", "DC1"]),
        (vim.ClusterComputeResource, ["DC0_C0", "DC1_C0"]),
        (vim.ComputeResource, ["DC0_C0", "DC1_C0"]),
        (vim.HostSystem, ["DC0_C0_H0", "DC0_C0_H1", "DC1_C0_H0", "DC1_C0_H1"]),
        (vim.ResourcePool, ["Resources", "Resources"]),
    ],
)
def test_a_view_shows_all_of_a_kind(content: Any, kind: Any, names: list[str]) -> None:
    assert names_in(view_of(content, kind)) == names


def test_a_view_shows_vms_in_folders_too(content: Any, vcenter: VCenter) -> None:
    view = view_of(content, vim.VirtualMachine)
    assert sorted(vm._moId for vm in view.view) == sorted(vcenter.ids.values())
    assert all(isinstance(vm, vim.VirtualMachine) for vm in view.view)


def test_a_view_of_several_kinds(content: Any, vcenter: VCenter) -> None:
    view = view_of(content, vim.VirtualMachine, vim.HostSystem)
    assert len(view.view) == len(vcenter.entries) + 4


def test_a_view_of_one_datacenter(content: Any) -> None:
    (south,) = (each for each in content.rootFolder.childEntity if each.name == "DC1")
    assert names_in(view_of(content, vim.VirtualMachine, container=south)) == ["twin"]


def test_a_view_that_is_not_recursive(content: Any) -> None:
    view = view_of(content, vim.Datacenter, vim.VirtualMachine, recursive=False)
    assert names_in(view) == ["DC0", "DC1"]


def test_a_view_is_gone_after_its_destruction(content: Any) -> None:
    view = view_of(content, vim.VirtualMachine)
    view.DestroyView()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound) as caught:
        _ = view.view
    assert caught.value.obj._moId == view._moId


def test_a_list_view_can_be_changed(content: Any, vm: Find) -> None:
    view = content.viewManager.CreateListView([vm("web-01"), vm("web-02")])
    assert names_in(view) == ["web-01", "web-02"]
    view.ModifyListView(add=[vm("web-03")], remove=[vm("web-01")])
    assert names_in(view) == ["web-02", "web-03"]
    view.ResetListView([vm("app-01")])
    assert names_in(view) == ["app-01"]


# The tree ------------------------------------------------------------------------------------


def test_scripts_walk_the_tree_by_hand(content: Any) -> None:
    datacenter = next(each for each in content.rootFolder.childEntity if each.name == "DC0")
    folders = {each.name: each for each in datacenter.vmFolder.childEntity}
    assert isinstance(folders["left"], vim.Folder)
    (pair,) = folders["left"].childEntity
    assert (pair.name, pair.parent.name, pair.parent.parent.name) == ("pair", "left", "vm")
    assert pair.parent.parent.parent == datacenter
    (cluster,) = datacenter.hostFolder.childEntity
    assert [host.parent for host in cluster.host] == [cluster, cluster]
    assert cluster.resourcePool.owner == cluster


def test_a_host_lists_its_vms(content: Any, vm: Find) -> None:
    host = vm("web-01").runtime.host
    assert vm("web-01") in host.vm
    assert isinstance(host.parent, vim.ClusterComputeResource)


def test_a_template_is_in_no_pool(vm: Find) -> None:
    assert vm("golden").config.template is True
    assert vm("golden").resourcePool is None
    assert vm("web-01").config.template is False
    assert vm("web-01").resourcePool.name == "Resources"


# The property collector ------------------------------------------------------------------------


def test_many_properties_of_many_vms_at_once(content: Any, vcenter: VCenter) -> None:
    view = view_of(content, vim.VirtualMachine)
    paths = ("name", "runtime.powerState", "config.template")
    found = retrieved(content, walk_of(view, vim.VirtualMachine, *paths))
    words = {"powered_on": "poweredOn", "powered_off": "poweredOff", "suspended": "suspended"}
    assert {item.obj._moId: told(item) for item in found} == {
        vcenter.ids[entry.known_as]: {
            "name": entry.name,
            "runtime.powerState": words[entry.power],
            "config.template": entry.template,
        }
        for entry in vcenter.entries
    }


@pytest.mark.parametrize("most", [1, 3, 5])
def test_pages_hold_no_more_than_asked_for(content: Any, vcenter: VCenter, most: int) -> None:
    collector = content.propertyCollector
    spec = walk_of(view_of(content, vim.VirtualMachine), vim.VirtualMachine, "name")
    page = collector.RetrievePropertiesEx([spec], COLLECTOR.RetrieveOptions(maxObjects=most))
    assert len(page.objects) == min(most, len(vcenter.entries))
    assert page.token
    collector.CancelRetrievePropertiesEx(page.token)
    with pytest.raises(vmodl.fault.InvalidArgument):
        collector.ContinueRetrievePropertiesEx(page.token)


def test_pages_together_are_the_whole(content: Any, vcenter: VCenter) -> None:
    spec = walk_of(view_of(content, vim.VirtualMachine), vim.VirtualMachine, "name")
    found = [item.obj._moId for item in retrieved(content, spec, most=5)]
    assert sorted(found) == sorted(vcenter.ids.values())


def test_a_token_that_nobody_gave_is_refused(content: Any) -> None:
    with pytest.raises(vmodl.fault.InvalidArgument):
        content.propertyCollector.ContinueRetrievePropertiesEx("nonsense")


def test_traversals_lead_from_the_root_to_every_vm(content: Any, vcenter: VCenter) -> None:
    again = COLLECTOR.SelectionSpec(name="folders")
    into = COLLECTOR.TraversalSpec(
        name="datacenters", type=vim.Datacenter, path="vmFolder", selectSet=[again]
    )
    down = COLLECTOR.TraversalSpec(
        name="folders",
        type=vim.Folder,
        path="childEntity",
        selectSet=[again, COLLECTOR.SelectionSpec(name="datacenters")],
    )
    spec = COLLECTOR.FilterSpec(
        objectSet=[COLLECTOR.ObjectSpec(obj=content.rootFolder, selectSet=[down, into])],
        propSet=[COLLECTOR.PropertySpec(type=vim.VirtualMachine, pathSet=["name"])],
    )
    found = retrieved(content, spec)
    assert sorted(item.obj._moId for item in found) == sorted(vcenter.ids.values())


def test_a_kind_stands_for_what_derives_from_it(content: Any) -> None:
    view = view_of(content, vim.ManagedEntity)
    kinds = {
        type(item.obj) for item in retrieved(content, walk_of(view, vim.ManagedEntity, "name"))
    }
    assert kinds >= {vim.VirtualMachine, vim.HostSystem, vim.Folder, vim.ClusterComputeResource}


def test_what_is_not_set_is_left_out(content: Any, vm: Find) -> None:
    paths = ("guest.hostName", "guest.ipAddress", "runtime.question", "name")
    spec = filter_of([vm("web-01"), vm("web-02")], vim.VirtualMachine, *paths)
    first, second = retrieved(content, spec)
    assert told(first) == {
        "name": "web-01",
        "guest.hostName": "web-01.example.org",
        "guest.ipAddress": "10.0.0.1",
    }
    assert told(second) == {"name": "web-02"}
    assert not second.missingSet


def test_one_object_is_told_once(content: Any, vm: Find) -> None:
    spec = filter_of([vm("web-01"), vm("web-01")], vim.VirtualMachine, "name")
    names = {told(item)["name"] for item in retrieved(content, spec)}
    assert names == {"web-01"}


@pytest.mark.parametrize("path", ["nonsense", "config.nonsense", "runtime.powerState.nonsense"])
def test_a_property_that_does_not_exist(content: Any, vm: Find, path: str) -> None:
    with pytest.raises(vmodl.query.InvalidProperty) as caught:
        retrieved(content, filter_of([vm("web-01")], vim.VirtualMachine, path))
    assert caught.value.name


def test_an_object_that_does_not_exist(content: Any, instance: Any) -> None:
    nobody = vim.VirtualMachine("vm-999999", instance._stub)
    with pytest.raises(vmodl.fault.ManagedObjectNotFound) as caught:
        retrieved(content, filter_of([nobody], vim.VirtualMachine, "name"))
    assert caught.value.obj._moId == "vm-999999"
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = nobody.name


def test_a_missing_object_can_be_passed_over(content: Any, vm: Find, instance: Any) -> None:
    nobody = vim.VirtualMachine("vm-999999", instance._stub)
    spec = filter_of([nobody, vm("web-01")], vim.VirtualMachine, "name")
    spec.reportMissingObjectsInResults = True
    (item,) = retrieved(content, spec)
    assert told(item) == {"name": "web-01"}


# Whole objects ---------------------------------------------------------------------------------


def test_a_vm_as_scripts_print_it(vm: Find, vcenter: VCenter) -> None:
    summary = vm("web-01").summary
    assert summary.vm._moId == vcenter.ids["web-01"]
    assert (summary.config.name, summary.config.template) == ("web-01", False)
    assert (summary.runtime.powerState, summary.runtime.connectionState) == (
        "poweredOn",
        "connected",
    )
    assert (summary.guest.hostName, summary.guest.ipAddress) == ("web-01.example.org", "10.0.0.1")
    assert summary.guest.toolsRunningStatus == "guestToolsRunning"
    assert summary.config.instanceUuid == vm("web-01").config.instanceUuid
    assert summary.config.numCpu == vm("web-01").config.hardware.numCPU
    assert summary.config.memorySizeMB == vm("web-01").config.hardware.memoryMB
    assert summary.config.vmPathName == vm("web-01").config.files.vmPathName
    assert vm("web-01").config.files.vmPathName.startswith("[")


def test_a_vm_without_tools_says_so(vm: Find) -> None:
    guest = vm("bare-01").guest
    assert (guest.toolsStatus, guest.toolsRunningStatus) == (
        "toolsNotInstalled",
        "guestToolsNotRunning",
    )
    assert vm("bare-01").runtime.powerState == "poweredOn"


def test_a_managed_vm_says_by_whom(vm: Find) -> None:
    owner = vm("agent-01").config.managedBy
    assert (owner.extensionKey, owner.type) == ("com.vmware.vim.eam", "agent")
    assert vm("web-01").config.managedBy is None


@pytest.mark.parametrize("part", ["config", "runtime", "guest", "summary"])
def test_a_part_agrees_with_its_leaves(content: Any, vm: Find, part: str) -> None:
    leaf = {
        "config": "config.instanceUuid",
        "runtime": "runtime.powerState",
        "guest": "guest.toolsRunningStatus",
        "summary": "summary.config.name",
    }[part]
    spec = filter_of([vm("web-01")], vim.VirtualMachine, part, leaf)
    (item,) = retrieved(content, spec)
    values = told(item)
    whole: Any = values[part]
    for name in leaf.split(".")[1:]:
        whole = getattr(whole, name)
    assert whole == values[leaf]


def test_everything_of_a_vm_at_once(content: Any, vm: Find) -> None:
    (item,) = retrieved(content, filter_of([vm("web-01")], vim.VirtualMachine, whole=True))
    values = told(item)
    assert values["name"] == "web-01"
    assert values.keys() >= {"config", "runtime", "guest", "summary", "parent", "resourcePool"}


@pytest.mark.parametrize(
    "kind", [vim.HostSystem, vim.ClusterComputeResource, vim.Datacenter, vim.Folder, vim.Datastore]
)
def test_everything_of_each_kind(content: Any, kind: Any) -> None:
    found = retrieved(
        content,
        *(filter_of([each], kind, whole=True) for each in view_of(content, kind).view),
    )
    assert found
    assert all(told(item)["name"] for item in found)


def test_a_host_as_scripts_print_it(content: Any) -> None:
    host = next(each for each in view_of(content, vim.HostSystem).view if each.name == "DC0_C0_H0")
    assert (host.runtime.connectionState, host.runtime.powerState) == ("connected", "poweredOn")
    assert host.runtime.inMaintenanceMode is False
    hardware = host.summary.hardware
    assert hardware.numCpuCores >= 1
    assert hardware.memorySize > 0
    assert host.summary.config.name == "DC0_C0_H0"
    assert isinstance(host.summary.quickStats.overallCpuUsage or 0, int)


def test_a_cluster_as_scripts_print_it(content: Any) -> None:
    cluster = view_of(content, vim.ClusterComputeResource).view[0]
    assert (cluster.summary.numHosts, len(cluster.host)) == (2, 2)
    assert cluster.summary.totalMemory > 0
    assert cluster.summary.numCpuCores >= 2


def test_a_datastore_as_scripts_print_it(content: Any) -> None:
    store = view_of(content, vim.Datastore).view[0]
    summary = store.summary
    assert summary.name == store.name
    assert summary.accessible is True
    assert summary.capacity >= summary.freeSpace > 0
