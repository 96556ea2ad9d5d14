"""PerformanceManager: a few counters of VMs and hosts.

The VMs of the lab are idle, so what they use is zero; how long they and their guests are
up is right. Numbers, names and levels of the counters are those that a vCenter had for
govmomi's simulator (simulator/vpx/performance_manager.go).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.compute_resources import Compute, ResourcePool
from chaosvm.lab.vcenter.host_system import HostSystem
from chaosvm.lab.vcenter.interfaces import Service
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.states import POWER_STATES, tools_running
from chaosvm.lab.vcenter.virtual_machine import VirtualMachine

__all__ = ["PerformanceManager"]

_p = vim.PerformanceManager
_REAL_TIME = 20
_MAX_REAL_TIME_SAMPLES = 180  # one hour
# Key, name and seconds between samples, and for how long they are kept.
_INTERVALS = (
    (1, "Past day", 300, 86_400),
    (2, "Past week", 1800, 604_800),
    (3, "Past month", 7200, 2_592_000),
    (4, "Past year", 86_400, 31_536_000),
)
_UNITS = {
    "percent": ("%", "Percentage"),
    "megaHertz": ("MHz", "Megahertz"),
    "kiloBytes": ("KB", "Kilobyte"),
    "kiloBytesPerSecond": ("KBps", "Kilobytes per second"),
    "millisecond": ("ms", "Millisecond"),
    "number": ("num", "Number"),
    "second": ("s", "Second"),
    "watt": ("W", "Watt"),
}
_GROUPS = {
    "cpu": "CPU",
    "disk": "Disk",
    "mem": "Memory",
    "net": "Network",
    "power": "Power",
    "sys": "System",
}

# A value at a moment, in seconds of the simulation; None if there was none.
_Sample = Callable[[float], int | None]


@dataclass(frozen=True, slots=True)
class _Counter:
    key: int
    group: str
    name: str
    rollup: str
    label: str
    unit: str
    statistic: str
    level: int

    def info(self) -> Any:
        return _p.CounterInfo(
            key=self.key,
            nameInfo=_description(self.name, self.label, self.label),
            groupInfo=_description(self.group, _GROUPS[self.group], _GROUPS[self.group]),
            unitInfo=_description(self.unit, *_UNITS[self.unit]),
            rollupType=self.rollup,
            statsType=self.statistic,
            level=self.level,
            perDeviceLevel=self.level,
        )


def _description(key: str, label: str, summary: str) -> Any:
    return vim.ElementDescription(key=key, label=label, summary=summary)


_UPTIME, _OS_UPTIME = 155, 498
_COUNTERS = {
    counter.key: counter
    for counter in (
        _Counter(2, "cpu", "usage", "average", "Usage", "percent", "rate", 1),
        _Counter(6, "cpu", "usagemhz", "average", "Usage in MHz", "megaHertz", "rate", 1),
        _Counter(12, "cpu", "ready", "summation", "Ready", "millisecond", "delta", 1),
        _Counter(24, "mem", "usage", "average", "Host consumed %", "percent", "absolute", 1),
        _Counter(33, "mem", "active", "average", "Active", "kiloBytes", "absolute", 2),
        _Counter(98, "mem", "consumed", "average", "Consumed", "kiloBytes", "absolute", 1),
        _Counter(125, "disk", "usage", "average", "Usage", "kiloBytesPerSecond", "rate", 1),
        _Counter(143, "net", "usage", "average", "Usage", "kiloBytesPerSecond", "rate", 1),
        _Counter(_UPTIME, "sys", "uptime", "latest", "Uptime", "second", "absolute", 1),
        _Counter(157, "power", "power", "average", "Usage", "watt", "rate", 2),
        _Counter(_OS_UPTIME, "sys", "osUptime", "latest", "OS Uptime", "second", "absolute", 4),
    )
}
_VMS_ONLY = {_OS_UPTIME}
_OF_CLUSTERS = (2, 6, 24, 98)


class PerformanceManager(ManagedObject):
    kind = _p

    def __init__(self, service: Service) -> None:
        super().__init__("PerfMgr")
        self._service = service
        self._counters = {each.key: each.info() for each in _COUNTERS.values()}
        self._intervals = {
            period: vim.HistoricalInterval(
                key=key, samplingPeriod=period, name=name, length=length, level=1, enabled=True
            )
            for key, name, period, length in _INTERVALS
        }

    @managed_property
    def description(self, session: Any = None) -> Any:
        rollups = sorted({each.rollup for each in _COUNTERS.values()})
        statistics = sorted({each.statistic for each in _COUNTERS.values()})
        return vim.PerformanceDescription(
            counterType=[_description(each, each.capitalize(), each) for each in rollups],
            statsType=[_description(each, each.capitalize(), each) for each in statistics],
        )

    @managed_property
    def historicalInterval(self, session: Any = None) -> Any:
        return vim.HistoricalInterval.Array(self._intervals.values())

    @managed_property
    def perfCounter(self, session: Any = None) -> Any:
        return _p.CounterInfo.Array(self._counters.values())

    @method("QueryPerfCounter")
    def counters(self, call: Call) -> list[Any]:
        return [self._counter(key) for key in call.get("counterId") or ()]

    @method("QueryPerfCounterByLevel")
    def counters_by_level(self, call: Call) -> list[Any]:
        return [each for each in self._counters.values() if each.level <= call.get("level")]

    @method("UpdateCounterLevelMapping")
    def set_levels(self, call: Call) -> None:
        for each in call.get("counterLevelMap") or ():
            counter = self._counter(each.counterId)
            counter.level = each.aggregateLevel or counter.level
            counter.perDeviceLevel = each.perDeviceLevel or counter.perDeviceLevel

    @method("ResetCounterLevelMapping")
    def reset_levels(self, call: Call) -> None:
        for key in call.get("counters") or ():
            counter = self._counter(key)
            counter.level = counter.perDeviceLevel = _COUNTERS[key].level

    @method("UpdatePerfInterval")
    def update_interval(self, call: Call) -> None:
        interval = call.get("interval")
        if interval.samplingPeriod not in self._intervals:
            raise _invalid("interval.samplingPeriod")
        self._intervals[interval.samplingPeriod] = interval

    def _counter(self, key: int) -> Any:
        if key not in self._counters:
            raise _invalid("counterId")
        return self._counters[key]

    @method("QueryPerfProviderSummary")
    def provider(self, call: Call) -> Any:
        entity = call.get("entity")
        has_real_time = isinstance(self._entity(entity), (HostSystem, VirtualMachine))
        return _p.ProviderSummary(
            entity=entity,
            currentSupported=has_real_time,
            summarySupported=True,
            refreshRate=_REAL_TIME if has_real_time else None,
        )

    @method("QueryAvailablePerfMetric")
    def available(self, call: Call) -> list[Any]:
        samples = self._samples(call.get("entity"))
        return [_p.MetricId(counterId=key, instance="") for key in samples]

    @method("QueryPerf")
    def query(self, call: Call) -> list[Any]:
        results = (self._result(spec) for spec in call.get("querySpec") or ())
        return [each for each in results if each is not None]

    # Samples ---------------------------------------------------------------------------

    def _entity(self, reference: Any) -> ManagedObject:
        entity: ManagedObject | None = self._service.find(reference._moId, None)
        if entity is None:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=reference))
        return entity

    def _samples(self, reference: Any) -> dict[int, _Sample]:
        """How to sample each counter that an entity has."""
        entity = self._entity(reference)
        if isinstance(entity, VirtualMachine):
            vm = entity.machine
            return {key: _vm_sample(key, vm) for key in _COUNTERS if key != 157}
        if isinstance(entity, HostSystem):
            booted = entity.host.booted_at if entity.host_up else None
            return {key: _host_sample(key, booted) for key in _COUNTERS if key not in _VMS_ONLY}
        if isinstance(entity, (Compute, ResourcePool)):
            return dict.fromkeys(_OF_CLUSTERS, lambda moment: 0)
        return {}

    def _result(self, spec: Any) -> Any:
        samples = self._samples(spec.entity)
        requested = [each.counterId for each in spec.metricId or ()] or list(samples)
        moments = self._moments(spec)
        # There are no samples of a time at which the entity was off.
        first = next(iter(samples.values()), lambda moment: None)
        on = [each for each in moments if first(each) is not None]
        if not on:
            return None
        series = {
            key: [samples[key](each) or 0 for each in on] for key in requested if key in samples
        }
        interval = spec.intervalId or _REAL_TIME
        world = self._service.inventory.world
        dates = [world.date_of(each) for each in on]
        write = _csv if spec.format == "csv" else _normal
        return write(spec.entity, interval, dates, series)

    def _moments(self, spec: Any) -> list[float]:
        """The times of the samples that a spec requests, oldest first."""
        interval = spec.intervalId or _REAL_TIME
        lengths = {period: length for _, _, period, length in _INTERVALS}
        lengths[_REAL_TIME] = _REAL_TIME * _MAX_REAL_TIME_SAMPLES
        if interval not in lengths:
            raise _invalid("intervalId")
        world = self._service.inventory.world
        epoch, now = world.date_of(0.0), world.now
        end = now if spec.endTime is None else min(now, (spec.endTime - epoch).total_seconds())
        begin = now - lengths[interval]
        if spec.startTime is not None:
            begin = max(begin, (spec.startTime - epoch).total_seconds())
        # Samples are taken at whole intervals.
        offset = epoch.timestamp()
        last = (end + offset) // interval * interval - offset
        count = int((last - begin) // interval) + 1 if last > begin else 0
        if spec.maxSample:
            count = min(count, spec.maxSample)
        return [last - interval * step for step in range(count)][::-1]


def _vm_sample(key: int, vm: Machine) -> _Sample:
    if POWER_STATES[vm.state] != "poweredOn" or vm.started_at is None:
        return lambda moment: None
    started, booted = vm.started_at, vm.booted_at

    def sample(moment: float) -> int | None:
        if moment < started:
            return None
        if key == _UPTIME:
            return int(moment - started)
        if key == _OS_UPTIME:  # reported by Tools
            up = booted is not None and tools_running(vm)
            return max(0, int(moment - (booted or 0.0))) if up else 0
        return 0

    return sample


def _host_sample(key: int, booted: float | None) -> _Sample:
    def sample(moment: float) -> int | None:
        if booted is None or moment < booted:
            return None
        return int(moment - booted) if key == _UPTIME else 0

    return sample


def _normal(
    entity: Any, interval: int, dates: Sequence[dt.datetime], series: dict[int, list[int]]
) -> Any:
    return _p.EntityMetric(
        entity=entity,
        sampleInfo=[_p.SampleInfo(timestamp=each, interval=interval) for each in dates],
        value=[
            _p.IntSeries(id=_p.MetricId(counterId=key, instance=""), value=values)
            for key, values in series.items()
        ],
    )


def _csv(
    entity: Any, interval: int, dates: Sequence[dt.datetime], series: dict[int, list[int]]
) -> Any:
    return _p.EntityMetricCSV(
        entity=entity,
        sampleInfoCSV=",".join(f"{interval},{each:%Y-%m-%dT%H:%M:%SZ}" for each in dates),
        value=[
            _p.MetricSeriesCSV(
                id=_p.MetricId(counterId=key, instance=""), value=",".join(map(str, values))
            )
            for key, values in series.items()
        ],
    )


def _invalid(name: str) -> SoapFault:
    return SoapFault(vmodl.fault.InvalidArgument(invalidProperty=name))
