"""Clusters and the compute resources of standalone hosts."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.cluster_settings import ClusterSettings
from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, SoapFault, method
from chaosvm.lab.vcenter.methods.placement import find_entity
from chaosvm.lab.vcenter.methods.reconfiguration import check_name
from chaosvm.lab.vcenter.methods.task_method import task_method
from chaosvm.lab.vcenter.serialization import data_object
from chaosvm.lab.vcenter.states import POWER_STATES

__all__ = ["ClusterMethods", "ComputeMethods"]

_e = vim.event
_MIB = 1024**2


class ComputeMethods(ManagedObject):
    kind = vim.ComputeResource
    inventory: Any
    cluster: Any
    plain_name: str
    parent_entity: Any
    hosts: list[Any]

    @task_method("ReconfigureComputeResource_Task")
    def reconfigure(self, call: Call) -> None:
        self._reconfigure(call)

    def _reconfigure(self, call: Call) -> None:
        self.apply(call.get("spec"), bool(call.get("modify")))
        if issubclass(self.kind, vim.ClusterComputeResource):
            text = f"Reconfigured cluster {self.plain_name}"
            named = _e.ComputeResourceEventArgument(
                name=self.plain_name, computeResource=self.reference
            )
            self.inventory.own_events.about(
                self, _e.ClusterReconfiguredEvent, text, call.origin, computeResource=named
            )

    def apply(self, spec: Any, modify: bool = True) -> None:
        """A standalone host's settings are about its swap files, and are not modelled."""

    @task_method("Rename_Task")
    def rename(self, call: Call) -> None:
        name = check_name(self.inventory, call.get("newName"), self.parent_entity, self.reference)
        self.inventory.world.change_cluster(self.cluster.id, name=name)
        self.inventory.notify([self.moid])

    @task_method("Destroy_Task")
    def destroy(self, call: Call) -> None:
        world = self.inventory.world
        vms = [vm for vm in world.vms if vm.cluster_id == self.cluster.id]
        if any(POWER_STATES[vm.state] == "poweredOn" for vm in vms):
            fault = vim.fault.InvalidPowerState(
                requestedState="poweredOff", existingState="poweredOn"
            )
            raise SoapFault(fault, "A virtual machine of the cluster is powered on.")
        world.remove_cluster(self.cluster.id)
        self.inventory.notify([self.parent_entity.moid])


class ClusterMethods(ComputeMethods):
    kind = vim.ClusterComputeResource
    pool: Any
    datacenter: Any

    @property
    def settings(self) -> ClusterSettings:
        return ClusterSettings(self.inventory, self.cluster)

    def apply(self, spec: Any, modify: bool = True) -> None:
        self.settings.apply(spec, modify)

    @task_method("ReconfigureCluster_Task")
    def reconfigure_cluster(self, call: Call) -> None:
        self._reconfigure(call)

    @task_method("AddHost_Task")
    def add_host(self, call: Call) -> Any:
        name, world = call.get("spec").hostName, self.inventory.world
        if not name:
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="spec.hostName"))
        if any(host.name == name for host in world.hosts):
            raise SoapFault(vim.fault.AlreadyConnected(name=name), f"{name} is in the inventory.")
        host = world.add_host(name, world.cluster(self.cluster.id))
        self.inventory.notify([self.moid])
        return self.inventory.tree.hosts[host.id].reference

    @task_method("MoveHostInto_Task")
    def move_host_into(self, call: Call) -> None:
        self._move([call.get("host")])

    @task_method("MoveInto_Task")
    def move_into(self, call: Call) -> None:
        self._move(call.get("host") or ())

    def _move(self, references: Any) -> None:
        hosts = [find_entity(self.inventory, each, vim.HostSystem) for each in references]
        for host in hosts:
            if host.compute.kind is vim.ClusterComputeResource and not host.host.maintenance:
                fault = vim.fault.InvalidState()
                raise SoapFault(fault, f"The host {host.plain_name} is not in maintenance mode.")
        world = self.inventory.world
        for host in hosts:
            before = host.cluster_id
            world.move_host(host.host_id, self.cluster.id)
            if world.cluster(before).standalone:
                world.remove_cluster(before)
        self.inventory.notify([self.moid])

    @method("FindRulesForVm")
    def rules_for_vm(self, call: Call) -> list[Any]:
        wanted = call.get("vm")._moId
        return [
            rule
            for rule in self.settings.info().rule
            if wanted in {each._moId for each in getattr(rule, "vm", None) or ()}
        ]

    @method("GetResourceUsage")
    def resource_usage(self, call: Call) -> Any:
        """What the summaries of its hosts and of their datastore add up to."""
        hosts = [host.summary() for host in self.hosts]
        store = self.datacenter.store.summary()
        return vim.cluster.ResourceUsageSummary(
            cpuUsedMHz=sum(each.quickStats.overallCpuUsage for each in hosts),
            cpuCapacityMHz=sum(each.hardware.numCpuCores * each.hardware.cpuMhz for each in hosts),
            memUsedMB=sum(each.quickStats.overallMemoryUsage for each in hosts),
            memCapacityMB=sum(each.hardware.memorySize for each in hosts) // _MIB,
            storageUsedMB=(store.capacity - store.freeSpace) // _MIB,
            storageCapacityMB=store.capacity // _MIB,
        )

    @method("PlaceVm")
    def place_vm(self, call: Call) -> Any:
        """The host with the fewest VMs."""
        world, tree = self.inventory.world, self.inventory.tree
        usable = [host for host in world.hosts_of(self.cluster.id) if host.usable]
        if not usable:
            fault = vim.fault.NoCompatibleHost()
            raise SoapFault(fault, "No host of the cluster is available.")
        host = tree.hosts[world.least_loaded(usable)]
        place = vim.vm.RelocateSpec(
            host=host.reference, pool=self.pool.reference, datastore=self.datacenter.store.reference
        )
        action = vim.cluster.PlacementAction(
            type="Placement", targetHost=host.reference, relocateSpec=place
        )
        recommendation = data_object(
            vim.cluster.Recommendation,
            key="1",
            type="V1",
            time=world.date_of(world.now),
            rating=5,
            reason="xvmotionPlacement",
            reasonText="Place virtual machine",
            target=self.reference,
            action=[action],
        )
        return vim.cluster.PlacementResult(recommendations=[recommendation])

    @method("RefreshRecommendation")
    def refresh_recommendation(self, call: Call) -> None:
        """Nothing is ever recommended: VMs are moved only when a host is emptied."""

    @method("RecommendHostsForVm")
    def recommend_hosts(self, call: Call) -> list[Any]:
        usable = {host.id for host in self.inventory.world.hosts_of(self.cluster.id) if host.usable}
        return [
            vim.cluster.HostRecommendation(host=host.reference, rating=5)
            for host in self.hosts
            if host.host_id in usable
        ]
