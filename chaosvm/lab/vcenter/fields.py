"""Custom attributes: what they are called, and setting them on VMs."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.interfaces import Estate
from chaosvm.lab.vcenter.managed import Call, Managed, Refused, method, prop
from chaosvm.lab.world import Machine, World

__all__ = ["CustomFieldsManager", "Fields"]

_FIRST_KEY = 101


class Fields:
    """The name of each attribute, and the key that stands for it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._new_keys = itertools.count(_FIRST_KEY)
        self._keys: dict[str, int] = {}
        self._seen: list[Machine] = []

    def key(self, name: str) -> int:
        with self._lock:
            return self._key(name)

    def _key(self, name: str) -> int:
        if name not in self._keys:
            self._keys[name] = next(self._new_keys)
        return self._keys[name]

    def name(self, key: int) -> str:
        """Raises Refused for a key that stands for nothing."""
        with self._lock:
            for name, known in self._keys.items():
                if known == key:
                    return name
        raise Refused(vmodl.fault.InvalidArgument(invalidProperty="key"))

    def knows(self, name: str) -> bool:
        with self._lock:
            return name in self._keys

    def add(self, name: str) -> int:
        """Raises Refused for a name that is taken."""
        with self._lock:
            self._refuse_taken(name)
            return self._key(name)

    def set(self, vm: Machine, name: str, value: str) -> None:
        self._world.change(vm.id, attributes={**vm.attributes, name: value})

    def rename(self, key: int, new: str) -> None:
        """The VMs that have the attribute keep their values."""
        old = self.name(key)
        with self._lock:
            self._refuse_taken(new)
            self._keys[new] = self._keys.pop(old)
        self._change(old, new)

    def remove(self, key: int) -> None:
        """Also from the VMs that have the attribute."""
        name = self.name(key)
        self._change(name, None)
        with self._lock:
            del self._keys[name]

    def definitions(self) -> Any:
        vms = self._world.vms
        if vms != self._seen:  # which takes no time: what has not changed is the very same
            for vm in vms:
                for name in vm.attributes:
                    self.key(name)
            self._seen = vms
        with self._lock:
            known = list(self._keys.items())
        return vim.CustomFieldsManager.FieldDef.Array([definition(*each) for each in known])

    def _refuse_taken(self, name: str) -> None:
        if name in self._keys:
            taken = vim.CustomFieldsManager(CustomFieldsManager.MOID)
            fault = vim.fault.DuplicateName(name=name, object=taken)
            raise Refused(fault, f"The name '{name}' already exists.")

    def _change(self, old: str, new: str | None) -> None:
        with self._world.present():
            for vm in self._world.vms:
                if old in vm.attributes:
                    kept = {name: value for name, value in vm.attributes.items() if name != old}
                    if new is not None:
                        kept[new] = vm.attributes[old]
                    self._world.change(vm.id, attributes=kept)


def definition(name: str, key: int) -> Any:
    return vim.CustomFieldsManager.FieldDef(
        key=key, name=name, type=str, managedObjectType=vim.VirtualMachine
    )


class CustomFieldsManager(Managed):
    kind = vim.CustomFieldsManager
    MOID = "CustomFieldsManager"

    def __init__(self, estate: Estate) -> None:
        super().__init__(self.MOID)
        self._estate = estate

    @prop
    def field(self, session: Any = None) -> Any:
        return self._estate.fields.definitions()

    @method("AddCustomFieldDef")
    def add(self, call: Call) -> Any:
        name = call.get("name")
        return definition(name, self._estate.fields.add(name))

    @method("RenameCustomFieldDef")
    def rename(self, call: Call) -> None:
        self._estate.fields.rename(call.get("key"), call.get("name"))

    @method("RemoveCustomFieldDef")
    def remove(self, call: Call) -> None:
        self._estate.fields.remove(call.get("key"))

    @method("SetField")
    def set(self, call: Call) -> None:
        entity, name = call.get("entity"), self._estate.fields.name(call.get("key"))
        vm = self._estate.machines().get(entity._moId)
        if vm is None:
            raise Refused(vmodl.fault.ManagedObjectNotFound(obj=entity))
        self._estate.fields.set(vm, name, call.get("value"))
