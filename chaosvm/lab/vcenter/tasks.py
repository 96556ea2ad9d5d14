"""Tasks: operation, progress and result."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.simulation import NotFound, Origin, World
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.own_events import OwnEvents
from chaosvm.lab.vcenter.serialization import NAMESPACE
from chaosvm.lab.vcenter.states import escape_name
from chaosvm.lab.vcenter.task_descriptions import LABELS, description_id

__all__ = ["TASK_MANAGER", "Pending", "Task", "Tasks", "never_done"]

TASK_MANAGER = "TaskManager"
_MAX_TASKS = 10_000
_RECENT = 200  # length of TaskManager.recentTask
_RECENT_PER_ENTITY = 5
_CANCELED = "The task was canceled by a user."


def never_done() -> bool:
    """Completion check of a task that never completes."""
    return False


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """What a task waits for. Its functions raise SoapFault to fail the task."""

    is_done: Callable[[], bool]
    # How long it is expected to take, for the progress.
    seconds: float = 0.0
    # The result of the task, or what it waits for next.
    result: Callable[[], Any] = lambda: None
    # When to look again, once or at intervals, even if no VM changes.
    check_after: float | None = None
    check_every: float | None = None
    # Undoes what has begun; without it, the task cannot be canceled.
    cancel: Callable[[], None] | None = None


class Task(ManagedObject):
    kind = vim.Task

    def __init__(
        self,
        moid: str,
        world: World,
        entity: ManagedObject,
        method_name: str,
        description: str,
        origin: Origin,
    ) -> None:
        super().__init__(moid)
        self._world = world
        self.entity = entity
        self._entity_name = getattr(entity, "plain_name", entity.moid)
        self.method_name = method_name
        self.description = description
        self.user = origin.user or ""
        self.reason: Any = vim.TaskReasonUser(userName=self.user)
        self.pending: Pending | None = None
        self.ended: Callable[[Task], None] = lambda task: None
        # What else is notified when it ends, such as the scheduled task that began it.
        self.followed_by: Callable[[Any], None] = lambda fault: None
        self.start = world.now
        self.end: float | None = None
        self.event_chain = 0
        self.canceled = False
        self._result: Any = None
        self._fault: Any = None

    def succeed(self, result: Any = None) -> None:
        self._result, self.end = result, self._world.now
        self.followed_by(None)

    def fail(self, fault: Any, message: str) -> None:
        fault.msg = message
        self._fault, self.end = fault, self._world.now
        self.followed_by(fault)

    @managed_property
    def info(self, session: Any = None) -> Any:
        info = vim.TaskInfo(
            key=self.moid,
            task=self.reference,
            name=VmomiSupport.GetWsdlMethod(NAMESPACE, self.method_name),
            descriptionId=self.description,
            entity=self.entity.reference,
            entityName=escape_name(self._entity_name),
            state=self.state,
            cancelled=self.canceled,
            cancelable=self._cancelable,
            reason=self.reason,
            queueTime=self._moment(self.start),
            startTime=self._moment(self.start),
            eventChainId=self.event_chain,
        )
        if self.end is None:
            info.progress = self._progress()
        else:
            info.completeTime = self._moment(self.end)
            info.error = self._fault
            info.result = self._result
        return info

    @method("CancelTask")
    def cancel(self, call: Call) -> None:
        with self._world.present():
            if self.end is not None:
                raise SoapFault(vim.fault.InvalidState(), "The task has already completed.")
            if self.pending is None or self.pending.cancel is None:
                raise SoapFault(vmodl.fault.NotSupported(), "The task cannot be canceled.")
            self.pending.cancel()
            self.canceled = True
            self.fail(vmodl.fault.RequestCanceled(), _CANCELED)
        self.ended(self)

    @method("UpdateProgress", "SetTaskState", "SetTaskDescription")
    def refuse_update(self, call: Call) -> None:
        """Only the extension that created a task may update it, and none creates any."""
        raise SoapFault(vmodl.fault.NotSupported(), "The task does not belong to an extension.")

    def follow(self, reason: Any, followed_by: Callable[[Any], None]) -> None:
        """Record why it began, and call back with its fault, or None, when it has ended."""
        with self._world.present():
            self.reason, self.followed_by = reason, followed_by
            if self.end is not None:
                followed_by(self._fault)

    @property
    def state(self) -> str:
        if self.end is None:
            return "running"
        return "error" if self._fault is not None else "success"

    @property
    def _cancelable(self) -> bool:
        return self.end is None and self.pending is not None and self.pending.cancel is not None

    def _progress(self) -> int:
        """At most 99: completion is reported by the state."""
        if self.pending is None or not self.pending.seconds:
            return 0
        return min(99, int(100 * (self._world.now - self.start) / self.pending.seconds))

    def _moment(self, seconds: float) -> dt.datetime:
        return self._world.date_of(seconds)


class Tasks:
    """All tasks, newest last. Completes running tasks when the world changes."""

    def __init__(
        self, world: World, events: OwnEvents, changed: Callable[[Iterable[str]], None]
    ) -> None:
        self._world = world
        self._events = events
        self._notify_moids = changed
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._running: dict[str, list[Task]] = {}  # by moid of the entity
        self._recent_by_entity: dict[str, list[str]] = {}

    def find(self, moid: str) -> Task | None:
        with self._lock:
            return self._tasks.get(moid)

    def all(self) -> list[Task]:
        with self._lock:
            return list(self._tasks.values())

    def running_on(self, moid: str) -> Any:
        with self._lock:
            tasks = self._running.get(moid)
        return tasks[0].reference if tasks else None

    def running(self) -> list[str]:
        with self._lock:
            return [task.moid for tasks in self._running.values() for task in tasks]

    def recent(self, moid: str | None = None) -> Any:
        with self._lock:
            if moid is None:
                moids = list(self._tasks)[-_RECENT:]
            else:
                moids = self._recent_by_entity.get(moid, [])
        return vim.Task.Array([vim.Task(each) for each in moids])

    def run(
        self, entity: ManagedObject, method_name: str, origin: Origin, work: Callable[[], Any]
    ) -> Task:
        """Create a task that carries out ``work`` now, and waits if that returns Pending."""
        with self._world.present():
            task = self._new_task(entity, method_name, origin)
            self._record(task, origin)
            self._advance(task, work)
            if not self._check(task):
                with self._lock:
                    self._running.setdefault(entity.moid, []).append(task)
        self._notify(task)
        return task

    def _record(self, task: Task, origin: Origin) -> None:
        """Record its creation, with the task as it was then, and begin its chain of events."""
        info = task.info()
        info.state, info.startTime, info.progress = "queued", None, None
        text = f"Task: {LABELS.get(task.description, task.description)}"
        number = self._events.about(task.entity, vim.event.TaskEvent, text, origin, info=info)
        task.event_chain = info.eventChainId = number

    def _advance(self, task: Task, work: Callable[[], Any]) -> None:
        """End the task with what ``work`` returns or raises, or let it wait for that."""
        try:
            result = work()
        except SoapFault as error:
            task.fail(error.fault, str(error))
        except NotFound:
            fault = vmodl.fault.ManagedObjectNotFound(obj=task.entity.reference)
            task.fail(fault, "The object has already been deleted.")
        else:
            if not isinstance(result, Pending):
                task.succeed(result)
            elif result is not task.pending:
                task.pending = result
                for seconds in (result.check_after, result.check_every):
                    if seconds is not None:
                        self._check_later(task, seconds)

    def _check(self, task: Task) -> bool:
        """True if the task has ended, because what it waited for has happened."""
        while task.end is None and (pending := task.pending) is not None:
            self._advance(task, partial(_outcome, pending))
            if task.pending is pending:
                break
        return task.end is not None

    def _check_later(self, task: Task, seconds: float) -> None:
        def check() -> None:
            if task.end is not None:
                return
            if self._check(task):
                self._on_ended(task)
            elif task.pending is not None and task.pending.check_every == seconds:
                self._check_later(task, seconds)

        self._world.call_later(seconds, check)

    def complete(self, moids: Iterable[str]) -> list[str]:
        """Complete what runs on these VMs, and on what is no VM; return the tasks' moids."""
        ended: list[str] = []
        # Lock order: the simulation's lock first, which methods hold when they create a task.
        with self._world.present(), self._lock:
            others = [moid for moid in self._running if not moid.startswith("vm-")]
            for moid in (*moids, *others):
                for task in list(self._running.get(moid, ())):
                    if self._check(task):
                        self._remove(task)
                        ended.append(task.moid)
        return ended

    def _on_ended(self, task: Task) -> None:
        with self._lock:
            self._remove(task)
        self._notify(task)

    def _remove(self, task: Task) -> None:
        tasks = self._running.get(task.entity.moid, [])
        if task in tasks:
            tasks.remove(task)
        if not tasks:
            self._running.pop(task.entity.moid, None)

    def _new_task(self, entity: ManagedObject, method_name: str, origin: Origin) -> Task:
        with self._lock:
            moid = f"task-{next(self._numbers)}"
            description = description_id(entity.kind, method_name)
            task = Task(moid, self._world, entity, method_name, description, origin)
            task.ended = self._on_ended
            self._tasks[moid] = task
            recent = self._recent_by_entity.setdefault(entity.moid, [])
            recent.append(moid)
            del recent[:-_RECENT_PER_ENTITY]
            while len(self._tasks) > _MAX_TASKS:
                self._tasks.popitem(last=False)
        return task

    def _notify(self, task: Task) -> None:
        self._notify_moids((task.moid, task.entity.moid, TASK_MANAGER))


def _outcome(pending: Pending) -> Any:
    return pending.result() if pending.is_done() else pending
