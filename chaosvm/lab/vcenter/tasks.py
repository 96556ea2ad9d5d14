"""Tasks: what was asked for, how far it is, and how it ended."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.vcenter.interfaces import Session
from chaosvm.lab.vcenter.managed import Call, Managed, Refused, method, prop
from chaosvm.lab.vcenter.values import NAMESPACE
from chaosvm.lab.vcenter.words import escaped_name
from chaosvm.lab.world import Asked, Machine, World

__all__ = ["Task", "TaskManager", "Tasks", "never"]

_MOST_KEPT = 10_000
_RECENT = 200  # tasks that a manager still calls recent
_RECENT_OF_ONE = 5
# What is done, as descriptions have it, and the method that does it.
_METHODS = {
    "VirtualMachine.powerOn": "PowerOnVM_Task",
    "VirtualMachine.powerOff": "PowerOffVM_Task",
    "VirtualMachine.suspend": "SuspendVM_Task",
    "VirtualMachine.reset": "ResetVM_Task",
    "Datacenter.powerOnMultiVM": "PowerOnMultiVM_Task",
}


def never(vm: Machine) -> bool:
    """A task with this end stays running."""
    return False


class Task(Managed):
    kind = vim.Task

    def __init__(self, moid: str, world: World, entity: Managed, name: str, user: str) -> None:
        super().__init__(moid)
        self._world = world
        self.entity = entity
        self._name = name
        self._entity_name = ""
        self._user = user
        self._began = world.now
        self._ended: float | None = None
        self._seconds = 0.0
        self._result: Any = None
        self._fault: Any = None
        self.ends: Callable[[Machine], bool] = never

    def of(self, vm_name: str, ends: Callable[[Machine], bool], seconds: float) -> Task:
        self._entity_name, self.ends, self._seconds = vm_name, ends, seconds
        return self

    @property
    def running(self) -> bool:
        return self._ended is None

    def succeed(self, result: Any = None) -> Task:
        self._result, self._ended = result, self._world.now
        return self

    def fail(self, fault: Any, message: str) -> Task:
        fault.msg = message
        self._fault, self._ended = fault, self._world.now
        return self

    @prop
    def info(self, session: Any = None) -> Any:
        told = vim.TaskInfo(
            key=self.moid,
            task=self.reference,
            name=VmomiSupport.GetWsdlMethod(NAMESPACE, _METHODS[self._name]),
            descriptionId=self._name,
            entity=self.entity.reference,
            entityName=escaped_name(self._entity_name),
            state=self._state(),
            cancelled=False,
            cancelable=False,
            reason=vim.TaskReasonUser(userName=self._user),
            queueTime=self._moment(self._began),
            startTime=self._moment(self._began),
            eventChainId=int(self.moid.rpartition("-")[2]),
        )
        if self._ended is None:
            told.progress = self._progress()
        else:
            told.completeTime = self._moment(self._ended)
            told.error = self._fault
            told.result = self._result
        return told

    @method("CancelTask")
    def cancel(self, call: Call) -> None:
        raise Refused(vmodl.fault.NotSupported(), "The task cannot be canceled.")

    def _state(self) -> str:
        if self._ended is None:
            return "running"
        return "error" if self._fault is not None else "success"

    def _progress(self) -> int:
        """Never a hundred: that it is done is said otherwise."""
        if not self._seconds:
            return 0
        return min(99, int(100 * (self._world.now - self._began) / self._seconds))

    def _moment(self, seconds: float) -> dt.datetime:
        return self._world.moment(seconds)


class Tasks:
    """All tasks, the latest last; told of changes of VMs, it ends those that waited for them."""

    def __init__(self, world: World, changed: Callable[[Iterable[str]], None]) -> None:
        self._world = world
        self._changed = changed
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._running: dict[str, Task] = {}  # by the moid of the VM
        self._of: dict[str, list[str]] = {}

    def find(self, moid: str) -> Task | None:
        with self._lock:
            return self._tasks.get(moid)

    def all(self) -> list[Task]:
        with self._lock:
            return list(self._tasks.values())

    def running_on(self, moid: str) -> Any:
        with self._lock:
            task = self._running.get(moid)
        return task.reference if task else None

    def recent(self, moid: str | None = None) -> Any:
        with self._lock:
            every = moid is None
            moids = list(self._tasks)[-_RECENT:] if every else self._of.get(moid or "", [])
        return vim.Task.Array([vim.Task(each) for each in moids])

    # Making ----------------------------------------------------------------------------

    def started(
        self,
        entity: Managed,
        vm: Machine,
        name: str,
        asked: Asked,
        ends: Callable[[Machine], bool],
        seconds: float,
    ) -> Task:
        """A task of a VM that runs until the VM is as ``ends`` says."""
        task = self._made(entity, name, asked).of(vm.name, ends, seconds)
        with self._lock:
            self._running[vm.moid] = task
        self._tell(task)
        return task

    def failed(
        self, entity: Managed, vm: Machine, name: str, asked: Asked, fault: Any, message: str
    ) -> Task:
        task = self._made(entity, name, asked).of(vm.name, never, 0.0).fail(fault, message)
        self._tell(task)
        return task

    def done(self, entity: Any, name: str, asked: Asked, result: Any) -> Task:
        task = self._made(entity, name, asked).of(entity.plain_name, never, 0.0).succeed(result)
        self._tell(task)
        return task

    def settle(self, vms: Iterable[Machine], gone: Callable[[str], bool]) -> list[str]:
        """End the tasks that waited for what these VMs are now; returns what changed by it."""
        changed: list[str] = []
        # The world's lock comes first everywhere: a verb holds it when it makes its task.
        with self._world.present(), self._lock:
            for vm in vms:
                task = self._running.get(vm.moid)
                if task is None:
                    continue
                if gone(vm.id):
                    fault = vmodl.fault.ManagedObjectNotFound(obj=task.entity.reference)
                    task.fail(fault, "The VM has been deleted.")
                elif task.ends(vm):
                    task.succeed()
                else:
                    continue
                del self._running[vm.moid]
                changed.append(task.moid)
        return changed

    def running(self) -> list[str]:
        with self._lock:
            return [task.moid for task in self._running.values()]

    def _made(self, entity: Managed, name: str, asked: Asked) -> Task:
        with self._world.present(), self._lock:
            task = Task(f"task-{next(self._numbers)}", self._world, entity, name, asked.user or "")
            self._tasks[task.moid] = task
            own = self._of.setdefault(entity.moid, [])
            own.append(task.moid)
            del own[:-_RECENT_OF_ONE]
            while len(self._tasks) > _MOST_KEPT:
                self._tasks.popitem(last=False)
        return task

    def _tell(self, task: Task) -> None:
        self._changed((task.moid, task.entity.moid, TaskManager.MOID))


class TaskManager(Managed):
    kind = vim.TaskManager
    MOID = "TaskManager"

    def __init__(self, tasks: Tasks) -> None:
        super().__init__(self.MOID)
        self._tasks = tasks

    @prop
    def recentTask(self, session: Session | None = None) -> Any:
        return self._tasks.recent()

    @prop
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

    @prop
    def maxCollector(self, session: Session | None = None) -> int:
        return 32
