"""Resource pools."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, SoapFault, method
from chaosvm.lab.vcenter.methods.placement import find_entity
from chaosvm.lab.vcenter.methods.reconfiguration import check_name
from chaosvm.lab.vcenter.methods.task_method import task_method
from chaosvm.lab.vcenter.own_objects import OwnPool
from chaosvm.lab.vcenter.vm_config import merged

__all__ = ["PoolMethods"]


class PoolMethods(ManagedObject):
    kind = vim.ResourcePool
    inventory: Any
    plain_name: str
    parent_entity: Any
    pools: list[Any]

    @property
    def children(self) -> list[Any]:
        return self.pools

    def own_config(self) -> Any:
        """The configuration that a client has given, None of a root pool."""
        own = self.inventory.own_objects.pools.get(self.moid)
        return own.config if own is not None else None

    @method("CreateResourcePool")
    def create(self, call: Call) -> Any:
        name = check_name(self.inventory, call.get("name"), self)
        objects = self.inventory.own_objects
        moid, spec = objects.new_moid("resgroup-"), call.get("spec")
        _check(spec)
        spec.entity = vim.ResourcePool(moid)
        for allocation in (spec.cpuAllocation, spec.memoryAllocation):
            if allocation.shares is not None and allocation.shares.level != "custom":
                allocation.shares.shares = _SHARES[str(allocation.shares.level)]
        objects.pools[moid] = OwnPool(moid, name, self.moid, spec)
        self._changed()
        return vim.ResourcePool(moid)

    @method("UpdateConfig")
    def update(self, call: Call) -> None:
        own = self._own_record("changed")
        if call.get("name"):
            own.name = check_name(
                self.inventory, call.get("name"), self.parent_entity, self.reference
            )
        if call.get("config") is not None:
            config = merged(own.config, call.get("config"))
            for name in ("cpuAllocation", "memoryAllocation"):
                given = getattr(call.get("config"), name)
                if given is not None:
                    setattr(config, name, merged(getattr(own.config, name), given))
            _check(config)
            own.config = config
        self._changed()

    @task_method("Rename_Task")
    def rename(self, call: Call) -> None:
        own = self._own_record("renamed")
        own.name = check_name(
            self.inventory, call.get("newName"), self.parent_entity, self.reference
        )
        self._changed()

    @method("MoveIntoResourcePool")
    def move_into(self, call: Call) -> None:
        for reference in call.get("list") or ():
            entity = find_entity(self.inventory, reference, vim.ManagedEntity)
            own = self.inventory.own_objects.pools.get(entity.moid)
            if issubclass(entity.kind, vim.VirtualMachine):
                self.inventory.put_in_pool(entity.machine, self)
            elif own is not None and entity.moid != self.moid:
                own.parent = self.moid
            else:
                raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="list"))
        self._changed()

    @method("UpdateChildResourceConfiguration")
    def update_children(self, call: Call) -> None:
        for spec in call.get("spec") or ():
            own = self.inventory.own_objects.pools.get(spec.entity._moId)
            if own is not None:
                own.config = merged(own.config, spec)
        self._changed()

    @method("DestroyChildren")
    def destroy_children(self, call: Call) -> None:
        for pool in list(self.pools):
            pool.remove()
        self._changed()

    @task_method("Destroy_Task")
    def destroy(self, call: Call) -> None:
        """The VMs and pools in it go to its parent."""
        self._own_record("destroyed")
        self.remove()
        self._changed()

    def remove(self) -> None:
        objects = self.inventory.own_objects
        for pool in self.pools:
            objects.pools[pool.moid].parent = self.parent_entity.moid
        for vm in self.inventory.world.vms:
            if objects.pool_of_vm.get(vm.id) == self.moid:
                self.inventory.put_in_pool(vm, self.parent_entity)
        del objects.pools[self.moid]

    @task_method("CreateChildVM_Task")
    def create_child_vm(self, call: Call) -> Any:
        raise SoapFault(vmodl.fault.NotSupported(), "Only vApps have virtual machines below them.")

    @method("RefreshRuntime")
    def refresh(self, call: Call) -> None:
        """The runtime is always fresh."""

    def _own_record(self, verb: str) -> OwnPool:
        own: OwnPool | None = self.inventory.own_objects.pools.get(self.moid)
        if own is None:
            raise SoapFault(vmodl.fault.NotSupported(), f"A root pool cannot be {verb}.")
        return own

    def _changed(self) -> None:
        self.inventory.own_objects.changed()
        self.inventory.notify([self.moid, self.parent_entity.moid])


# Shares of a resource pool by level (SharesInfo of the API reference).
_SHARES = {"low": 2000, "normal": 4000, "high": 8000}


def _check(spec: Any) -> None:
    for name in ("cpuAllocation", "memoryAllocation"):
        given = getattr(spec, name)
        if given is None:
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty=f"spec.{name}"))
        reservation, limit = given.reservation, given.limit
        if reservation is not None and limit is not None and -1 < limit < reservation:
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty=f"spec.{name}.limit"))
