"""Events that only a vCenter has, such as those of its configuration and its alarms."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import EventKind, Machine, Origin, World

__all__ = ["OWN_KINDS", "OwnEvent", "OwnEvents", "entity_argument"]

_e = vim.event
# The classes of the events that are recorded here.
OWN_KINDS = frozenset(
    (
        _e.AlarmAcknowledgedEvent,
        _e.AlarmClearedEvent,
        _e.AlarmCreatedEvent,
        _e.AlarmReconfiguredEvent,
        _e.AlarmRemovedEvent,
        _e.AlarmStatusChangedEvent,
        _e.ClusterReconfiguredEvent,
        _e.GeneralUserEvent,
        _e.ScheduledTaskCompletedEvent,
        _e.ScheduledTaskCreatedEvent,
        _e.ScheduledTaskFailedEvent,
        _e.ScheduledTaskReconfiguredEvent,
        _e.ScheduledTaskRemovedEvent,
        _e.ScheduledTaskStartedEvent,
        _e.TaskEvent,
        _e.VmClonedEvent,
        _e.VmCreatedEvent,
        _e.VmReconfiguredEvent,
        _e.VmRegisteredEvent,
        _e.VmRemovedEvent,
        _e.VmRenamedEvent,
    )
)
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """Its class, its text with {vm} and {host} in it, and the fields of its class."""

    kind: Any
    text: str
    fields: dict[str, Any] = field(default_factory=dict)
    host_id: str | None = None


class OwnEvents:
    """The events by their number in the simulation, which has the rest of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._events: OrderedDict[int, OwnEvent] = OrderedDict()

    def find(self, number: int) -> OwnEvent | None:
        with self._lock:
            return self._events.get(number)

    def about(self, entity: Any, kind: Any, text: str, origin: Origin, /, **fields: Any) -> int:
        """Record an event of any entity, whose text may have any characters. Returns its number."""
        words = text.replace("{", "{{").replace("}", "}}")
        if issubclass(entity.kind, vim.VirtualMachine):
            return self.of_vm(kind, words, entity.machine, origin, **fields)
        if issubclass(entity.kind, vim.HostSystem):
            return self.of_host(kind, words, entity.host_id, origin, **fields)
        return self.of_entity(kind, words, origin, **fields)

    def of_vm(self, kind: Any, text: str, vm: Machine, origin: Origin, /, **fields: Any) -> int:
        return self._record(OwnEvent(kind, text, fields), vm, origin)

    def of_host(self, kind: Any, text: str, host_id: str, origin: Origin, /, **fields: Any) -> int:
        return self._record(OwnEvent(kind, text, fields, host_id), None, origin)

    def of_entity(self, kind: Any, text: str, origin: Origin, /, **fields: Any) -> int:
        return self._record(OwnEvent(kind, text, fields), None, origin)

    def _record(self, event: OwnEvent, vm: Machine | None, origin: Origin) -> int:
        with self._world.present():
            number = self._world.record(EventKind.NOTED, vm, origin, host_id=event.host_id)
            with self._lock:
                self._events[number] = event
                while len(self._events) > _MOST:
                    self._events.popitem(last=False)
            return number


def entity_argument(entity: Any) -> Any:
    """An entity as a field of an event."""
    return vim.event.ManagedEntityEventArgument(name=entity.plain_name, entity=entity.reference)
