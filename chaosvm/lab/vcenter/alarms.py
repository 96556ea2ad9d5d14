"""Alarms: their definitions, and the states that they have on entities.

State alarms follow the power state of VMs and the connection and power of hosts; event alarms
follow the events. Metric alarms are kept and never triggered: nothing is ever busy here.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import NotFound, Origin
from chaosvm.lab.vcenter.alarm_expressions import (
    SEVERITY,
    concerns,
    is_of,
    leaves,
    state_kinds,
    status,
)
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.own_events import entity_argument
from chaosvm.lab.vcenter.predefined_alarms import predefined_alarms

__all__ = ["AlarmDefinition", "AlarmState", "Alarms"]

_a, _e = vim.alarm, vim.event
_ROOT = "group-d1"


@dataclass(slots=True)
class AlarmDefinition:
    moid: str
    entity: str
    spec: Any
    user: str
    changed: float
    event: int = 0


@dataclass(frozen=True, slots=True)
class AlarmState:
    """The state of an alarm on an entity, which is not green or was not."""

    alarm: str
    entity: str
    status: str
    at: float
    acknowledged_by: str | None = None
    acknowledged_at: float | None = None


# A state before and after.
_Change = tuple[AlarmState | None, AlarmState]


class Alarms:
    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._world = inventory.world
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._definitions: dict[str, AlarmDefinition] = {}
        # By alarm and entity.
        self._states: dict[tuple[str, str], AlarmState] = {}
        self._actions_disabled: set[str] = set()
        self._last_event = 0
        self._evaluated = -1  # the generation of the simulation
        for spec in predefined_alarms():
            self._add(_ROOT, spec, "")

    # Definitions -----------------------------------------------------------------------

    def definitions(self) -> list[AlarmDefinition]:
        with self._lock:
            return list(self._definitions.values())

    def find(self, moid: str) -> AlarmDefinition | None:
        return self._definitions.get(moid)

    def named(self, name: str) -> AlarmDefinition | None:
        return next((each for each in self.definitions() if each.spec.name == name), None)

    def create(self, entity: Any, spec: Any, origin: Origin) -> AlarmDefinition:
        alarm = self._add(entity.moid, spec, origin.user or "")
        self._record(_e.AlarmCreatedEvent, "Created alarm '{0}' on {1}", alarm, entity, origin)
        self.evaluate()
        return alarm

    def _add(self, entity: str, spec: Any, user: str) -> AlarmDefinition:
        now = self._world.now  # before the lock: the simulation has one of its own
        with self._lock:
            moid = f"alarm-{next(self._numbers)}"
            alarm = AlarmDefinition(moid, entity, spec, user, now)
            self._definitions[moid] = alarm
            return alarm

    def reconfigure(self, alarm: AlarmDefinition, spec: Any, origin: Origin) -> None:
        alarm.spec, alarm.changed, alarm.user = spec, self._world.now, origin.user or ""
        entity = self._inventory.find(alarm.entity)
        kind = _e.AlarmReconfiguredEvent
        self._record(kind, "Reconfigured alarm '{0}' on {1}", alarm, entity, origin)
        self.evaluate()

    def remove(self, alarm: AlarmDefinition, origin: Origin) -> None:
        with self._lock:
            del self._definitions[alarm.moid]
            gone = [key for key in self._states if key[0] == alarm.moid]
            for key in gone:
                del self._states[key]
        entity = self._inventory.find(alarm.entity)
        self._record(_e.AlarmRemovedEvent, "Removed alarm '{0}' on {1}", alarm, entity, origin)
        self._notify(moid for _, moid in gone)

    # States ----------------------------------------------------------------------------

    def triggered(self, moid: str) -> list[AlarmState]:
        """The yellow and red states of an entity and of what is in it."""
        self.evaluate(())
        with self._lock:
            states = [each for each in self._states.values() if each.status in ("yellow", "red")]
        return [each for each in states if moid in self._places(each.entity)]

    def declared(self, moid: str, kind: Any) -> list[AlarmState]:
        """The state of each alarm of an entity of this type, also of those it inherits."""
        self.evaluate(())
        places = self._places(moid)
        return [
            self._states.get((each.moid, moid))
            or AlarmState(each.moid, moid, "green", each.changed)
            for each in self.definitions()
            if each.entity in places and concerns(each.spec, kind)
        ]

    def of(self, moid: str) -> list[AlarmState]:
        with self._lock:
            return [each for each in self._states.values() if each.entity == moid]

    def status(self, moid: str) -> str:
        """The worst status of an entity."""
        self.evaluate(())
        if not self._states:
            return "green"
        states = (each.status for each in self.of(moid))
        return max(states, key=SEVERITY.index, default="green")

    def values(self, states: Iterable[AlarmState]) -> list[Any]:
        """States as clients read them."""
        return [self._value(state) for state in states]

    def _value(self, state: AlarmState) -> Any:
        entity, date = self._inventory.find(state.entity), self._world.date_of
        acknowledged = state.acknowledged_at
        return _a.AlarmState(
            key=f"{state.alarm}.{state.entity}",
            entity=entity.reference if entity is not None else vim.ManagedEntity(state.entity),
            alarm=_a.Alarm(state.alarm),
            overallStatus=state.status,
            time=date(state.at),
            acknowledged=acknowledged is not None,
            acknowledgedByUser=state.acknowledged_by,
            acknowledgedTime=date(acknowledged) if acknowledged is not None else None,
            disabled=False,
        )

    def acknowledge(self, alarm: AlarmDefinition, entity: Any, origin: Origin) -> bool:
        """False if the alarm is not triggered on the entity."""
        now = self._world.now
        with self._lock:
            state = self._states.get((alarm.moid, entity.moid))
            if state is None or state.status == "green":
                return False
            self._states[alarm.moid, entity.moid] = replace(
                state, acknowledged_by=origin.user or "", acknowledged_at=now
            )
        kind = _e.AlarmAcknowledgedEvent
        self._record(kind, "Acknowledged alarm '{0}' on {1}", alarm, entity, origin, source=True)
        self._notify([entity.moid])
        return True

    def clear(self, matches: Callable[[AlarmState], bool], origin: Origin) -> None:
        """Clear event alarms; those of a state that lasts are triggered again."""
        for state in list(self._states.values()):
            if state.status in ("yellow", "red") and matches(state):
                del self._states[state.alarm, state.entity]
                alarm, entity = self.find(state.alarm), self._inventory.find(state.entity)
                text = "Manually cleared alarm '{0}' on {1}"
                self._record(
                    _e.AlarmClearedEvent,
                    text,
                    alarm,
                    entity,
                    origin,
                    source=True,
                    **{"from": state.status},
                )
                self._notify([state.entity])
        self.evaluate()

    def actions_enabled(self, moid: str) -> bool:
        return moid not in self._actions_disabled

    def enable_actions(self, moid: str, enabled: bool) -> None:
        (self._actions_disabled.discard if enabled else self._actions_disabled.add)(moid)
        self._notify([moid])

    # Evaluation ------------------------------------------------------------------------

    def evaluate(self, vms: Iterable[str] | None = None) -> None:
        """Bring state alarms up to date, of these VMs or of all, and of hosts that changed."""
        generation, all_of_them = self._world.generation, vms is None
        moids = list(self._inventory.machines() if vms is None else vms)
        if generation == self._evaluated and not all_of_them and not moids:
            return
        hosts: list[Any] = []
        if generation != self._evaluated or all_of_them:
            hosts = list(self._inventory.tree.hosts.values())
        self._evaluated = generation
        changed: list[_Change] = []
        for alarm in self.definitions():
            kinds = state_kinds(alarm.spec)
            found = hosts if vim.HostSystem in kinds else []
            if vim.VirtualMachine in kinds:
                found = [*found, *filter(None, map(self._inventory.find, moids))]
            for entity in found:
                if alarm.entity in self._places(entity.moid):
                    changed += self._set(alarm, entity, status(alarm.spec.expression, entity))
        self._announce(changed)

    def notice(self, events: Iterable[Any]) -> None:
        """Bring event alarms up to date with events that have happened since."""
        changed: list[_Change] = []
        alarms = [each for each in self.definitions() if each.spec.enabled]
        for event in events:
            self._last_event = max(self._last_event, event.key)
            for alarm in alarms:
                for expression in leaves(alarm.spec.expression):
                    if is_of(event, expression):
                        raised = str(expression.status or "red")
                        changed += self._set(alarm, self._subject(event, alarm), raised)
        self._announce(changed)

    @property
    def watches_events(self) -> bool:
        return any(
            isinstance(each, _a.EventAlarmExpression)
            for alarm in self.definitions()
            for each in leaves(alarm.spec.expression)
        )

    @property
    def last_event(self) -> int:
        return self._last_event

    def _set(self, alarm: AlarmDefinition, entity: Any, status: str) -> list[_Change]:
        now = self._world.now
        with self._lock:
            key = (alarm.moid, entity.moid)
            before = self._states.get(key)
            if status == (before.status if before else "green"):
                return []
            after = AlarmState(alarm.moid, entity.moid, status, now)
            self._states[key] = after
            return [(before, after)]

    def _announce(self, changed: list[_Change]) -> None:
        for before, after in changed:
            alarm, entity = self._definitions[after.alarm], self._inventory.find(after.entity)
            if entity is None:
                continue
            old = before.status if before else "green"
            words = f"from {old.capitalize()} to {after.status.capitalize()}"
            text = f"Alarm '{{0}}' on {{1}} changed {words}"
            self._record(
                _e.AlarmStatusChangedEvent,
                text,
                alarm,
                entity,
                Origin(),
                source=True,
                **{"from": old, "to": after.status},
            )
        self._notify(after.entity for _, after in changed)

    def _subject(self, event: Any, alarm: AlarmDefinition) -> Any:
        for name, attribute in (("vm", "vm"), ("host", "host"), ("datacenter", "datacenter")):
            argument = getattr(event, name, None)
            entity = self._inventory.find(getattr(argument, attribute)._moId) if argument else None
            if entity is not None:
                return entity
        return self._inventory.find(alarm.entity)

    # Entities and events ---------------------------------------------------------------

    def _places(self, moid: str) -> set[str]:
        """The moids of an entity and of what it is in."""
        places, inventory = {moid}, self._inventory
        found = inventory.find(moid)
        starts = [getattr(found, "parent_entity", None)]
        if found is not None and issubclass(found.kind, vim.VirtualMachine):
            vm = found.machine
            starts = [inventory.folder_of(vm), inventory.pool_of(vm)]
            host = inventory.host_of(vm)
            places |= {host._moId} if host is not None else set()
        for entity in starts:
            while entity is not None:
                places.add(entity.moid)
                entity = entity.parent_entity
        return places

    def _record(
        self,
        kind: Any,
        text: str,
        alarm: Any,
        entity: Any,
        origin: Origin,
        source: bool = False,
        **fields: Any,
    ) -> None:
        name = entity.plain_name
        fields |= {
            "alarm": _e.AlarmEventArgument(name=alarm.spec.name, alarm=_a.Alarm(alarm.moid)),
            "entity": entity_argument(entity),
        }
        if source:
            fields["source"] = entity_argument(self._inventory.root)
        text = text.format(alarm.spec.name, name)
        self._inventory.own_events.about(entity, kind, text, origin, **fields)

    def _notify(self, moids: Iterable[str]) -> None:
        """Let clients and caches know that the status of entities has changed."""
        others: set[str] = set()
        machines = self._inventory.machines()
        for moid in set(moids):
            others |= self._places(moid)
            if moid in machines:
                try:
                    self._world.change(machines[moid].id)
                except NotFound:
                    continue
        self._inventory.notify(others - machines.keys())
