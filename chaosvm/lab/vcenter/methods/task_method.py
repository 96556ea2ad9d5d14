"""Methods that begin a task, declared by a decorator.

The method's body does the work, or begins it and returns Pending. A SoapFault that it
raises fails the task, as on a vCenter, where the request itself has been accepted. A fault
rule that a test has set for the task takes precedence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from chaosvm.lab.fault_injection import IGNORED, TASK_RULE
from chaosvm.lab.vcenter.managed_object import Call, SoapFault
from chaosvm.lab.vcenter.rule_faults import build_fault
from chaosvm.lab.vcenter.tasks import Pending, Task, never_done

__all__ = ["after", "run_task", "task_method"]

Body = Callable[[Any, Call], Any]


def task_method(name: str) -> Callable[[Body], Body]:
    """Mark a method as the handler of the SOAP method ``name``, which returns a task."""

    def decorate(body: Body) -> Body:
        @wraps(body)
        def handler(self: Any, call: Call) -> Any:
            return run_task(self, name, call.origin, partial(body, self, call)).reference

        handler.soap_methods = (name,)  # type: ignore[attr-defined]
        return handler

    return decorate


def run_task(target: Any, name: str, origin: Any, work: Callable[[], Any]) -> Task:
    """Run a task on an entity, or on the one that the target belongs to."""
    with target.inventory.world.present():
        entity = getattr(target, "task_entity", target)
        target.raise_if_busy()
        task: Task = target.inventory.tasks.run(entity, name, origin, partial(_work, entity, work))
        return task


def _work(entity: Any, work: Callable[[], Any]) -> Any:
    rule = TASK_RULE.get()
    if rule is not None and rule.action == "failed_task":
        raise SoapFault(build_fault(rule, entity), rule.message)
    if IGNORED.get() or (rule is not None and rule.action == "stuck_task"):
        return Pending(never_done)
    return work() if rule is None else after(entity.inventory.world, rule.seconds, work)


def after(world: Any, seconds: float, work: Callable[[], Any]) -> Pending:
    """Do some work after some seconds."""
    due = world.now + seconds
    return Pending(lambda: world.now >= due, seconds, work, check_after=seconds)
