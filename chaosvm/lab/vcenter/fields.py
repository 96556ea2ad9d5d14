"""Custom attributes: what they are called, and setting them on VMs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.managed import Call, Managed, Refused, method, prop
from chaosvm.lab.world import World

if TYPE_CHECKING:
    from chaosvm.lab.vcenter.estate import Estate

__all__ = ["CustomFieldsManager", "Fields"]

_FIRST_KEY = 101


class Fields:
    """The name of each attribute, and the key that stands for it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._keys: dict[str, int] = {}

    def key(self, name: str) -> int:
        with self._lock:
            return self._keys.setdefault(name, _FIRST_KEY + len(self._keys))

    def name(self, key: int) -> str | None:
        with self._lock:
            return next((name for name, known in self._keys.items() if known == key), None)

    def knows(self, name: str) -> bool:
        with self._lock:
            return name in self._keys

    def definitions(self) -> Any:
        for vm in self._world.vms:
            for name in vm.attributes:
                self.key(name)
        with self._lock:
            known = list(self._keys.items())
        return vim.CustomFieldsManager.FieldDef.Array([_definition(*each) for each in known])


def _definition(name: str, key: int) -> Any:
    return vim.CustomFieldsManager.FieldDef(
        key=key, name=name, type=str, managedObjectType=vim.VirtualMachine
    )


class CustomFieldsManager(Managed):
    kind = vim.CustomFieldsManager

    def __init__(self, estate: Estate) -> None:
        super().__init__("CustomFieldsManager")
        self._estate = estate

    @prop
    def field(self, session: Any = None) -> Any:
        return self._estate.fields.definitions()

    @method("AddCustomFieldDef")
    def add(self, call: Call) -> Any:
        name = call.get("name")
        if self._estate.fields.knows(name):
            raise Refused(vim.fault.DuplicateName(name=name, object=self.reference))
        return _definition(name, self._estate.fields.key(name))

    @method("SetField")
    def set(self, call: Call) -> None:
        entity, name = call.get("entity"), self._estate.fields.name(call.get("key"))
        if name is None:
            raise Refused(vmodl.fault.InvalidArgument(invalidProperty="key"))
        vm = self._estate.machines().get(entity._moId)
        if vm is None:
            raise Refused(vmodl.fault.ManagedObjectNotFound(obj=entity))
        attributes = {**vm.attributes, name: call.get("value")}
        self._estate.world.change(vm.id, attributes=attributes)
