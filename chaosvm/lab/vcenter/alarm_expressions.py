"""What the expressions of alarms make of entities and events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyVmomi import vim

__all__ = ["SEVERITY", "concerns", "is_of", "leaves", "state_kinds", "status"]

_a = vim.alarm
SEVERITY = ("gray", "green", "yellow", "red")
# Types of entities that have no others below them in the inventory.
_INNERMOST = (vim.VirtualMachine, vim.HostSystem, vim.Datastore, vim.Network)


def leaves(expression: Any) -> Iterator[Any]:
    if isinstance(expression, (_a.OrAlarmExpression, _a.AndAlarmExpression)):
        for each in expression.expression:
            yield from leaves(each)
    else:
        yield expression


def concerns(spec: Any, kind: Any) -> bool:
    """True if entities of this type, or what is in them, can trigger the alarm."""
    kinds = [
        each.objectType if isinstance(each, _a.EventAlarmExpression) else each.type
        for each in leaves(spec.expression)
    ]
    return kind not in _INNERMOST or None in kinds or any(issubclass(kind, each) for each in kinds)


def state_kinds(spec: Any) -> set[Any]:
    """The types that an alarm is about, if it follows states and is enabled."""
    parts = list(leaves(spec.expression))
    if not spec.enabled or not all(isinstance(each, _a.StateAlarmExpression) for each in parts):
        return set()
    return {each.type for each in parts}


def status(expression: Any, entity: Any) -> str:
    if isinstance(expression, _a.OrAlarmExpression):
        return max((status(each, entity) for each in expression.expression), key=SEVERITY.index)
    if isinstance(expression, _a.AndAlarmExpression):
        return min((status(each, entity) for each in expression.expression), key=SEVERITY.index)
    if not issubclass(entity.kind, expression.type):
        return "green"
    value = str(entity.get(expression.statePath))
    for name in ("red", "yellow"):
        wanted = getattr(expression, name)
        if wanted and (value == wanted) is (str(expression.operator) == "isEqual"):
            return name
    return "green"


def is_of(event: Any, expression: Any) -> bool:
    if not isinstance(expression, _a.EventAlarmExpression):
        return False
    type_id = getattr(event, "eventTypeId", None)
    if expression.eventTypeId and expression.eventTypeId not in (
        type_id,
        f"vim.event.{type(event)._wsdlName}",
    ):
        return False
    return isinstance(event, expression.eventType)
