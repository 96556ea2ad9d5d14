"""Reads how long guests have been up, from the performance counter sys.osUptime.

VMware Tools report it, so it restarts when the guest reboots. Other uptimes of
vSphere are those of the virtual machine's process, which a reboot does not change.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.vsphere.faults import fault_text

__all__ = ["UPTIME_LAG", "GuestUptimes"]

_GROUP, _COUNTER, _ROLLUP = "sys", "osUptime", "latest"
# Real-time statistics have a sample every 20 s, and what a guest reports may be a sample old.
_REAL_TIME = 20
UPTIME_LAG = 2.0 * _REAL_TIME
_NO_COUNTER = "the server has no performance counter sys.osUptime"
_NO_SAMPLE = "VMware Tools have not reported an uptime yet"


class GuestUptimes:
    """Caches the id of the counter, which is different on each server."""

    def __init__(self) -> None:
        self._counter: int | None = None
        self._lock = threading.Lock()

    def read(self, content: Any, moids: Sequence[str]) -> tuple[dict[str, float], str]:
        """Seconds by VM, in one request; and why there are none for the others."""
        if not moids:
            return {}, _NO_SAMPLE
        try:
            counter = self._counter_id(content)
            if counter is None:
                return {}, _NO_COUNTER
            metrics = content.perfManager.QueryPerf(querySpec=_specs(moids, counter))
        except vim.fault.NotAuthenticated:
            raise
        except vmodl.MethodFault as fault:
            return {}, f"the statistics could not be read: {fault_text(fault)}"
        values = {metric.entity._GetMoId(): _latest(metric) for metric in metrics or ()}
        return {moid: value for moid, value in values.items() if value is not None}, _NO_SAMPLE

    def _counter_id(self, content: Any) -> int | None:
        with self._lock:
            if self._counter is None and content.perfManager is not None:
                for each in content.perfManager.perfCounter or ():
                    name = (each.groupInfo.key, each.nameInfo.key, str(each.rollupType))
                    if name == (_GROUP, _COUNTER, _ROLLUP):
                        self._counter = each.key
            return self._counter


def _specs(moids: Sequence[str], counter: int) -> list[Any]:
    metric = vim.PerformanceManager.MetricId(counterId=counter, instance="")
    return [
        vim.PerformanceManager.QuerySpec(
            entity=vim.VirtualMachine(moid), metricId=[metric], maxSample=1, intervalId=_REAL_TIME
        )
        for moid in moids
    ]


def _latest(metric: Any) -> float | None:
    """None if there is no sample: -1 stands for one that is missing."""
    series = getattr(metric, "value", None) or ()
    values = [value for each in series for value in each.value or () if value >= 0]
    return float(values[-1]) if values else None
