"""TaskManager, and TaskHistoryCollector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.history_collector import HistoryCollector
from chaosvm.lab.vcenter.interfaces import Service, Session
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.task_descriptions import LABELS
from chaosvm.lab.vcenter.tasks import TASK_MANAGER, Task

__all__ = ["TaskHistoryCollector", "TaskManager"]

_STATES = ("queued", "running", "success", "error")
_TIMES = {"queuedTime": "queueTime", "startedTime": "startTime", "completedTime": "completeTime"}


class TaskManager(ManagedObject):
    kind = vim.TaskManager
    MOID = TASK_MANAGER

    def __init__(self, service: Service) -> None:
        super().__init__(self.MOID)
        self._service = service

    @managed_property
    def recentTask(self, session: Session | None = None) -> Any:
        return self._service.inventory.tasks.recent()

    @managed_property
    def description(self, session: Session | None = None) -> Any:
        methods = [
            vim.ElementDescription(key=key, label=label, summary=label)
            for key, label in LABELS.items()
        ]
        states = [
            vim.ElementDescription(key=state, label=state.capitalize(), summary=state)
            for state in _STATES
        ]
        reason = vim.TypeDescription(key=vim.TaskReasonUser, label="User", summary="User")
        return vim.TaskDescription(methodInfo=methods, state=states, reason=[reason])

    @managed_property
    def maxCollector(self, session: Session | None = None) -> int:
        return 32

    @method("CreateCollectorForTasks")
    def create_collector(self, call: Call) -> Any:
        assert call.session is not None
        collector = TaskHistoryCollector(call.session, call.get("filter"), self.find)
        call.session.add(collector)
        return collector.reference

    def find(self, spec: Any) -> list[Any]:
        """The tasks of a TaskFilterSpec, newest first."""
        tests = _tests(self._service, spec)
        tasks = reversed(self._service.inventory.tasks.all())
        return [task.info() for task in tasks if all(test(task) for test in tests)]


class TaskHistoryCollector(HistoryCollector):
    kind = vim.TaskHistoryCollector
    number = "eventChainId"
    array = vim.TaskInfo.Array

    @method("ReadNextTasks")
    def read_next_tasks(self, call: Call) -> list[Any]:
        return self.read_next(call)

    @method("ReadPreviousTasks")
    def read_previous_tasks(self, call: Call) -> list[Any]:
        return self.read_previous(call)


def _tests(service: Service, spec: Any) -> list[Callable[[Task], bool]]:
    tests: list[Callable[[Task], bool]] = []
    if spec.entity is not None:
        tests.append(_entity_test(service, spec.entity))
    if spec.time is not None:
        tests.append(lambda task: _is_within(task.info(), spec.time))
    if spec.userName is not None and spec.userName.userList:
        tests.append(lambda task: task.user in spec.userName.userList)
    if spec.state:
        tests.append(lambda task: task.state in spec.state)
    if spec.eventChainId:
        tests.append(lambda task: task.info().eventChainId in spec.eventChainId)
    if spec.alarm is not None or spec.scheduledTask is not None or spec.activationId:
        tests.append(lambda task: False)  # nothing but users begins a task
    return tests


def _is_within(info: Any, time: Any) -> bool:
    moment = getattr(info, _TIMES[str(time.timeType)])
    if moment is None:
        return False
    begins, ends = time.beginTime, time.endTime
    return (begins is None or moment >= begins) and (ends is None or moment <= ends)


def _entity_test(service: Service, spec: Any) -> Callable[[Task], bool]:
    moid = spec.entity._moId
    if service.find(moid, None) is None:
        raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=spec.entity))

    def test(task: Task) -> bool:
        if task.entity.moid == moid:
            return bool(spec.recursion != "children")
        return bool(spec.recursion != "self") and moid in ancestors(task.entity)

    def ancestors(entity: Any) -> set[str]:
        vm = service.inventory.machines().get(entity.moid)
        if vm is not None:
            return service.ancestor_moids(vm)
        found = set()
        while (entity := getattr(entity, "parent_entity", None)) is not None:
            found.add(entity.moid)
        return found

    return test
