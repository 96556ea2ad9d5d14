"""Which VMs vCenter is doing something to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.vsphere.faults import NothingShown
from chaosvm.vsphere.retrieval import by_pyvmomi

__all__ = ["read_busy"]

_Collector = vmodl.query.PropertyCollector
_UNDER_WAY = ("queued", "running")


def read_busy(content: Any, moids: Sequence[str]) -> set[str]:
    """The ids of the VMs that have a task which is queued or runs, in one request.

    Tasks and VMs that are gone meanwhile are passed over: nothing of theirs is
    under way.
    """
    root = content.rootFolder
    told = by_pyvmomi(content.propertyCollector, _spec(root, moids))
    if root._GetMoId() not in told:
        # It is no answer: that no task is in it says nothing.
        raise NothingShown("the root folder is missing")
    tasks = [each.properties for each in told.values() if each.kind == "Task"]
    return {
        task["info.entity"]
        for task in tasks
        if task.get("info.state") in _UNDER_WAY and "info.entity" in task
    }


def _spec(root: Any, moids: Sequence[str]) -> Any:
    to_tasks = _Collector.TraversalSpec(
        name="tasks", type=vim.VirtualMachine, path="recentTask", skip=False
    )
    machines = [
        _Collector.ObjectSpec(obj=vim.VirtualMachine(moid), skip=True, selectSet=[to_tasks])
        for moid in moids
    ]
    return _Collector.FilterSpec(
        objectSet=[_Collector.ObjectSpec(obj=root), *machines],
        propSet=[
            _Collector.PropertySpec(type=vim.Folder, pathSet=["name"]),
            _Collector.PropertySpec(type=vim.Task, pathSet=["info.entity", "info.state"]),
        ],
        reportMissingObjectsInResults=True,
    )
