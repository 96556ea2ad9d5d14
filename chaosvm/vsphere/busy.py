"""Which VMs vCenter is doing something to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim, vmodl

__all__ = ["read_busy"]

_Collector = vmodl.query.PropertyCollector
_UNDER_WAY = ("queued", "running")


def read_busy(content: Any, moids: Sequence[str]) -> set[str]:
    """The ids of the VMs that have a task which is queued or runs, in one request.

    Tasks and VMs that are gone meanwhile are passed over: nothing of theirs is
    under way.
    """
    stub = content.propertyCollector._stub
    to_tasks = _Collector.TraversalSpec(
        name="tasks", type=vim.VirtualMachine, path="recentTask", skip=False
    )
    spec = _Collector.FilterSpec(
        objectSet=[
            _Collector.ObjectSpec(
                obj=vim.VirtualMachine(moid, stub), skip=True, selectSet=[to_tasks]
            )
            for moid in moids
        ],
        propSet=[_Collector.PropertySpec(type=vim.Task, pathSet=["info.entity", "info.state"])],
        reportMissingObjectsInResults=True,
    )
    found: set[str] = set()
    page = content.propertyCollector.RetrievePropertiesEx([spec], _Collector.RetrieveOptions())
    while page is not None:
        for task in page.objects:
            told = {each.name: each.val for each in task.propSet}
            if told.get("info.state") in _UNDER_WAY and "info.entity" in told:
                found.add(told["info.entity"]._moId)
        token = page.token
        page = content.propertyCollector.ContinueRetrievePropertiesEx(token) if token else None
    return found
