"""What ordinary scripts read, in the way they read it: property by property, and whole objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyVim.task import WaitForTasks
from pyVmomi import vim

from tests.contract.backend import VCenter
from tests.contract.estate import Power
from tests.contract.vim_helpers import view_of

Find = Callable[[str], Any]

MANAGERS = (
    "alarmManager",
    "authorizationManager",
    "customFieldsManager",
    "customizationSpecManager",
    "eventManager",
    "extensionManager",
    "fileManager",
    "guestOperationsManager",
    "licenseManager",
    "perfManager",
    "propertyCollector",
    "searchIndex",
    "sessionManager",
    "setting",
    "taskManager",
    "userDirectory",
    "viewManager",
    "virtualDiskManager",
)
# What a script reads of a VM, and what it can do with it then.
OF_A_VM: dict[str, Callable[[Any], bool]] = {
    "config.annotation": lambda value: value is None or isinstance(value, str),
    "config.hardware.device": lambda value: any(device.deviceInfo.label for device in value),
    "config.version": lambda value: value.startswith("vmx-"),
    "config.extraConfig": lambda value: isinstance(value, list),
    "datastore": lambda value: value[0].name != "",
    "guest.disk": lambda value: all(each.diskPath for each in value),
    "layoutEx": lambda value: any(file.name.endswith(".vmx") for file in value.file),
    "network": lambda value: isinstance(value, list),
    "permission": lambda value: value == [],
    "rootSnapshot": lambda value: value == [],
    "snapshot": lambda value: value is None,
    "storage.perDatastoreUsage": lambda value: all(each.committed >= 0 for each in value),
    "summary.storage.committed": lambda value: value >= 0,
    "summary.quickStats": lambda value: value is not None,
    "triggeredAlarmState": lambda value: value == [],
    "overallStatus": lambda value: value == "green",
}


@pytest.mark.parametrize("name", MANAGERS)
def test_the_service_has_its_managers(content: Any, name: str) -> None:
    assert getattr(content, name)._moId


@pytest.mark.parametrize("path", OF_A_VM)
def test_a_script_reads_of_a_vm(vm: Find, path: str) -> None:
    value = vm("web-01")
    for name in path.split("."):
        value = getattr(value, name)
    assert OF_A_VM[path](value)


def test_a_script_lists_vms_with_their_summaries(content: Any, vcenter: VCenter) -> None:
    view = view_of(content, vim.VirtualMachine)
    lines = sorted(
        f"{vm.summary.config.name} {vm.summary.runtime.powerState} {vm.summary.config.template}"
        for vm in view.view
    )
    view.Destroy()
    assert "golden poweredOff True" in lines
    assert len(lines) == len(vcenter.entries)


def test_a_script_prints_everything(vm: Find) -> None:
    for name in ("web-01", "app-01", "db-01", "bare-01", "golden"):
        found = vm(name)
        for part in (found.config, found.summary, found.runtime, found.guest):
            assert type(part).__name__ in str(part)


def test_a_script_looks_for_what_is_not_there(vm: Find) -> None:
    assert hasattr(vm("web-01"), "name")
    assert not hasattr(vm("web-01"), "nonsense")


def test_a_script_powers_on_by_name_and_waits_for_all(
    content: Any, instance: Any, vcenter: VCenter
) -> None:
    wanted = ("app-01", "db-01")
    view = view_of(content, vim.VirtualMachine)
    WaitForTasks([vm.PowerOn() for vm in view.view if vm.name in wanted], si=instance)
    assert {vcenter.power(name) for name in wanted} == {Power.ON}


def test_a_script_reads_host_by_host(content: Any) -> None:
    for host in view_of(content, vim.HostSystem).view:
        assert host.hardware.cpuInfo.numCpuCores >= 1
        assert host.hardware.memorySize > 0
        assert host.hardware.systemInfo.uuid == host.summary.hardware.uuid
        assert host.config.product.fullName == host.summary.config.product.fullName
        assert host.summary.quickStats is not None


def test_a_script_reads_pool_by_pool(content: Any) -> None:
    for pool in view_of(content, vim.ResourcePool).view:
        assert pool.config.cpuAllocation.limit is not None
        assert pool.summary.name == pool.name
        assert pool.runtime.overallStatus == "green"


def test_a_script_reads_cluster_by_cluster(content: Any) -> None:
    for cluster in view_of(content, vim.ClusterComputeResource).view:
        assert cluster.configuration.dasConfig is not None
        assert cluster.configurationEx.drsConfig is not None


def test_a_script_reads_datastore_by_datastore(content: Any, vm: Find) -> None:
    datastores = view_of(content, vim.Datastore).view
    for datastore in datastores:
        assert datastore.info.name == datastore.name
        assert all(mount.key.name for mount in datastore.host)
    assert any(vm("web-01") in datastore.vm for datastore in datastores)


def test_a_script_finds_a_vm_by_its_file(content: Any, vm: Find) -> None:
    datacenter = content.searchIndex.FindByInventoryPath("/DC0")
    path = vm("web-01").config.files.vmPathName
    assert content.searchIndex.FindByDatastorePath(datacenter, path) == vm("web-01")
    assert content.searchIndex.FindByDatastorePath(datacenter, "[nowhere] a/a.vmx") is None


def test_a_script_names_the_kinds_of_tasks(content: Any) -> None:
    known = {each.key for each in content.taskManager.description.methodInfo}
    assert known >= {"VirtualMachine.powerOn", "VirtualMachine.powerOff"}


def test_a_script_names_the_kinds_of_events(content: Any) -> None:
    known = {each.key for each in content.eventManager.description.eventInfo}
    assert vim.event.VmPoweredOffEvent in known


def test_a_view_is_in_the_list_of_views(content: Any) -> None:
    view = view_of(content, vim.VirtualMachine)
    assert view in content.viewManager.viewList
    view.Destroy()
    assert view not in content.viewManager.viewList


def test_what_is_not_modelled_has_empty_lists(content: Any) -> None:
    assert isinstance(content.customizationSpecManager.info, list)
    assert isinstance(content.extensionManager.extensionList, list)
    assert isinstance(content.licenseManager.licenses, list)
