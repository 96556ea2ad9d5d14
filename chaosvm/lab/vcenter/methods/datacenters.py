"""Data centers."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.managed_object import Call, SoapFault
from chaosvm.lab.vcenter.methods.power import MultiVMPowerOn
from chaosvm.lab.vcenter.methods.reconfiguration import check_name
from chaosvm.lab.vcenter.methods.task_method import task_method

__all__ = ["DatacenterMethods"]


class DatacenterMethods(MultiVMPowerOn):
    kind = vim.Datacenter
    datacenter_id: str
    plain_name: str
    parent_entity: Any

    @task_method("Rename_Task")
    def rename(self, call: Call) -> None:
        name = check_name(self.inventory, call.get("newName"), self.parent_entity, self.reference)
        self.inventory.world.change_datacenter(self.datacenter_id, name=name)
        self.inventory.notify([self.moid])

    @task_method("Destroy_Task")
    def destroy(self, call: Call) -> None:
        """Destroy a data center that no host is left in."""
        world = self.inventory.world
        clusters = [each for each in world.clusters if each.datacenter_id == self.datacenter_id]
        if any(world.hosts_of(cluster.id) for cluster in clusters):
            fault = vim.fault.ResourceInUse(type=vim.Datacenter, name=self.plain_name)
            raise SoapFault(fault, f"The data center {self.plain_name} has hosts.")
        for cluster in clusters:
            world.remove_cluster(cluster.id)
        world.remove_datacenter(self.datacenter_id)
        self.inventory.notify([self.parent_entity.moid])

    @task_method("ReconfigureDatacenter_Task")
    def reconfigure(self, call: Call) -> None:
        """Its only setting is the default hardware version, which is not modelled."""
