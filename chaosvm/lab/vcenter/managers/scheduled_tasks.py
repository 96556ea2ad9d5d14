"""ScheduledTaskManager, and the tasks that it runs at their time."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import NotFound, Origin
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.own_events import entity_argument
from chaosvm.lab.vcenter.serialization import data_object

__all__ = ["ScheduledTaskManager"]

_s, _e = vim.scheduler, vim.event


class ScheduledTaskManager(ManagedObject):
    kind = _s.ScheduledTaskManager

    def __init__(self, inventory: Inventory) -> None:
        super().__init__("ScheduledTaskManager")
        self._inventory = inventory
        self._numbers = itertools.count(1)
        self.tasks: dict[str, ScheduledTask] = {}

    def find(self, moid: str) -> ScheduledTask | None:
        return self.tasks.get(moid)

    @managed_property
    def scheduledTask(self, session: Any = None) -> Any:
        return _s.ScheduledTask.Array([task.reference for task in self.tasks.values()])

    @managed_property
    def description(self, session: Any = None) -> Any:
        return data_object(_s.ScheduledTaskDescription)

    @method("CreateScheduledTask")
    def create(self, call: Call) -> Any:
        return self._create(call.get("entity"), call)

    @method("CreateObjectScheduledTask")
    def create_for_object(self, call: Call) -> Any:
        return self._create(call.get("obj"), call)

    def _create(self, reference: Any, call: Call) -> Any:
        entity, spec = self._entity(reference), call.get("spec")
        self.check_name(spec.name)
        number = next(self._numbers)
        task = ScheduledTask(self, self._inventory, number, entity.moid, spec, call.origin)
        self.tasks[task.moid] = task
        task.record(_e.ScheduledTaskCreatedEvent, "Created", call.origin)
        task.plan()
        return task.reference

    @method("RetrieveEntityScheduledTask")
    def of_entity(self, call: Call) -> list[Any]:
        return self._of(call.get("entity"))

    @method("RetrieveObjectScheduledTask")
    def of_object(self, call: Call) -> list[Any]:
        return self._of(call.get("obj"))

    def _of(self, reference: Any) -> list[Any]:
        """Those of one object, or all."""
        return [
            task.reference
            for task in self.tasks.values()
            if reference is None or task.entity == reference._moId
        ]

    def check_name(self, name: str, own: ScheduledTask | None = None) -> None:
        for task in self.tasks.values():
            if task is not own and task.spec.name == name:
                fault = vim.fault.DuplicateName(name=name, object=task.reference)
                raise SoapFault(fault, f"The name '{name}' already exists.")

    def _entity(self, reference: Any) -> Any:
        entity = self._inventory.find(reference._moId)
        if entity is None:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=reference))
        return entity


class ScheduledTask(ManagedObject):
    kind = _s.ScheduledTask

    def __init__(
        self,
        manager: ScheduledTaskManager,
        inventory: Inventory,
        number: int,
        entity: str,
        spec: Any,
        origin: Origin,
    ) -> None:
        super().__init__(f"schedule-{number}")
        self._manager = manager
        self._inventory = inventory
        self._world = inventory.world
        self.entity = entity
        self.spec = spec
        self._origin = origin
        self._changed = self._world.now
        self._plans = itertools.count(1)
        self._plan = 0
        self._next: dt.datetime | None = None
        self._previous: dt.datetime | None = None
        self._state = "queued"
        self._error: Any = None
        self._task: Any = None

    @managed_property
    def info(self, session: Any = None) -> Any:
        entity = self._inventory.find(self.entity) or self._inventory.root
        spec = {
            name: getattr(self.spec, name)
            for name in ("name", "description", "enabled", "scheduler", "action", "notification")
        }
        return data_object(
            _s.ScheduledTaskInfo,
            scheduledTask=self.reference,
            entity=entity.reference,
            taskObject=entity.reference,
            lastModifiedTime=self._world.date_of(self._changed),
            lastModifiedUser=self._origin.user or "",
            nextRunTime=self._next,
            prevRunTime=self._previous,
            state=self._state,
            error=self._error,
            activeTask=self._task,
            **spec,
        )

    @method("RemoveScheduledTask")
    def remove(self, call: Call) -> None:
        self._plan = 0
        self._manager.tasks.pop(self.moid, None)
        self.record(_e.ScheduledTaskRemovedEvent, "Removed", call.origin)

    @method("ReconfigureScheduledTask")
    def reconfigure(self, call: Call) -> None:
        spec = call.get("spec")
        self._manager.check_name(spec.name, self)
        self.spec, self._origin, self._changed = spec, call.origin, self._world.now
        self.record(_e.ScheduledTaskReconfiguredEvent, "Reconfigured", call.origin)
        self.plan()

    @method("RunScheduledTask")
    def run(self, call: Call) -> None:
        self._run()

    def plan(self) -> None:
        """Run at the next time that the scheduler gives, if it is enabled."""
        self._plan = plan = next(self._plans)
        now = self._world.date_of(self._world.now)
        self._next = _next_run(self.spec.scheduler, now) if self.spec.enabled else None
        if self._next is not None:
            wait = max(0.0, (self._next - now).total_seconds())
            self._world.call_later(wait, lambda: self._on_time(plan))

    def _on_time(self, plan: int) -> None:
        if plan == self._plan:
            self._run()
            if isinstance(self.spec.scheduler, _s.RecurrentTaskScheduler):
                self.plan()
            else:
                self._next = None

    def _run(self) -> None:
        self._previous = self._world.date_of(self._world.now)
        self.record(_e.ScheduledTaskStartedEvent, "Running", self._origin)
        self._task = None
        try:
            result = self._act()
        except (SoapFault, NotFound) as error:
            fault = getattr(error, "fault", None) or vmodl.fault.SystemError(reason=str(error))
            fault.msg = str(error)
            self._end(fault)
            return
        task = self._inventory.tasks.find(result._moId) if isinstance(result, vim.Task) else None
        if task is None:
            self._end(None)
            return
        self._task, self._state = result, "running"
        reason = vim.TaskReasonSchedule(name=self.spec.name, scheduledTask=self.reference)
        task.follow(reason, self._end)

    def _end(self, fault: Any) -> None:
        """It ends as its task does."""
        self._error, self._state = fault, "success" if fault is None else "error"
        if fault is None:
            self.record(_e.ScheduledTaskCompletedEvent, "Completed", self._origin)
        else:
            self.record(_e.ScheduledTaskFailedEvent, "Failed", self._origin, reason=fault)

    def _act(self) -> Any:
        """Call the method of the action on the entity."""
        action = self.spec.action
        if not isinstance(action, vim.action.MethodAction):
            raise SoapFault(vmodl.fault.NotSupported(), "Only methods can be run.")
        entity = self._inventory.find(self.entity)
        info = action.name.info
        handler = entity.handler(info.wsdlName) if entity is not None else None
        if handler is None:
            fault = vmodl.fault.MethodNotFound(
                receiver=vim.ManagedEntity(self.entity), method=info.wsdlName
            )
            raise SoapFault(fault, f"{info.wsdlName} is not modelled by the lab.")
        values = [each.value for each in action.argument or ()]
        names = [parameter.name for parameter in info.params]
        arguments = dict(zip(names, values, strict=False))
        return handler(Call(info.wsdlName, arguments, None, "", self._origin, {}))

    def record(self, kind: Any, verb: str, origin: Origin, **fields: Any) -> None:
        entity = self._inventory.find(self.entity) or self._inventory.root
        argument = _e.ScheduledTaskEventArgument(name=self.spec.name, scheduledTask=self.reference)
        text = f"{verb} task {self.spec.name} on {entity.plain_name}"
        fields |= {"scheduledTask": argument, "entity": entity_argument(entity)}
        self._inventory.own_events.about(entity, kind, text, origin, **fields)


def _next_run(scheduler: Any, now: dt.datetime) -> dt.datetime | None:
    """Weekly and monthly schedules are kept, and never due."""
    if isinstance(scheduler, _s.OnceTaskScheduler):
        return scheduler.runAt or now
    if isinstance(scheduler, _s.AfterStartupTaskScheduler):
        return None  # the vCenter has started
    if type(scheduler) is _s.HourlyTaskScheduler:
        due = now.replace(minute=scheduler.minute, second=0, microsecond=0)
        return due if due > now else due + dt.timedelta(hours=scheduler.interval)
    if type(scheduler) is _s.DailyTaskScheduler:
        due = now.replace(hour=scheduler.hour, minute=scheduler.minute, second=0, microsecond=0)
        return due if due > now else due + dt.timedelta(days=scheduler.interval)
    return None
