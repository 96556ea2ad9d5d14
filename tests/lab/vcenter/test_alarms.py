"""Alarms: created, raised by states and events, acknowledged, cleared and removed."""

from __future__ import annotations

from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from chaosvm.lab import World
from tests.moments import eventually

_a = vim.alarm


@pytest.fixture
def manager(content: Any) -> Any:
    return content.alarmManager


def spec(name: str, expression: Any) -> Any:
    return _a.AlarmSpec(
        name=name,
        description="",
        enabled=True,
        expression=_a.OrAlarmExpression(expression=[expression]),
    )


POWER = _a.StateAlarmExpression(
    operator="isEqual", type=vim.VirtualMachine, statePath="runtime.powerState", red="poweredOff"
)
STARTED = _a.EventAlarmExpression(
    eventType=vim.event.VmPoweredOnEvent, objectType=vim.VirtualMachine, status="yellow"
)


def changes(content: Any) -> list[tuple[str, str]]:
    wanted = vim.event.EventFilterSpec(eventTypeId=["AlarmStatusChangedEvent"])
    found = content.eventManager.QueryEvents(wanted)
    return [(getattr(each, "from"), each.to) for each in reversed(found)]


def test_power_raises_an_alarm(manager: Any, content: Any, vm: Any) -> None:
    alarm = manager.CreateAlarm(content.rootFolder, spec("off", POWER))
    assert alarm.info.name == "off"
    assert (vm.overallStatus, vm.triggeredAlarmState) == ("green", [])
    WaitForTask(vm.PowerOff())
    eventually(lambda: vm.overallStatus == "red")
    for entity in (vm, vm.parent, vm.runtime.host, content.rootFolder):
        (state,) = entity.triggeredAlarmState
        assert (state.alarm, state.entity, state.overallStatus) == (alarm, vm, "red")
    manager.AcknowledgeAlarm(alarm, vm)
    (state,) = vm.triggeredAlarmState
    assert (state.acknowledged, state.acknowledgedByUser is not None) == (True, True)
    WaitForTask(vm.PowerOn())
    eventually(lambda: vm.overallStatus == "green")
    assert changes(content) == [("green", "red"), ("red", "green")]
    with pytest.raises(vmodl.fault.InvalidArgument):
        manager.AcknowledgeAlarm(alarm, vm)
    with pytest.raises(vim.fault.DuplicateName):
        manager.CreateAlarm(content.rootFolder, spec("off", POWER))
    alarm.RemoveAlarm()
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        alarm.RemoveAlarm()


def test_an_alarm_is_raised_by_an_event_and_cleared(manager: Any, content: Any, vm: Any) -> None:
    alarm = manager.CreateAlarm(content.rootFolder, spec("started", STARTED))
    WaitForTask(vm.PowerOff())
    WaitForTask(vm.PowerOn())
    eventually(lambda: vm.overallStatus == "yellow")
    manager.ClearTriggeredAlarms(_a.AlarmFilterSpec(status=["yellow"]))
    assert vm.overallStatus == "green"
    assert [state.alarm for state in manager.GetAlarmState(vm)] == []
    assert alarm in manager.GetAlarm(content.rootFolder)


def test_a_lost_host_raises_the_predefined_alarm(content: Any, vm: Any, world: World) -> None:
    host = vm.runtime.host
    world.outages.lose(host.name)
    eventually(lambda: host.overallStatus == "red")
    (state,) = host.triggeredAlarmState
    assert state.alarm.info.systemName == "alarm.HostConnectionStateAlarm"
    world.outages.restore(host.name)
    eventually(lambda: host.overallStatus == "green")
