"""Events, custom attributes and the search index, as plain pyvmomi scripts use them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from tests.contract.backend import VCenter
from tests.contract.estate import Entry
from tests.contract.vim_helpers import ended
from tests.moments import eventually

Find = Callable[[str], Any]
FilterSpec = vim.event.EventFilterSpec


# Events -------------------------------------------------------------------------------------


def about(entity: Any, recursion: str = "self", **more: Any) -> Any:
    return FilterSpec(
        entity=FilterSpec.ByEntity(entity=entity, recursion=recursion),
        **more,
    )


CYCLE = ("VmStoppingEvent", "VmPoweredOffEvent", "VmStartingEvent", "VmPoweredOnEvent")


@pytest.fixture
def power_cycle(vm: Find, vcenter: VCenter) -> Any:
    """A VM of its own that was switched off and on again."""
    vcenter.add(Entry(name="cycle-01"))
    cycled = vm("cycle-01")
    ended(cycled.PowerOffVM_Task())
    ended(cycled.PowerOnVM_Task())
    eventually(lambda: cycled.guest.toolsRunningStatus == "guestToolsRunning")
    return cycled


def test_a_power_cycle_is_told_in_events(content: Any, power_cycle: Any) -> None:
    told = content.eventManager.QueryEvents(about(power_cycle, eventTypeId=list(CYCLE)))
    last = sorted(told, key=lambda event: event.key)[-4:]
    assert [type(event)._wsdlName for event in last] == list(CYCLE)


def test_an_event_says_what_when_and_where(content: Any, power_cycle: Any) -> None:
    wanted = about(power_cycle, eventTypeId=["VmPoweredOnEvent"])
    event = content.eventManager.QueryEvents(wanted)[0]
    assert (event.vm.vm, event.vm.name) == (power_cycle, "cycle-01")
    assert event.host.host == power_cycle.runtime.host
    assert event.datacenter.name == "DC0"
    assert event.computeResource.name == "DC0_C0"
    assert "cycle-01" in event.fullFormattedMessage
    assert abs(event.createdTime - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    assert event.key > 0


def test_events_of_one_vm_are_of_that_vm_only(content: Any, power_cycle: Any, vm: Find) -> None:
    ended(vm("web-02").PowerOffVM_Task())
    told = content.eventManager.QueryEvents(about(power_cycle))
    assert {event.vm.vm._moId for event in told} == {power_cycle._moId}


def test_events_of_one_name(content: Any, power_cycle: Any) -> None:
    wanted = about(power_cycle, eventTypeId=["VmPoweredOffEvent"])
    told = content.eventManager.QueryEvents(wanted)
    assert {type(event) for event in told} == {vim.event.VmPoweredOffEvent}


def test_events_of_one_type(content: Any, power_cycle: Any) -> None:
    wanted = about(power_cycle, type=[vim.event.VmPoweredOffEvent])
    told = content.eventManager.QueryEvents(wanted)
    assert {type(event) for event in told} == {vim.event.VmPoweredOffEvent}


@pytest.mark.parametrize(("name", "path"), [("web-01", "/DC0"), ("twin in DC1", "/DC1")])
def test_events_below_a_datacenter(content: Any, vm: Find, name: str, path: str) -> None:
    ended(vm(name).PowerOffVM_Task())
    below = content.searchIndex.FindByInventoryPath(path)
    wanted = about(below, "all", eventTypeId=["VmPoweredOffEvent"])
    told = content.eventManager.QueryEvents(wanted)
    assert {event.datacenter.name for event in told} == {path[1:]}


def test_events_since_a_moment(content: Any, power_cycle: Any) -> None:
    since = FilterSpec.ByTime(beginTime=dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))
    assert content.eventManager.QueryEvents(about(power_cycle, time=since))


def test_no_events_before_their_moment(content: Any, power_cycle: Any) -> None:
    since = FilterSpec.ByTime(beginTime=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1))
    assert not content.eventManager.QueryEvents(about(power_cycle, time=since))


def test_the_latest_event_is_known(content: Any, power_cycle: Any) -> None:
    assert content.eventManager.latestEvent.key > 0


def test_a_task_begins_with_an_event(content: Any, vm: Find, vcenter: VCenter) -> None:
    """It holds the task as created: always queued (TaskEvent in the API reference)."""
    vcenter.add(Entry(name="tasked-01"))
    tasked = vm("tasked-01")
    task = tasked.PowerOffVM_Task()
    chain = ended(task).eventChainId
    (event,) = content.eventManager.QueryEvents(FilterSpec(eventChainId=chain))
    assert isinstance(event, vim.event.TaskEvent)
    assert (event.key, event.chainId, event.info.eventChainId) == (chain, chain, chain)
    assert (event.info.task, event.info.entity, event.vm.vm) == (task, tasked, tasked)
    assert (event.info.state, event.info.startTime) == ("queued", None)
    assert (event.fullFormattedMessage, event.userName) == (
        "Task: Power Off virtual machine",
        vcenter.address["username"],
    )
    told = content.eventManager.QueryEvents(about(tasked))
    assert [type(each)._wsdlName for each in reversed(told)][-3:] == [
        "TaskEvent",
        "VmStoppingEvent",
        "VmPoweredOffEvent",
    ]


def test_a_collector_reads_events_page_by_page(content: Any, power_cycle: Any) -> None:
    collector = content.eventManager.CreateCollectorForEvents(about(power_cycle))
    collector.RewindCollector()
    keys: list[int] = []
    while page := collector.ReadNextEvents(2):
        assert len(page) <= 2
        keys += [event.key for event in page]
    assert len(keys) == len(set(keys)) >= 4
    collector.DestroyCollector()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        collector.ReadNextEvents(1)


def test_the_latest_page_has_its_size(content: Any, power_cycle: Any) -> None:
    collector = content.eventManager.CreateCollectorForEvents(about(power_cycle))
    collector.SetCollectorPageSize(2)
    assert len(collector.latestPage) == 2


def test_a_collector_of_one_kind(content: Any, power_cycle: Any) -> None:
    wanted = about(power_cycle, eventTypeId=["VmPoweredOnEvent"])
    collector = content.eventManager.CreateCollectorForEvents(wanted)
    assert {type(event) for event in collector.ReadNextEvents(100)} == {vim.event.VmPoweredOnEvent}


def test_a_login_is_an_event(content: Any, vcenter: VCenter) -> None:
    wanted = FilterSpec(eventTypeId=["UserLoginSessionEvent"])
    told = content.eventManager.QueryEvents(wanted)
    assert vcenter.address["username"] in {event.userName for event in told}


# Alarms -------------------------------------------------------------------------------------


def test_an_entity_has_a_state_of_each_alarm_that_it_may_trigger(content: Any, vm: Find) -> None:
    """Inherited ones too, but not those of entities of other types (declaredAlarmState)."""
    web = vm("web-01")
    for entity, system in ((web, "VmCPUUsageAlarm"), (web.runtime.host, "HostCPUUsageAlarm")):
        states = entity.declaredAlarmState
        systems = {state.alarm.info.systemName for state in states}
        assert f"alarm.{system}" in systems
        assert {name.startswith(f"alarm.{system[:2]}") for name in systems} == {True}
        assert {state.entity for state in states} == {entity}
        assert {state.overallStatus for state in states} <= {"green", "gray"}
        assert [state.key for state in states] == [
            f"{state.alarm._moId}.{entity._moId}" for state in states
        ]


# Custom attributes --------------------------------------------------------------------------


@pytest.fixture
def attribute(content: Any, vcenter: VCenter) -> Any:
    """It may be set on costed-01, as vcsim leaves values behind when their attribute goes."""
    vcenter.add(Entry(name="costed-01"))
    manager = content.customFieldsManager
    made = manager.AddCustomFieldDef("cost centre", vim.VirtualMachine)
    yield made
    manager.RemoveCustomFieldDef(made.key)


def values_of(vm: Any, content: Any) -> dict[str, str]:
    names = {field.key: field.name for field in content.customFieldsManager.field}
    return {names[value.key]: value.value for value in vm.customValue}


def test_attributes_are_known_by_their_keys(content: Any, vm: Find) -> None:
    (owner,) = (each for each in content.customFieldsManager.field if each.name == "owner")
    assert owner.managedObjectType == vim.VirtualMachine
    assert values_of(vm("left pair"), content) == {"owner": "data team"}
    assert values_of(vm("right pair"), content) == {}


def test_an_attribute_is_set_by_its_key(content: Any, vm: Find, attribute: Any) -> None:
    content.customFieldsManager.SetField(vm("costed-01"), attribute.key, "4711")
    assert values_of(vm("costed-01"), content)["cost centre"] == "4711"
    assert "cost centre" not in values_of(vm("web-02"), content)


def test_an_attribute_is_set_by_its_name(content: Any, vm: Find, attribute: Any) -> None:
    vm("costed-01").SetCustomValue("cost centre", "4712")
    assert values_of(vm("costed-01"), content)["cost centre"] == "4712"


def test_an_attribute_is_set_again(content: Any, vm: Find, attribute: Any) -> None:
    for value in ("1", "2"):
        content.customFieldsManager.SetField(vm("costed-01"), attribute.key, value)
    assert values_of(vm("costed-01"), content)["cost centre"] == "2"


def test_an_attribute_is_in_the_summary_too(content: Any, vm: Find) -> None:
    (value,) = vm("left pair").summary.customValue
    assert value.value == "data team"


def test_two_attributes_of_one_name_are_refused(content: Any, attribute: Any) -> None:
    with pytest.raises(vim.fault.DuplicateName) as caught:
        content.customFieldsManager.AddCustomFieldDef("cost centre", vim.VirtualMachine)
    assert caught.value.name == "cost centre"


def test_an_attribute_can_be_renamed(content: Any, vm: Find, attribute: Any) -> None:
    manager = content.customFieldsManager
    manager.SetField(vm("costed-01"), attribute.key, "4711")
    manager.RenameCustomFieldDef(attribute.key, "cost center")
    assert values_of(vm("costed-01"), content)["cost center"] == "4711"


def test_an_attribute_that_nobody_defined(content: Any, vm: Find) -> None:
    with pytest.raises(vmodl.fault.InvalidArgument):
        content.customFieldsManager.SetField(vm("web-01"), 99_999, "x")


# The search index ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("DC0", vim.Datacenter),
        ("/DC0", vim.Datacenter),
        ("/DC0/vm", vim.Folder),
        ("/DC0/vm/left/pair", vim.VirtualMachine),
        ("DC0/vm/web-01", vim.VirtualMachine),
        ("/DC0/host/DC0_C0", vim.ClusterComputeResource),
        ("/DC0/host/DC0_C0/DC0_C0_H1", vim.HostSystem),
        ("/DC0/host/DC0_C0/Resources", vim.ResourcePool),
    ],
)
def test_things_are_found_by_their_paths(content: Any, path: str, kind: Any) -> None:
    found = content.searchIndex.FindByInventoryPath(path)
    assert type(found) is kind
    assert found.name == path.rpartition("/")[2]


@pytest.mark.parametrize("path", ["/DC9", "/DC0/vm/nobody", "/DC0/vm/pair", "/vm/web-01"])
def test_a_path_that_leads_nowhere(content: Any, path: str) -> None:
    assert content.searchIndex.FindByInventoryPath(path) is None


def test_a_vm_is_found_by_its_uuids(content: Any, vm: Find) -> None:
    config = vm("web-01").config
    find = content.searchIndex.FindByUuid
    assert find(None, config.instanceUuid, True, True) == vm("web-01")
    assert find(None, config.uuid, True, False) == vm("web-01")
    assert find(None, config.uuid, True) == vm("web-01")
    assert find(None, "00000000-0000-0000-0000-000000000000", True, True) is None


def test_a_host_is_found_by_its_uuid(content: Any, vm: Find) -> None:
    host = vm("web-01").runtime.host
    uuid = host.summary.hardware.uuid
    assert content.searchIndex.FindByUuid(None, uuid, False) == host


def test_a_vm_is_found_by_name_and_address(content: Any, vm: Find) -> None:
    index = content.searchIndex
    assert index.FindByDnsName(None, "web-01.example.org", True) == vm("web-01")
    assert index.FindByIp(None, "10.0.0.1", True) == vm("web-01")
    assert index.FindByDnsName(None, "nobody.example.org", True) is None
    assert index.FindByIp(None, "10.9.9.9", True) is None


def test_all_of_a_name_are_found(content: Any, vm: Find) -> None:
    index = content.searchIndex
    assert index.FindAllByDnsName(None, "web-01.example.org", True) == [vm("web-01")]
    assert index.FindAllByIp(None, "10.0.0.1", True) == [vm("web-01")]
    uuid = vm("web-01").config.instanceUuid
    assert index.FindAllByUuid(None, uuid, True, True) == [vm("web-01")]


def test_a_search_within_a_datacenter(content: Any, vm: Find) -> None:
    here = content.searchIndex.FindByInventoryPath("/DC0")
    there = content.searchIndex.FindByInventoryPath("/DC1")
    uuid = vm("web-01").config.instanceUuid
    assert content.searchIndex.FindByUuid(here, uuid, True, True) == vm("web-01")
    assert content.searchIndex.FindByUuid(there, uuid, True, True) is None


def test_a_child_is_found_by_its_name(content: Any, vm: Find) -> None:
    folder = content.searchIndex.FindByInventoryPath("/DC0/vm")
    assert content.searchIndex.FindChild(folder, "web-01") == vm("web-01")
    assert content.searchIndex.FindChild(folder, "left").name == "left"
    assert content.searchIndex.FindChild(folder, "nobody") is None
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        content.searchIndex.FindChild(vim.Folder("group-v999999"), "web-01")


# The service itself -------------------------------------------------------------------------


def test_the_service_says_what_it_is(content: Any) -> None:
    about = content.about
    assert (about.apiType, about.productLineId) == ("VirtualCenter", "vpx")
    assert about.version
    assert about.apiVersion
    assert about.instanceUuid
    assert content.rootFolder.name == "Datacenters"
    assert content.rootFolder.parent is None


def test_the_service_knows_the_time(instance: Any) -> None:
    assert abs(instance.CurrentTime() - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)


def test_the_root_holds_the_datacenters(content: Any) -> None:
    assert sorted(each.name for each in content.rootFolder.childEntity) == ["DC0", "DC1"]
    assert "Datacenter" in content.rootFolder.childType
