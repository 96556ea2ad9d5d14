"""Clusters, compute resources of standalone hosts, and resource pools."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Cluster
from chaosvm.lab.vcenter.entities import Datacenter, Entity, references
from chaosvm.lab.vcenter.host_system import HostSystem
from chaosvm.lab.vcenter.hosts import MHZ
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import empty_property, managed_property
from chaosvm.lab.vcenter.serialization import data_object

__all__ = ["Compute", "ResourcePool"]

_MIB = 1024**2


class Compute(Entity):
    """A cluster, or the compute resource of a standalone host."""

    kind = vim.ComputeResource
    pool: ResourcePool
    datacenter: Datacenter

    @classmethod
    def of(
        cls, inventory: Inventory, moid: str, cluster: Cluster, datacenter: Datacenter
    ) -> Compute:
        compute_class = Compute if cluster.standalone else ClusterCompute
        compute = compute_class(inventory, moid, cluster.name, datacenter.host_folder)
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


class ClusterCompute(Compute):
    kind = vim.ClusterComputeResource
    _SUMMARY = vim.ClusterComputeResource.Summary

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
        return vim.cluster.ConfigInfo(dasConfig=_ha_config(), drsConfig=_drs_config())

    @managed_property
    def configurationEx(self, session: Any = None) -> Any:
        return vim.cluster.ConfigInfoEx(
            vmSwapPlacement="vmDirectory",
            spbmEnabled=False,
            dasConfig=_ha_config(),
            drsConfig=_drs_config(),
            orchestration=vim.cluster.OrchestrationInfo(
                defaultVmReadiness=vim.cluster.VmReadiness(readyCondition="none", postReadyDelay=0)
            ),
            dpmConfigInfo=vim.cluster.DpmConfigInfo(
                enabled=False, defaultDpmBehavior="automated", hostPowerActionRate=3
            ),
            infraUpdateHaConfig=vim.cluster.InfraUpdateHaConfigInfo(enabled=False),
            proactiveDrsConfig=vim.cluster.ProactiveDrsConfigInfo(enabled=False),
        )


# The defaults are those of the API reference.


def _ha_config() -> Any:
    monitoring = vim.cluster.VmToolsMonitoringSettings(
        enabled=False,
        vmMonitoring="vmMonitoringDisabled",
        clusterSettings=True,
        failureInterval=30,
        minUpTime=120,
        maxFailures=3,
        maxFailureWindow=3600,
    )
    protection = vim.cluster.VmComponentProtectionSettings(
        vmStorageProtectionForAPD="disabled",
        enableAPDTimeoutForHosts=False,
        vmTerminateDelayForAPDSec=180,
        vmReactionOnAPDCleared="none",
        vmStorageProtectionForPDL="disabled",
    )
    return vim.cluster.DasConfigInfo(
        enabled=False,
        vmMonitoring="vmMonitoringDisabled",
        hostMonitoring="enabled",
        vmComponentProtecting="disabled",
        failoverLevel=1,
        admissionControlPolicy=vim.cluster.FailoverLevelAdmissionControlPolicy(
            failoverLevel=1, resourceReductionToToleratePercent=100
        ),
        admissionControlEnabled=True,
        defaultVmSettings=vim.cluster.DasVmSettings(
            restartPriority="medium",
            restartPriorityTimeout=600,
            isolationResponse="none",
            vmToolsMonitoringSettings=monitoring,
            vmComponentProtectionSettings=protection,
        ),
        hBDatastoreCandidatePolicy="allFeasibleDsWithUserPreference",
    )


def _drs_config() -> Any:
    return vim.cluster.DrsConfigInfo(
        enabled=False,
        enableVmBehaviorOverrides=True,
        defaultVmBehavior="fullyAutomated",
        vmotionRate=3,
        scaleDescendantsShares="disabled",
    )


class ResourcePool(Entity):
    kind = vim.ResourcePool
    parent_entity: Compute

    @managed_property
    def owner(self, session: Any = None) -> Any:
        return self.parent_entity.reference

    @managed_property
    def vm(self, session: Any = None) -> Any:
        cluster = self.parent_entity.cluster
        vms = self.inventory.find_machines(
            lambda vm: cluster is not None and vm.cluster_id == cluster.id and not vm.template
        )
        return vim.VirtualMachine.Array([vim.VirtualMachine(vm.moid) for vm in vms])

    childConfiguration = empty_property()
    resourcePool = empty_property()

    @managed_property
    def config(self, session: Any = None) -> Any:
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
        return sum(host.cores for host in self.parent_entity.hosts)

    @property
    def _memory(self) -> int:
        return sum(host.host_memory for host in self.parent_entity.hosts)


def _allocation(limit: int) -> Any:
    shares = vim.SharesInfo(shares=4000, level="normal")
    return vim.ResourceAllocationInfo(
        reservation=limit, expandableReservation=True, limit=limit, shares=shares
    )


def _usage(maximum: int) -> Any:
    return data_object(vim.ResourcePool.ResourceUsage, maxUsage=maximum, overallUsage=0)
