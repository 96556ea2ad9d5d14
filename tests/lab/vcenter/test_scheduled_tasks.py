"""Scheduled tasks, and events that clients post."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from chaosvm.lab import State, World
from tests.moments import eventually

_s, _e = vim.scheduler, vim.event


@pytest.fixture
def manager(content: Any) -> Any:
    return content.scheduledTaskManager


def power_off(name: str, **when: Any) -> Any:
    return _s.ScheduledTaskSpec(
        name=name,
        description="",
        enabled=True,
        scheduler=_s.OnceTaskScheduler(**when),
        action=vim.action.MethodAction(name=vim.VirtualMachine.PowerOff),
    )


def in_seconds(instance: Any, seconds: float) -> dt.datetime:
    now: dt.datetime = instance.CurrentTime()
    return now + dt.timedelta(seconds=seconds)


def test_a_task_runs_at_its_time(manager: Any, instance: Any, vm: Any, world: World) -> None:
    task = manager.CreateScheduledTask(vm, power_off("now", runAt=in_seconds(instance, 0.1)))
    assert manager.RetrieveEntityScheduledTask(vm) == [task]
    eventually(lambda: task.info.state == "success")
    assert world.vm("web").state is State.OFF
    info = task.info
    assert (info.state, info.nextRunTime, info.entity) == ("success", None, vm)
    assert info.activeTask.info.descriptionId == "VirtualMachine.powerOff"


def test_a_task_is_run_and_removed_by_hand(
    manager: Any, instance: Any, content: Any, vm: Any, world: World
) -> None:
    later = power_off("later", runAt=in_seconds(instance, 3600))
    task = manager.CreateScheduledTask(vm, later)
    with pytest.raises(vim.fault.DuplicateName):
        manager.CreateScheduledTask(vm, later)
    assert task.info.nextRunTime is not None
    task.RunScheduledTask()
    eventually(lambda: world.vm("web").state is State.OFF)
    task.RemoveScheduledTask()
    assert manager.scheduledTask == []
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        task.RunScheduledTask()
    wanted = _e.EventFilterSpec(eventTypeId=["ScheduledTaskEvent", "ScheduledTaskRemovedEvent"])
    (removed,) = content.eventManager.QueryEvents(wanted)
    assert removed.scheduledTask.name == "later"


def test_a_task_fails_if_its_method_does(
    manager: Any, instance: Any, content: Any, vm: Any
) -> None:
    spec = power_off("on", runAt=in_seconds(instance, 3600))
    spec.action.name = vim.VirtualMachine.PowerOn
    task = manager.CreateScheduledTask(vm, spec)
    task.RunScheduledTask()
    info = task.info
    assert (info.state, type(info.error)) == ("error", vim.fault.InvalidPowerState)
    reason = info.activeTask.info.reason
    assert isinstance(reason, vim.TaskReasonSchedule)
    assert reason.scheduledTask == task
    wanted = _e.EventFilterSpec(eventTypeId=["ScheduledTaskFailedEvent"])
    (failed,) = content.eventManager.QueryEvents(wanted)
    assert isinstance(failed.reason, vim.fault.InvalidPowerState)


def test_events_are_posted(content: Any, vm: Any) -> None:
    events = content.eventManager
    events.LogUserEvent(entity=vm, msg="about {vm}")
    (logged,) = events.QueryEvents(_e.EventFilterSpec(eventTypeId=["GeneralUserEvent"]))
    assert (logged.message, logged.entity.entity) == ("about {vm}", vm)
    posted = _e.EventEx(
        eventTypeId="com.example.Chaos",
        severity="warning",
        message="began",
        createdTime=dt.datetime.now(dt.UTC),
        key=0,
        chainId=0,
        userName="",
        vm=_e.VmEventArgument(name="web", vm=vm),
    )
    events.PostEvent(eventToPost=posted)
    newest = events.QueryEvents(_e.EventFilterSpec(type=[_e.EventEx]))[0]
    assert (newest.eventTypeId, newest.severity, newest.vm.vm) == (
        "com.example.Chaos",
        "warning",
        vm,
    )
