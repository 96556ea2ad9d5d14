"""Finds the VMs that vCenter is running a task on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.vsphere.retrieval import require_root, retrieve_with_pyvmomi

__all__ = ["vms_with_running_tasks"]

_Collector = vmodl.query.PropertyCollector
_RUNNING_STATES = ("queued", "running")


def vms_with_running_tasks(content: Any, moids: Sequence[str]) -> set[str]:
    """The ids of the VMs that have a queued or running task, in one request.

    Deleted tasks and VMs are ignored.
    """
    spec = _filter_spec(content.rootFolder, moids)
    objects = retrieve_with_pyvmomi(content.propertyCollector, spec)
    require_root(content, objects)
    tasks = [item.properties for item in objects.values() if item.kind == "Task"]
    return {
        task["info.entity"]
        for task in tasks
        if task.get("info.state") in _RUNNING_STATES and "info.entity" in task
    }


def _filter_spec(root: Any, moids: Sequence[str]) -> Any:
    to_tasks = _Collector.TraversalSpec(
        name="tasks", type=vim.VirtualMachine, path="recentTask", skip=False
    )
    vms = [
        _Collector.ObjectSpec(obj=vim.VirtualMachine(moid), skip=True, selectSet=[to_tasks])
        for moid in moids
    ]
    return _Collector.FilterSpec(
        objectSet=[_Collector.ObjectSpec(obj=root), *vms],
        propSet=[
            _Collector.PropertySpec(type=vim.Folder, pathSet=["name"]),
            _Collector.PropertySpec(type=vim.Task, pathSet=["info.entity", "info.state"]),
        ],
        reportMissingObjectsInResults=True,
    )
