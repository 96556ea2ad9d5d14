"""Events that clients post."""

from __future__ import annotations

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.interfaces import Service
from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, SoapFault, method
from chaosvm.lab.vcenter.own_events import entity_argument

__all__ = ["PostedEvents"]

_e = vim.event
# What the server fills in of an event that is posted.
_COMMON_FIELDS = frozenset(info.name for info in _e.Event._GetPropertyList())


class PostedEvents(ManagedObject):
    kind = _e.EventManager
    _service: Service

    @method("LogUserEvent")
    def log_user_event(self, call: Call) -> None:
        entity = self._service.find(call.get("entity")._moId, None)
        if entity is None or not issubclass(entity.kind, vim.ManagedEntity):
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=call.get("entity")))
        message = call.get("msg")
        self._service.inventory.own_events.about(
            entity,
            _e.GeneralUserEvent,
            f"User logged event: {message}",
            call.origin,
            message=message,
            entity=entity_argument(entity),
        )

    @method("PostEvent")
    def post(self, call: Call) -> None:
        """Any event, as an extension posts it; about the VM or host that it names."""
        event, inventory = call.get("eventToPost"), self._service.inventory
        location = event.vm.vm if event.vm else event.host.host if event.host else None
        entity = self._service.find(location._moId, None) if location else inventory.root
        if entity is None:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=location))
        fields = {
            info.name: getattr(event, info.name)
            for info in event._GetPropertyList()
            if info.name not in _COMMON_FIELDS and getattr(event, info.name) is not None
        }
        text = event.fullFormattedMessage or getattr(event, "message", None) or ""
        inventory.own_events.about(entity, type(event), text, call.origin, **fields)
