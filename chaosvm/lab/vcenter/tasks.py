"""Tasks: operation, progress and result."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.simulation import Machine, Origin, World
from chaosvm.lab.vcenter.interfaces import Session
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.serialization import NAMESPACE
from chaosvm.lab.vcenter.states import escape_name

__all__ = ["Task", "TaskManager", "Tasks", "never_done"]

_MAX_TASKS = 10_000
_RECENT = 200  # length of TaskManager.recentTask
_RECENT_PER_ENTITY = 5
# Description id and method of each operation.
_METHODS = {
    "VirtualMachine.powerOn": "PowerOnVM_Task",
    "VirtualMachine.powerOff": "PowerOffVM_Task",
    "VirtualMachine.suspend": "SuspendVM_Task",
    "VirtualMachine.reset": "ResetVM_Task",
    "Datacenter.powerOnMultiVM": "PowerOnMultiVM_Task",
}


def never_done(vm: Machine) -> bool:
    """Completion check of a task that never completes."""
    return False


class Task(ManagedObject):
    kind = vim.Task

    def __init__(
        self,
        moid: str,
        world: World,
        entity: ManagedObject,
        entity_name: str,
        name: str,
        user: str,
        is_done: Callable[[Machine], bool],
        seconds: float,
    ) -> None:
        super().__init__(moid)
        self._world = world
        self.entity = entity
        self._entity_name = entity_name
        self._name = name
        self._user = user
        self.is_done = is_done
        self._seconds = seconds
        self._start = world.now
        self._end: float | None = None
        self._result: Any = None
        self._fault: Any = None

    def succeed(self, result: Any = None) -> Task:
        self._result, self._end = result, self._world.now
        return self

    def fail(self, fault: Any, message: str) -> Task:
        fault.msg = message
        self._fault, self._end = fault, self._world.now
        return self

    @managed_property
    def info(self, session: Any = None) -> Any:
        info = vim.TaskInfo(
            key=self.moid,
            task=self.reference,
            name=VmomiSupport.GetWsdlMethod(NAMESPACE, _METHODS[self._name]),
            descriptionId=self._name,
            entity=self.entity.reference,
            entityName=escape_name(self._entity_name),
            state=self._state(),
            cancelled=False,
            cancelable=False,
            reason=vim.TaskReasonUser(userName=self._user),
            queueTime=self._moment(self._start),
            startTime=self._moment(self._start),
            eventChainId=int(self.moid.rpartition("-")[2]),
        )
        if self._end is None:
            info.progress = self._progress()
        else:
            info.completeTime = self._moment(self._end)
            info.error = self._fault
            info.result = self._result
        return info

    @method("CancelTask")
    def cancel(self, call: Call) -> None:
        raise SoapFault(vmodl.fault.NotSupported(), "The task cannot be canceled.")

    def _state(self) -> str:
        if self._end is None:
            return "running"
        return "error" if self._fault is not None else "success"

    def _progress(self) -> int:
        """At most 99: completion is reported by the state."""
        if not self._seconds:
            return 0
        return min(99, int(100 * (self._world.now - self._start) / self._seconds))

    def _moment(self, seconds: float) -> dt.datetime:
        return self._world.date_of(seconds)


class Tasks:
    """All tasks, newest last. Completes running tasks when their VMs change."""

    def __init__(self, world: World, changed: Callable[[Iterable[str]], None]) -> None:
        self._world = world
        self._notify_moids = changed
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._running: dict[str, Task] = {}  # by moid of the VM
        self._recent_by_entity: dict[str, list[str]] = {}

    def find(self, moid: str) -> Task | None:
        with self._lock:
            return self._tasks.get(moid)

    def running_on(self, moid: str) -> Any:
        with self._lock:
            task = self._running.get(moid)
        return task.reference if task else None

    def recent(self, moid: str | None = None) -> Any:
        with self._lock:
            if moid is None:
                moids = list(self._tasks)[-_RECENT:]
            else:
                moids = self._recent_by_entity.get(moid, [])
        return vim.Task.Array([vim.Task(each) for each in moids])

    # Creating --------------------------------------------------------------------------

    def started(
        self,
        entity: ManagedObject,
        vm: Machine,
        name: str,
        origin: Origin,
        is_done: Callable[[Machine], bool],
        seconds: float,
    ) -> Task:
        """Create a task that runs until ``is_done`` is true of its VM."""
        task = self._new_task(entity, vm.name, name, origin, is_done, seconds)
        with self._lock:
            self._running[vm.moid] = task
        self._notify(task)
        return task

    def failed(
        self,
        entity: ManagedObject,
        vm: Machine,
        name: str,
        origin: Origin,
        fault: Any,
        message: str,
    ) -> Task:
        task = self._new_task(entity, vm.name, name, origin).fail(fault, message)
        self._notify(task)
        return task

    def done(self, entity: Any, name: str, origin: Origin, result: Any) -> Task:
        task = self._new_task(entity, entity.plain_name, name, origin).succeed(result)
        self._notify(task)
        return task

    def complete(self, vms: Iterable[Machine], is_deleted: Callable[[str], bool]) -> list[str]:
        """Complete the tasks whose VMs have reached their goal; return the moids of the tasks."""
        changed: list[str] = []
        # Lock order: the simulation's lock first, which power methods hold when they create a task.
        with self._world.present(), self._lock:
            for vm in vms:
                task = self._running.get(vm.moid)
                if task is None:
                    continue
                if is_deleted(vm.id):
                    fault = vmodl.fault.ManagedObjectNotFound(obj=task.entity.reference)
                    task.fail(fault, "The VM has been deleted.")
                elif task.is_done(vm):
                    task.succeed()
                else:
                    continue
                del self._running[vm.moid]
                changed.append(task.moid)
        return changed

    def running(self) -> list[str]:
        with self._lock:
            return [task.moid for task in self._running.values()]

    def _new_task(
        self,
        entity: ManagedObject,
        entity_name: str,
        name: str,
        origin: Origin,
        is_done: Callable[[Machine], bool] = never_done,
        seconds: float = 0.0,
    ) -> Task:
        with self._world.present(), self._lock:
            moid, user = f"task-{next(self._numbers)}", origin.user or ""
            task = Task(moid, self._world, entity, entity_name, name, user, is_done, seconds)
            self._tasks[task.moid] = task
            recent = self._recent_by_entity.setdefault(entity.moid, [])
            recent.append(task.moid)
            del recent[:-_RECENT_PER_ENTITY]
            while len(self._tasks) > _MAX_TASKS:
                self._tasks.popitem(last=False)
        return task

    def _notify(self, task: Task) -> None:
        self._notify_moids((task.moid, task.entity.moid, TaskManager.MOID))


class TaskManager(ManagedObject):
    kind = vim.TaskManager
    MOID = "TaskManager"

    def __init__(self, tasks: Tasks) -> None:
        super().__init__(self.MOID)
        self._tasks = tasks

    @managed_property
    def recentTask(self, session: Session | None = None) -> Any:
        return self._tasks.recent()

    @managed_property
    def description(self, session: Session | None = None) -> Any:
        methods = [
            vim.ElementDescription(key=key, label=name.removesuffix("_Task"), summary=name)
            for key, name in _METHODS.items()
        ]
        states = [
            vim.ElementDescription(key=state, label=state.capitalize(), summary=state)
            for state in ("running", "success", "error")
        ]
        reason = vim.TypeDescription(key=vim.TaskReasonUser, label="User", summary="User")
        return vim.TaskDescription(methodInfo=methods, state=states, reason=[reason])

    @managed_property
    def maxCollector(self, session: Session | None = None) -> int:
        return 32
