"""Clusters, compute resources of standalone hosts, and resource pools."""

from __future__ import annotations

from typing import Any, cast

from pyVmomi import vim

from chaosvm.lab.simulation import Cluster
from chaosvm.lab.vcenter.entities import Datacenter, Entity, references
from chaosvm.lab.vcenter.host_system import HostSystem
from chaosvm.lab.vcenter.hosts import MHZ
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import empty_property, managed_property
from chaosvm.lab.vcenter.methods.clusters import ClusterMethods, ComputeMethods
from chaosvm.lab.vcenter.methods.pools import PoolMethods
from chaosvm.lab.vcenter.serialization import data_object

__all__ = ["Compute", "ResourcePool"]

_MIB = 1024**2


class Compute(ComputeMethods, Entity):
    """A cluster, or the compute resource of a standalone host."""

    kind = vim.ComputeResource
    pool: ResourcePool
    datacenter: Datacenter

    @classmethod
    def of(
        cls,
        inventory: Inventory,
        moid: str,
        cluster: Cluster,
        datacenter: Datacenter,
        folder: Entity,
    ) -> Compute:
        compute_class = Compute if cluster.standalone else ClusterCompute
        compute = compute_class(inventory, moid, cluster.name, folder)
        compute.cluster = cluster
        compute.datacenter = datacenter
        return compute

    def __init__(self, inventory: Inventory, moid: str, name: str, parent_entity: Entity) -> None:
        super().__init__(inventory, moid, name, parent_entity)
        self.hosts: list[HostSystem] = []
        self.cluster: Cluster | None = None

    def add_child(self, entity: Entity) -> None:
        if isinstance(entity, HostSystem):
            self.hosts.append(entity)

    @managed_property
    def host(self, session: Any = None) -> Any:
        return references(vim.HostSystem, self.hosts)

    @managed_property
    def resourcePool(self, session: Any = None) -> Any:
        return self.pool.reference

    @managed_property
    def datastore(self, session: Any = None) -> Any:
        return references(vim.Datastore, [self.datacenter.store])

    @managed_property
    def network(self, session: Any = None) -> Any:
        return references(vim.Network, [self.datacenter.net])

    @managed_property
    def environmentBrowser(self, session: Any = None) -> Any:
        return vim.EnvironmentBrowser(f"envbrowser-{self.moid}")

    @managed_property
    def configurationEx(self, session: Any = None) -> Any:
        return vim.ComputeResource.ConfigInfo(vmSwapPlacement="vmDirectory", spbmEnabled=False)

    @managed_property
    def lifecycleManaged(self, session: Any = None) -> bool:
        return False

    @managed_property
    def configManagerEnabled(self, session: Any = None) -> bool:
        return False

    @managed_property
    def summary(self, session: Any = None) -> Any:
        cores = sum(host.cores for host in self.hosts)
        memory = sum(host.host_memory for host in self.hosts)
        return data_object(
            self._SUMMARY,
            totalCpu=cores * MHZ,
            totalMemory=memory,
            numCpuCores=cores,
            numCpuThreads=cores * 2,
            effectiveCpu=cores * MHZ,
            effectiveMemory=memory // 1024**2,
            numHosts=len(self.hosts),
            numEffectiveHosts=sum(host.host_up for host in self.hosts),
            overallStatus="green",
        )

    _SUMMARY = vim.ComputeResource.Summary


class ClusterCompute(ClusterMethods, Compute):
    kind = vim.ClusterComputeResource
    _SUMMARY = vim.ClusterComputeResource.Summary

    @managed_property
    def summary(self, session: Any = None) -> Any:
        summary = super().summary(session)
        if self.cluster is not None and self.cluster.ha.enabled:
            availability = self.inventory.world.availability
            summary.currentFailoverLevel = availability.failures_tolerated(self.cluster.id)
        return summary

    actionHistory = empty_property()
    drsFault = empty_property()
    drsRecommendation = empty_property()
    migrationHistory = empty_property()
    recommendation = empty_property()

    @managed_property
    def summaryEx(self, session: Any = None) -> Any:
        return self.summary(session)

    @managed_property
    def configuration(self, session: Any = None) -> Any:
        return self.settings.old_info()

    @managed_property
    def configurationEx(self, session: Any = None) -> Any:
        return self.settings.info()


class ResourcePool(PoolMethods, Entity):
    kind = vim.ResourcePool

    def __init__(self, inventory: Inventory, moid: str, name: str, parent_entity: Entity) -> None:
        super().__init__(inventory, moid, name, parent_entity)
        self.pools: list[ResourcePool] = []

    def add_child(self, entity: Entity) -> None:
        if isinstance(entity, ResourcePool):
            self.pools.append(entity)

    @property
    def compute(self) -> Compute:
        parent = self.parent_entity
        return parent.compute if isinstance(parent, ResourcePool) else cast("Compute", parent)

    @property
    def cluster_id(self) -> str:
        assert self.compute.cluster is not None
        return self.compute.cluster.id

    @managed_property
    def owner(self, session: Any = None) -> Any:
        return self.compute.reference

    @managed_property
    def vm(self, session: Any = None) -> Any:
        cluster_id, pool_of = self.cluster_id, self.inventory.pool_of
        vms = self.inventory.find_machines(
            lambda vm: vm.cluster_id == cluster_id and not vm.template and pool_of(vm) is self
        )
        return vim.VirtualMachine.Array([vim.VirtualMachine(vm.moid) for vm in vms])

    childConfiguration = empty_property()

    @managed_property
    def resourcePool(self, session: Any = None) -> Any:
        return references(vim.ResourcePool, self.pools)

    @managed_property
    def config(self, session: Any = None) -> Any:
        own = self.own_config()
        if own is not None:
            return own
        return data_object(
            vim.ResourceConfigSpec,
            entity=self.reference,
            cpuAllocation=_allocation(self._cores * MHZ),
            memoryAllocation=_allocation(self._memory // _MIB),
        )

    @managed_property
    def runtime(self, session: Any = None) -> Any:
        return data_object(
            vim.ResourcePool.RuntimeInfo,
            cpu=_usage(self._cores * MHZ),
            memory=_usage(self._memory),
            overallStatus="green",
        )

    @managed_property
    def summary(self, session: Any = None) -> Any:
        return data_object(
            vim.ResourcePool.Summary,
            name=self.plain_name,
            config=self.config(session),
            runtime=self.runtime(session),
        )

    @property
    def _cores(self) -> int:
        return sum(host.cores for host in self.compute.hosts)

    @property
    def _memory(self) -> int:
        return sum(host.host_memory for host in self.compute.hosts)


def _allocation(limit: int) -> Any:
    shares = vim.SharesInfo(shares=4000, level="normal")
    return vim.ResourceAllocationInfo(
        reservation=limit, expandableReservation=True, limit=limit, shares=shares
    )


def _usage(maximum: int) -> Any:
    return data_object(vim.ResourcePool.ResourceUsage, maxUsage=maximum, overallUsage=0)
