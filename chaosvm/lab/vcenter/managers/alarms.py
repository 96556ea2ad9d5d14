"""AlarmManager, and the alarms that it manages."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.alarms import AlarmDefinition, Alarms, AlarmState
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.serialization import data_object

__all__ = ["AlarmManager"]

_a = vim.alarm


class AlarmManager(ManagedObject):
    kind = _a.AlarmManager

    def __init__(self, inventory: Inventory) -> None:
        super().__init__("AlarmManager")
        self._inventory = inventory
        self._alarms: Alarms = inventory.alarms

    @managed_property
    def defaultExpression(self, session: Any = None) -> Any:
        return _a.AlarmExpression.Array([])

    @managed_property
    def description(self, session: Any = None) -> Any:
        return data_object(vim.alarm.AlarmDescription)

    def find(self, moid: str) -> Alarm | None:
        alarm = self._alarms.find(moid)
        return Alarm(self._inventory, alarm) if alarm is not None else None

    @method("CreateAlarm")
    def create(self, call: Call) -> Any:
        spec = call.get("spec")
        self._check_name(spec.name)
        alarm = self._alarms.create(self._entity(call.get("entity")), spec, call.origin)
        return _a.Alarm(alarm.moid)

    def _check_name(self, name: str) -> None:
        taken = self._alarms.named(name)
        if not name:
            raise SoapFault(vim.fault.InvalidName(name=name, entity=None))
        if taken is not None:
            fault = vim.fault.DuplicateName(name=name, object=_a.Alarm(taken.moid))
            raise SoapFault(fault, f"The name '{name}' already exists.")

    @method("GetAlarm")
    def get_alarms(self, call: Call) -> list[Any]:
        entity = call.get("entity")
        return [
            _a.Alarm(alarm.moid)
            for alarm in self._alarms.definitions()
            if entity is None or alarm.entity == entity._moId
        ]

    @method("GetAlarmState")
    def get_states(self, call: Call) -> list[Any]:
        entity = self._entity(call.get("entity"))
        return self._alarms.values(self._alarms.of(entity.moid))

    @method("AcknowledgeAlarm")
    def acknowledge(self, call: Call) -> None:
        entity, alarm = self._entity(call.get("entity")), self._definition(call.get("alarm"))
        if not self._alarms.acknowledge(alarm, entity, call.origin):
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="alarm"))

    @method("ClearTriggeredAlarms")
    def clear(self, call: Call) -> None:
        wanted = call.get("filter")
        statuses = {str(each) for each in wanted.status or ()}
        kinds = {
            "entityTypeHost": vim.HostSystem,
            "entityTypeVm": vim.VirtualMachine,
        }
        kind = kinds.get(str(wanted.typeEntity or ""), vim.ManagedEntity)

        def matches(state: AlarmState) -> bool:
            entity = self._inventory.find(state.entity)
            is_of_kind = entity is not None and issubclass(entity.kind, kind)
            return is_of_kind and (not statuses or state.status in statuses)

        self._alarms.clear(matches, call.origin)

    @method("AreAlarmActionsEnabled")
    def are_actions_enabled(self, call: Call) -> bool:
        return self._alarms.actions_enabled(self._entity(call.get("entity")).moid)

    @method("EnableAlarmActions")
    def enable_actions(self, call: Call) -> None:
        entity = self._entity(call.get("entity"))
        self._alarms.enable_actions(entity.moid, bool(call.get("enabled")))

    def _entity(self, reference: Any) -> Any:
        entity = self._inventory.find(reference._moId)
        if entity is None:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=reference))
        return entity

    def _definition(self, reference: Any) -> AlarmDefinition:
        alarm = self._alarms.find(reference._moId)
        if alarm is None:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=reference))
        return alarm


class Alarm(ManagedObject):
    kind = _a.Alarm

    def __init__(self, inventory: Inventory, alarm: AlarmDefinition) -> None:
        super().__init__(alarm.moid)
        self._inventory = inventory
        self._alarm = alarm

    @managed_property
    def info(self, session: Any = None) -> Any:
        alarm, spec = self._alarm, self._alarm.spec
        given = {
            name: getattr(spec, name)
            for name in (
                "name",
                "systemName",
                "description",
                "enabled",
                "expression",
                "action",
                "actionFrequency",
                "setting",
            )
        }
        entity = self._inventory.find(alarm.entity) or self._inventory.root
        return data_object(
            _a.AlarmInfo,
            key=alarm.moid,
            alarm=self.reference,
            entity=entity.reference,
            lastModifiedTime=self._inventory.world.date_of(alarm.changed),
            lastModifiedUser=alarm.user,
            creationEventId=alarm.event,
            **given,
        )

    @method("RemoveAlarm")
    def remove(self, call: Call) -> None:
        self._inventory.alarms.remove(self._alarm, call.origin)

    @method("ReconfigureAlarm")
    def reconfigure(self, call: Call) -> None:
        spec = call.get("spec")
        taken = self._inventory.alarms.named(spec.name)
        if taken is not None and taken is not self._alarm:
            fault = vim.fault.DuplicateName(name=spec.name, object=_a.Alarm(taken.moid))
            raise SoapFault(fault, f"The name '{spec.name}' already exists.")
        self._inventory.alarms.reconfigure(self._alarm, spec, call.origin)
