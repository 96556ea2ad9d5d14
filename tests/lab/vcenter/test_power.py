"""The power verbs, tasks, guests, and what is written down of them."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from pyVim.task import WaitForTask, WaitForTasks
from pyVmomi import vim, vmodl

from chaosvm.lab import Durations, Guest, Lab, State, World, rule
from tests.lab.vcenter.conftest import Soap, machine, task_ended, view
from tests.moments import eventually

BUSY = "TaskInProgressFault"


def test_off_on_suspend_resume_and_reset(vm: Any, world: World) -> None:
    for verb, state in (
        ("PowerOff", "poweredOff"),
        ("PowerOn", "poweredOn"),
        ("Suspend", "suspended"),
        ("PowerOn", "poweredOn"),
        ("Reset", "poweredOn"),
    ):
        assert WaitForTask(getattr(vm, verb)()) == "success"
        assert vm.runtime.powerState == state
    eventually(lambda: vm.guest.toolsRunningStatus == "guestToolsRunning")


@pytest.mark.parametrize(
    ("state", "verb", "requested", "existing"),
    [
        (State.RUNNING, "PowerOn", "poweredOn", "poweredOn"),
        (State.OFF, "PowerOff", "poweredOff", "poweredOff"),
        (State.OFF, "Reset", "poweredOn", "poweredOff"),
        (State.OFF, "Suspend", "suspended", "poweredOff"),
        (State.SUSPENDED, "PowerOff", "poweredOff", "suspended"),
        (State.SUSPENDED, "Reset", "poweredOn", "suspended"),
    ],
)
def test_a_vm_in_the_wrong_state_fails_the_task(
    content: Any, world: World, state: State, verb: str, requested: str, existing: str
) -> None:
    world.add_vm("web", state)
    info = task_ended(getattr(machine(content, "web"), verb)())
    assert isinstance(info.error, vim.fault.InvalidPowerState)
    assert (info.error.requestedState, info.error.existingState) == (requested, existing)


@pytest.mark.parametrize("verb", ["ShutdownGuest", "RebootGuest", "StandbyGuest"])
def test_guests_are_only_asked_where_tools_run(content: Any, world: World, verb: str) -> None:
    world.add_vm("off", State.OFF)
    world.add_vm("without", guest=Guest.without_agent())
    with pytest.raises(vim.fault.InvalidPowerState):
        getattr(machine(content, "off"), verb)()
    with pytest.raises(vim.fault.ToolsUnavailable):
        getattr(machine(content, "without"), verb)()


def test_a_guest_shuts_down_without_a_task(vm: Any, world: World) -> None:
    world.change("web", guest=Guest.slow(1))
    assert vm.ShutdownGuest() is None
    assert vm.runtime.powerState == "poweredOn"
    eventually(lambda: vm.runtime.powerState == "poweredOff")
    assert vm.guest.toolsRunningStatus == "guestToolsNotRunning"


def test_a_guest_may_ignore_it(content: Any, world: World) -> None:
    world.add_vm("web", guest=Guest.ignores(seconds=0.1))
    vm = machine(content, "web")
    vm.ShutdownGuest()
    vm.RebootGuest()
    for _ in range(20):
        assert vm.runtime.powerState == "poweredOn"
        assert vm.guest.toolsRunningStatus == "guestToolsRunning"
        time.sleep(0.01)


@pytest.mark.parametrize("shows", [True, False])
def test_tools_stop_and_return_when_a_guest_reboots(
    content: Any, world: World, shows: bool
) -> None:
    world.durations = Durations(boot=1)
    world.add_vm("web", guest=Guest(shows_reboot=shows))
    vm = machine(content, "web")
    assert vm.RebootGuest() is None
    eventually(lambda: vm.guest.toolsRunningStatus == "guestToolsNotRunning")
    assert vm.runtime.powerState == "poweredOn"
    eventually(lambda: vm.guest.toolsRunningStatus == "guestToolsRunning")


def test_a_task_has_progress(content: Any, world: World) -> None:
    world.durations = Durations(launch=2)
    world.add_vm("web", State.OFF)
    vm = machine(content, "web")
    task = vm.PowerOn()
    seen = set()
    while (info := task.info).state == "running":
        seen.add(info.progress)
    assert len(seen) > 2
    assert max(seen) <= 99
    assert (info.state, info.progress) == ("success", None)
    assert (info.entity, info.entityName, info.descriptionId) == (
        vm,
        "web",
        "VirtualMachine.powerOn",
    )
    assert info.queueTime <= info.startTime < info.completeTime
    assert vm.recentTask == [task]
    assert content.taskManager.recentTask == [task]


def test_one_task_at_a_time(content: Any, world: World) -> None:
    world.durations = Durations(power_off=2)
    world.add_vm("web")
    vm = machine(content, "web")
    task = vm.PowerOff()
    for verb in (vm.PowerOff, vm.Reset, vm.ShutdownGuest):
        with pytest.raises(vim.fault.TaskInProgress) as caught:
            verb()
        assert caught.value.task == task
    assert task_ended(task).state == "success"
    world.occupy("web", 60)
    with pytest.raises(vim.fault.TaskInProgress):
        vm.PowerOn()


def test_a_template_cannot_be_powered_on(content: Any, world: World) -> None:
    world.add_vm("golden", State.OFF, template=True)
    vm = machine(content, "golden")
    assert vm.config.template
    assert vm.resourcePool is None
    with pytest.raises(vmodl.fault.NotSupported):
        vm.PowerOn()


def test_many_are_powered_on_at_once(content: Any, world: World) -> None:
    for name in ("one", "two"):
        world.add_vm(name, State.OFF)
    world.add_vm("on")
    vms = list(view(content, vim.VirtualMachine).view)
    (datacenter,) = view(content, vim.Datacenter).view
    info = task_ended(datacenter.PowerOnMultiVM_Task(vms, None))
    assert info.state == "success"
    attempted = {each.vm.name: each.task for each in info.result.attempted}
    assert sorted(attempted) == ["one", "two"]
    (missed,) = info.result.notAttempted
    assert missed.vm.name == "on"
    assert isinstance(missed.fault, vim.fault.InvalidPowerState)
    WaitForTasks(list(attempted.values()))
    assert {vm.runtime.powerState for vm in vms} == {"poweredOn"}


def test_a_question_is_told_and_answered(content: Any, world: World) -> None:
    world.add_vm("web", State.PAUSED)
    vm = machine(content, "web")
    question = vm.runtime.question
    assert "no more space" in question.text
    vm.AnswerVM(question.id, question.choice.choiceInfo[1].key)
    eventually(lambda: vm.runtime.question is None)
    assert world.vm("web").state is State.RUNNING


def test_stuck_vms_keep_their_tasks_running(content: Any, world: World) -> None:
    world.add_vm("web")
    vm = machine(content, "web")
    world.stick("web", State.RUNNING)
    task = vm.PowerOff()
    time.sleep(0.2)
    assert task.info.state == "running"
    world.remove_vm("web")
    assert isinstance(task_ended(task).error, vmodl.fault.ManagedObjectNotFound)


def test_events_are_told(content: Any, vm: Any, lab: Lab) -> None:
    WaitForTask(vm.PowerOff())
    manager = content.eventManager
    about_it = vim.event.EventFilterSpec.ByEntity(entity=vm, recursion="self")
    wanted = vim.event.EventFilterSpec(entity=about_it)
    found = manager.QueryEvents(wanted)
    kinds = [type(event).__name__.rsplit(".", 1)[-1] for event in found]
    assert kinds == ["VmPoweredOffEvent", "VmStoppingEvent", "TaskEvent"]
    assert found[0].vm.vm == vm
    assert found[1].userName == lab.username
    assert found[0].host.name == "host-1"
    assert manager.latestEvent.key == found[0].key
    one_kind = vim.event.EventFilterSpec(eventTypeId=["VmStoppingEvent"])
    assert [event.key for event in manager.QueryEvents(one_kind)] == [found[1].key]
    collector = manager.CreateCollectorForEvents(wanted)
    assert [event.key for event in collector.latestPage] == [event.key for event in found]
    oldest_first = [event.key for event in collector.ReadNextEvents(100)]
    assert oldest_first == [event.key for event in reversed(found)]
    assert collector.ReadNextEvents(100) == []
    collector.DestroyCollector()


def test_every_kind_of_event_can_be_read(content: Any, world: World) -> None:
    from chaosvm.lab.simulation import EventKind, HighAvailability, Origin

    vm = world.add_vm("web")
    world.change_cluster(vm.cluster_id, ha=HighAvailability(enabled=True))
    for kind in EventKind:
        world.record(kind, vm, Origin(user="somebody"))
    found = content.eventManager.QueryEvents(vim.event.EventFilterSpec())
    assert len(found) > 15
    restarted = [event for event in found if isinstance(event, vim.event.EventEx)]
    assert restarted[0].eventTypeId == "com.vmware.vc.ha.VmRestartedByHAEvent"


def test_the_latest_page_is_pushed(content: Any, vm: Any) -> None:
    collector = content.eventManager.CreateCollectorForEvents(vim.event.EventFilterSpec())
    updates = content.propertyCollector.CreatePropertyCollector()
    pc = vmodl.query.PropertyCollector
    spec = pc.FilterSpec(
        objectSet=[pc.ObjectSpec(obj=collector)],
        propSet=[pc.PropertySpec(type=vim.event.EventHistoryCollector, pathSet=["latestPage"])],
    )
    updates.CreateFilter(spec, False)
    first = updates.WaitForUpdatesEx("", None)
    vm.PowerOff()
    update = updates.WaitForUpdatesEx(first.version, pc.WaitOptions(maxWaitSeconds=10))
    (change,) = update.filterSet[0].objectSet[0].changeSet
    assert isinstance(change.val[0], vim.event.VmStoppingEvent)


def test_the_kinds_of_events_are_described(content: Any) -> None:
    told = {each.key: each for each in content.eventManager.description.eventInfo}
    assert told[vim.event.VmPoweredOffEvent].category == "info"


def test_custom_attributes_are_set(content: Any, vm: Any, world: World) -> None:
    manager = content.customFieldsManager
    key = manager.AddCustomFieldDef("owner", vim.VirtualMachine).key
    manager.SetField(vm, key, "data team")
    assert [(each.key, each.value) for each in vm.customValue] == [(key, "data team")]
    assert world.vm("web").attributes == {"owner": "data team"}
    with pytest.raises(vim.fault.DuplicateName):
        manager.AddCustomFieldDef("owner", vim.VirtualMachine)


def test_many_at_once(world: World, lab: Lab) -> None:
    """Verbs, ends of tasks and readings meet in several threads."""
    world.durations = Durations(launch=0.001, boot=0.001, power_off=0.001)
    moids = [world.add_vm(f"web-{number}").moid for number in range(8)]
    failed: list[str] = []

    def work(moid: str) -> None:
        with Soap(lab) as soap:
            soap.login()
            for verb in ("PowerOffVM_Task", "PowerOnVM_Task") * 8:
                answers = [soap(verb, "VirtualMachine", moid) for _ in range(2)]
                answers.append(soap("Fetch", "TaskManager", inner="<prop>recentTask</prop>"))
                texts = [answer.text for answer in answers]
                failed.extend(text for text in texts if "Response" not in text and BUSY not in text)

    threads = [threading.Thread(target=work, args=(moid,)) for moid in moids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not any(thread.is_alive() for thread in threads)
    assert failed == []


def test_rules_make_trouble_with_tasks(vm: Any, lab: Lab) -> None:
    lab.rules(rule("PowerOffVM_Task", "fault", fault="NoPermission", times=1))
    with pytest.raises(vim.fault.NoPermission):
        vm.PowerOff()
    lab.rules(rule("PowerOffVM_Task", "failed_task", fault="TaskInProgress", vm="web"))
    assert isinstance(task_ended(vm.PowerOff()).error, vim.fault.TaskInProgress)
    lab.rules(rule("PowerOffVM_Task", "slow_task", seconds=0.4))
    began = time.monotonic()
    assert task_ended(vm.PowerOff()).state == "success"
    assert time.monotonic() - began >= 0.4
    lab.rules(rule("PowerOn*", "ignore"))
    task = vm.PowerOn()
    time.sleep(0.2)
    assert (task.info.state, vm.runtime.powerState) == ("running", "poweredOff")
    assert lab.applied() == [1]
    assert lab.requests()["POST /sdk PowerOffVM_Task"] == 3
