"""Some of the alarms that a vCenter is installed with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.serialization import data_object

__all__ = ["predefined_alarms"]

_a = vim.alarm


def predefined_alarms() -> Iterator[Any]:
    for kind, name, system, metrics in (
        (vim.VirtualMachine, "Virtual machine CPU usage", "VmCPUUsageAlarm", 2),
        (vim.VirtualMachine, "Virtual machine memory usage", "VmMemoryUsageAlarm", 24),
        (vim.HostSystem, "Host CPU usage", "HostCPUUsageAlarm", 2),
        (vim.HostSystem, "Host memory usage", "HostMemoryUsageAlarm", 24),
    ):
        metric = vim.PerformanceManager.MetricId(counterId=metrics, instance="")
        usage = _a.MetricAlarmExpression(
            operator="isAbove", type=kind, metric=metric, yellow=7500, red=9000
        )
        yield _spec(name, system, usage)
    state = _a.StateAlarmExpression(
        operator="isEqual",
        type=vim.HostSystem,
        statePath="runtime.connectionState",
        red="notResponding",
    )
    power = _a.StateAlarmExpression(
        operator="isUnequal", type=vim.HostSystem, statePath="runtime.powerState", red="standBy"
    )
    both = _a.AndAlarmExpression(expression=[state, power])
    yield _spec("Host connection and power state", "HostConnectionStateAlarm", both)


def _spec(name: str, system: str, expression: Any) -> Any:
    return data_object(
        _a.AlarmSpec,
        name=name,
        systemName=f"alarm.{system}",
        description=f"Default alarm to monitor: {name}",
        enabled=True,
        expression=_a.OrAlarmExpression(expression=[expression]),
        actionFrequency=0,
        setting=_a.AlarmSetting(toleranceRange=0, reportingFrequency=300),
    )
