"""What hosts are in: clusters, and resource pools."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.entities import Datacenter, Entity, references
from chaosvm.lab.vcenter.hosts import MHZ, HostSystem
from chaosvm.lab.vcenter.interfaces import Estate
from chaosvm.lab.vcenter.managed import prop
from chaosvm.lab.vcenter.values import made
from chaosvm.lab.world import Cluster

__all__ = ["Compute", "ResourcePool"]

_MIB = 1024**2


class Compute(Entity):
    """A cluster, or what is around a host in none."""

    kind = vim.ComputeResource
    pool: ResourcePool
    datacenter: Datacenter

    @classmethod
    def of(cls, estate: Estate, moid: str, cluster: Cluster, datacenter: Datacenter) -> Compute:
        made_as = Compute if cluster.standalone else ClusterCompute
        compute = made_as(estate, moid, cluster.name, datacenter.host_folder)
        compute.cluster = cluster
        compute.datacenter = datacenter
        return compute

    def __init__(self, estate: Estate, moid: str, name: str, above: Entity) -> None:
        super().__init__(estate, moid, name, above)
        self.hosts: list[HostSystem] = []
        self.cluster: Cluster | None = None

    def adopt(self, entity: Entity) -> None:
        if isinstance(entity, HostSystem):
            self.hosts.append(entity)

    @prop
    def host(self, session: Any = None) -> Any:
        return references(vim.HostSystem, self.hosts)

    @prop
    def resourcePool(self, session: Any = None) -> Any:
        return self.pool.reference

    @prop
    def datastore(self, session: Any = None) -> Any:
        return references(vim.Datastore, [self.datacenter.store])

    @prop
    def network(self, session: Any = None) -> Any:
        return references(vim.Network, [self.datacenter.net])

    @prop
    def summary(self, session: Any = None) -> Any:
        cores = sum(host.cores for host in self.hosts)
        memory = sum(host.host_memory for host in self.hosts)
        return made(
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


class ClusterCompute(Compute):
    kind = vim.ClusterComputeResource
    _SUMMARY = vim.ClusterComputeResource.Summary

    @prop
    def configuration(self, session: Any = None) -> Any:
        return vim.cluster.ConfigInfo(dasConfig=_das(), drsConfig=_drs())

    @prop
    def configurationEx(self, session: Any = None) -> Any:
        return vim.cluster.ConfigInfoEx(dasConfig=_das(), drsConfig=_drs())


def _das() -> Any:
    return vim.cluster.DasConfigInfo(enabled=False)


def _drs() -> Any:
    return vim.cluster.DrsConfigInfo(enabled=False)


class ResourcePool(Entity):
    kind = vim.ResourcePool
    above: Compute

    @prop
    def owner(self, session: Any = None) -> Any:
        return self.above.reference

    @prop
    def vm(self, session: Any = None) -> Any:
        cluster = self.above.cluster
        here = self.estate.machines_where(
            lambda vm: cluster is not None and vm.cluster_id == cluster.id and not vm.template
        )
        return vim.VirtualMachine.Array([vim.VirtualMachine(vm.moid) for vm in here])

    @prop
    def resourcePool(self, session: Any = None) -> Any:
        return vim.ResourcePool.Array([])

    @prop
    def config(self, session: Any = None) -> Any:
        return made(
            vim.ResourceConfigSpec,
            entity=self.reference,
            cpuAllocation=_allocation(self._cores * MHZ),
            memoryAllocation=_allocation(self._memory // _MIB),
        )

    @prop
    def runtime(self, session: Any = None) -> Any:
        return made(
            vim.ResourcePool.RuntimeInfo,
            cpu=_usage(self._cores * MHZ),
            memory=_usage(self._memory),
            overallStatus="green",
        )

    @prop
    def summary(self, session: Any = None) -> Any:
        return made(
            vim.ResourcePool.Summary,
            name=self.plain_name,
            config=self.config(session),
            runtime=self.runtime(session),
        )

    @property
    def _cores(self) -> int:
        return sum(host.cores for host in self.above.hosts)

    @property
    def _memory(self) -> int:
        return sum(host.host_memory for host in self.above.hosts)


def _allocation(limit: int) -> Any:
    shares = vim.SharesInfo(shares=4000, level="normal")
    return vim.ResourceAllocationInfo(
        reservation=limit, expandableReservation=True, limit=limit, shares=shares
    )


def _usage(most: int) -> Any:
    return made(vim.ResourcePool.ResourceUsage, maxUsage=most, overallUsage=0)
