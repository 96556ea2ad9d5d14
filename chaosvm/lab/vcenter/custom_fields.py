"""Custom attributes: definitions, and values of VMs and other entities."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Machine, World
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)

__all__ = ["CustomFieldsManager", "CustomFields"]

_FIRST_KEY = 101


class CustomFields:
    """Names and keys of the custom attributes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._new_keys = itertools.count(_FIRST_KEY)
        self._keys: dict[str, int] = {}
        self._scanned_vms: list[Machine] = []
        # What an attribute is for, None for everything; and values of others than VMs, by moid.
        self._types: dict[int, Any] = {}
        self._values: dict[str, dict[int, str]] = {}

    def key(self, name: str) -> int:
        with self._lock:
            return self._key(name)

    def _key(self, name: str) -> int:
        if name not in self._keys:
            self._keys[name] = next(self._new_keys)
        return self._keys[name]

    def name(self, key: int) -> str:
        """Raises SoapFault for an unknown key."""
        with self._lock:
            for name, field_key in self._keys.items():
                if field_key == key:
                    return name
        raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="key"))

    def is_defined(self, name: str) -> bool:
        with self._lock:
            return name in self._keys

    def add(self, name: str, kind: Any) -> Any:
        """The definition. Raises SoapFault if the name exists."""
        with self._lock:
            self._raise_if_taken(name)
            key = self._key(name)
            self._types[key] = kind
            return self._definition(name, key)

    def _definition(self, name: str, key: int) -> Any:
        kind = self._types.get(key, vim.VirtualMachine)
        return vim.CustomFieldsManager.FieldDef(
            key=key, name=name, type=str, managedObjectType=kind
        )

    def of(self, moid: str) -> Any:
        """The values of an entity that is no VM."""
        with self._lock:
            values = list(self._values.get(moid, {}).items())
        value = vim.CustomFieldsManager.StringValue
        return [value(key=key, value=text) for key, text in values]

    def set_of(self, moid: str, key: int, value: str) -> None:
        with self._lock:
            self._values.setdefault(moid, {})[key] = value

    def set(self, vm: Machine, name: str, value: str) -> None:
        self._world.change(vm.id, attributes={**vm.attributes, name: value})

    def rename(self, key: int, new: str) -> None:
        """VMs keep their values of the attribute."""
        old = self.name(key)
        with self._lock:
            self._raise_if_taken(new)
            self._keys[new] = self._keys.pop(old)
        self._replace(old, new)

    def remove(self, key: int) -> None:
        """Remove an attribute and its values."""
        name = self.name(key)
        self._replace(name, None)
        with self._lock:
            del self._keys[name]
            for values in self._values.values():
                values.pop(key, None)

    def definitions(self) -> Any:
        vms = self._world.vms
        if vms != self._scanned_vms:  # cheap: unchanged VMs are identical objects
            for vm in vms:
                for name in vm.attributes:
                    self.key(name)
            self._scanned_vms = vms
        with self._lock:
            fields = [self._definition(*each) for each in self._keys.items()]
        return vim.CustomFieldsManager.FieldDef.Array(fields)

    def _raise_if_taken(self, name: str) -> None:
        if name in self._keys:
            manager = vim.CustomFieldsManager(CustomFieldsManager.MOID)
            fault = vim.fault.DuplicateName(name=name, object=manager)
            raise SoapFault(fault, f"The name '{name}' already exists.")

    def _replace(self, old: str, new: str | None) -> None:
        with self._world.present():
            for vm in self._world.vms:
                if old in vm.attributes:
                    attributes = {
                        name: value for name, value in vm.attributes.items() if name != old
                    }
                    if new is not None:
                        attributes[new] = vm.attributes[old]
                    self._world.change(vm.id, attributes=attributes)


class CustomFieldsManager(ManagedObject):
    kind = vim.CustomFieldsManager
    MOID = "CustomFieldsManager"

    def __init__(self, inventory: Inventory) -> None:
        super().__init__(self.MOID)
        self._inventory = inventory

    @managed_property
    def field(self, session: Any = None) -> Any:
        return self._inventory.fields.definitions()

    @method("AddCustomFieldDef")
    def add(self, call: Call) -> Any:
        return self._inventory.fields.add(call.get("name"), call.get("moType"))

    @method("RenameCustomFieldDef")
    def rename(self, call: Call) -> None:
        self._inventory.fields.rename(call.get("key"), call.get("name"))

    @method("RemoveCustomFieldDef")
    def remove(self, call: Call) -> None:
        self._inventory.fields.remove(call.get("key"))

    @method("SetField")
    def set(self, call: Call) -> None:
        entity, name = call.get("entity"), self._inventory.fields.name(call.get("key"))
        vm = self._inventory.machines().get(entity._moId)
        if vm is not None:
            self._inventory.fields.set(vm, name, call.get("value"))
        elif self._inventory.find(entity._moId) is not None:
            self._inventory.fields.set_of(entity._moId, call.get("key"), call.get("value"))
        else:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=entity))
