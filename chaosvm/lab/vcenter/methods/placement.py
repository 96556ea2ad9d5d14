"""Where a VM is: migration to other hosts, relocation, folders and resource pools."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Origin, State
from chaosvm.lab.vcenter.managed_object import Call, SoapFault
from chaosvm.lab.vcenter.methods.reconfiguration import ReconfigurationMethods
from chaosvm.lab.vcenter.methods.task_method import task_method
from chaosvm.lab.vcenter.states import POWER_STATES
from chaosvm.lab.vcenter.tasks import Pending

__all__ = ["PlacementMethods", "find_entity"]


def find_entity(inventory: Any, reference: Any, kind: Any) -> Any:
    """The entity of a reference, which is of this kind. Raises SoapFault."""
    entity = inventory.find(reference._moId)
    if entity is None or not issubclass(entity.kind, kind):
        raise SoapFault(
            vmodl.fault.ManagedObjectNotFound(obj=reference),
            f"The object '{reference._moId}' has already been deleted or has not been created.",
        )
    return entity


class PlacementMethods(ReconfigurationMethods):
    @task_method("MigrateVM_Task")
    def migrate(self, call: Call) -> Any:
        if call.get("host") is None and call.get("pool") is None:
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="host"))
        wanted = call.get("state")
        if wanted and wanted != POWER_STATES[self.machine.state]:
            existing = POWER_STATES[self.machine.state]
            raise SoapFault(
                vim.fault.InvalidPowerState(requestedState=wanted, existingState=existing)
            )
        return self._move(call.get("host"), call.get("pool"), None, call.origin)

    @task_method("RelocateVM_Task")
    def relocate(self, call: Call) -> Any:
        spec = call.get("spec")
        return self._move(spec.host, spec.pool, spec.folder, call.origin)

    def _move(self, host: Any, pool: Any, folder: Any, origin: Origin) -> Any:
        """Put the VM in this pool and folder now, and on this host when it has moved."""
        self.raise_if_unavailable()
        if self.machine.template and host is None and pool is not None:
            raise SoapFault(vmodl.fault.NotSupported(), "A template is in no resource pool.")
        target = self._target(host, pool)
        if folder is not None:
            entity = find_entity(self.inventory, folder, vim.Folder)
            self.inventory.put_in_folder(self.machine, entity)
        if target is None or target.id == (self.machine.host_id or self.machine.home_id):
            self._put_in_pool(pool)
            return None
        self.inventory.world.power.migrate(self.vm_id, origin, target.id)
        self._put_in_pool(pool)
        return Pending(
            lambda: self.machine.state is not State.MIGRATING,
            self.inventory.world.durations.migrate,
        )

    def _target(self, host: Any, pool: Any) -> Any:
        """The simulated host to move to, None to stay. Raises SoapFault."""
        world = self.inventory.world
        if host is not None:
            entity = find_entity(self.inventory, host, vim.HostSystem)
            target = world.host(entity.host_id)
            if target is None or not target.usable:
                raise SoapFault(_host_fault(target), f"{entity.plain_name} is not available.")
            if pool is None and target.cluster_id != self.machine.cluster_id:
                fault = vmodl.fault.InvalidArgument(invalidProperty="pool")
                raise SoapFault(fault, "A host of another cluster needs a pool of that cluster.")
            return target
        if pool is None:
            return None
        cluster_id = find_entity(self.inventory, pool, vim.ResourcePool).cluster_id
        if cluster_id == self.machine.cluster_id:
            return None
        usable = [each for each in world.hosts_of(cluster_id) if each.usable]
        if not usable:
            raise SoapFault(vim.fault.NoCompatibleHost(), "No host of the cluster is available.")
        return world.host(world.least_loaded(usable))

    def _put_in_pool(self, pool: Any) -> None:
        if pool is not None:
            entity = find_entity(self.inventory, pool, vim.ResourcePool)
            self.inventory.put_in_pool(self.machine, entity)


def _host_fault(host: Any) -> Any:
    if host is None or not host.responding:
        return vmodl.fault.HostNotConnected()
    return vim.fault.InvalidHostState()
