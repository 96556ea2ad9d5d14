"""What is in the inventory besides VMs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pyVmomi import vim

from chaosvm.lab.vcenter.managed import Managed, prop
from chaosvm.lab.vcenter.power import PowersOnMany
from chaosvm.lab.vcenter.values import made
from chaosvm.lab.vcenter.words import escaped_name
from chaosvm.lab.world import Cluster, Host

if TYPE_CHECKING:
    from chaosvm.lab.vcenter.estate import Estate
    from chaosvm.lab.vcenter.machine import VirtualMachine

__all__ = [
    "Compute",
    "Datacenter",
    "Datastore",
    "Entity",
    "Folder",
    "HostSystem",
    "Network",
    "ResourcePool",
]

_MHZ = 2400
_TIB = 1024**4


class Entity(Managed):
    """Something with a name and a place in the tree."""

    kind = vim.ManagedEntity

    def __init__(self, estate: Estate, moid: str, name: str, above: Entity | None) -> None:
        super().__init__(moid)
        self.estate = estate
        self.plain_name = name
        self.above = above

    def adopt(self, entity: Entity) -> None:
        """Another entity is put right below this one."""

    @prop
    def name(self, session: Any = None) -> str:
        return escaped_name(self.plain_name)

    @prop
    def parent(self, session: Any = None) -> Any:
        return self.above.reference if self.above is not None else None

    @prop
    def overallStatus(self, session: Any = None) -> Any:
        return vim.ManagedEntity.Status("green")

    @prop
    def configStatus(self, session: Any = None) -> Any:
        return vim.ManagedEntity.Status("green")

    @prop
    def effectiveRole(self, session: Any = None) -> list[int]:
        return [-1]

    @prop
    def recentTask(self, session: Any = None) -> Any:
        return self.estate.tasks.recent(self.moid)

    @prop
    def availableField(self, session: Any = None) -> Any:
        return self.estate.fields.definitions()

    @prop
    def customValue(self, session: Any = None) -> list[Any]:
        return []

    @prop
    def value(self, session: Any = None) -> list[Any]:
        return []

    @prop
    def alarmActionsEnabled(self, session: Any = None) -> bool:
        return True

    @prop
    def triggeredAlarmState(self, session: Any = None) -> list[Any]:
        return []


def _references(kind: Any, things: Any) -> Any:
    return kind.Array([thing.reference for thing in things])


class Folder(Entity):
    kind = vim.Folder

    _TYPES: ClassVar[Mapping[str, Sequence[str]]] = {
        "root": ["Folder", "Datacenter"],
        "vm": ["Folder", "VirtualMachine"],
        "host": ["Folder", "ComputeResource"],
        "datastore": ["Folder", "Datastore", "StoragePod"],
        "network": ["Folder", "Network", "DistributedVirtualSwitch"],
    }

    def __init__(
        self, estate: Estate, moid: str, name: str, above: Entity | None, holds: str
    ) -> None:
        super().__init__(estate, moid, name, above)
        self.holds = holds
        self.children: list[Entity | VirtualMachine] = []

    def adopt(self, entity: Entity) -> None:
        self.children.append(entity)

    @prop
    def childEntity(self, session: Any = None) -> Any:
        return _references(vim.ManagedEntity, self.children)

    @prop
    def childType(self, session: Any = None) -> list[Any]:
        return [getattr(vim, name) for name in self._TYPES[self.holds]]


class Datacenter(PowersOnMany, Entity):
    kind = vim.Datacenter
    vm_folder: Folder
    host_folder: Folder
    datastore_folder: Folder
    network_folder: Folder
    store: Datastore
    net: Network

    @prop
    def vmFolder(self, session: Any = None) -> Any:
        return self.vm_folder.reference

    @prop
    def hostFolder(self, session: Any = None) -> Any:
        return self.host_folder.reference

    @prop
    def datastoreFolder(self, session: Any = None) -> Any:
        return self.datastore_folder.reference

    @prop
    def networkFolder(self, session: Any = None) -> Any:
        return self.network_folder.reference

    @prop
    def datastore(self, session: Any = None) -> Any:
        return _references(vim.Datastore, [self.store])

    @prop
    def network(self, session: Any = None) -> Any:
        return _references(vim.Network, [self.net])


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
        return _references(vim.HostSystem, self.hosts)

    @prop
    def resourcePool(self, session: Any = None) -> Any:
        return self.pool.reference

    @prop
    def datastore(self, session: Any = None) -> Any:
        return _references(vim.Datastore, [self.datacenter.store])

    @prop
    def network(self, session: Any = None) -> Any:
        return _references(vim.Network, [self.datacenter.net])

    @prop
    def summary(self, session: Any = None) -> Any:
        cores = sum(host.cores for host in self.hosts)
        memory = sum(host.host_memory for host in self.hosts)
        return made(
            self._SUMMARY,
            totalCpu=cores * _MHZ,
            totalMemory=memory,
            numCpuCores=cores,
            numCpuThreads=cores * 2,
            effectiveCpu=cores * _MHZ,
            effectiveMemory=memory // 1024**2,
            numHosts=len(self.hosts),
            numEffectiveHosts=sum(host.host_up for host in self.hosts),
            overallStatus="green",
        )

    _SUMMARY = vim.ComputeResource.Summary


class ClusterCompute(Compute):
    kind = vim.ClusterComputeResource
    _SUMMARY = vim.ClusterComputeResource.Summary


class HostSystem(Entity):
    kind = vim.HostSystem

    def __init__(self, estate: Estate, moid: str, host: Host, compute: Compute) -> None:
        super().__init__(estate, moid, host.name, compute)
        self._host = host
        self._compute = compute

    @property
    def cores(self) -> int:
        return self._host.topology.sockets * self._host.topology.cores

    @property
    def host_memory(self) -> int:
        return self._host.memory

    @property
    def host_up(self) -> bool:
        return self._host.up

    @prop
    def vm(self, session: Any = None) -> Any:
        here = self.estate.machines_where(lambda vm: self.estate.host_of(vm)._moId == self.moid)
        return vim.VirtualMachine.Array([vim.VirtualMachine(vm.moid) for vm in here])

    @prop
    def datastore(self, session: Any = None) -> Any:
        return self._compute.datastore(session)

    @prop
    def network(self, session: Any = None) -> Any:
        return self._compute.network(session)

    @prop
    def runtime(self, session: Any = None) -> Any:
        up = self._host.up
        return made(
            vim.host.RuntimeInfo,
            connectionState="connected" if up else "notResponding",
            powerState="poweredOn" if up else "unknown",
            inMaintenanceMode=False,
        )

    @prop
    def summary(self, session: Any = None) -> Any:
        cores = self.cores
        hardware = made(
            vim.host.Summary.HardwareSummary,
            vendor="chaosvm",
            model="lab",
            uuid=self._host.id,
            memorySize=self._host.memory,
            cpuModel="lab",
            cpuMhz=_MHZ,
            numCpuPkgs=self._host.topology.sockets,
            numCpuCores=cores,
            numCpuThreads=self._host.topology.cpus,
            numNics=1,
            numHBAs=1,
        )
        return made(
            vim.host.Summary,
            host=self.reference,
            hardware=hardware,
            runtime=self.runtime(session),
            config=made(vim.host.Summary.ConfigSummary, name=self._host.name, port=443),
            quickStats=vim.host.Summary.QuickStats(overallCpuUsage=0, overallMemoryUsage=0),
            overallStatus="green",
            rebootRequired=False,
        )


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


class Datastore(Entity):
    kind = vim.Datastore

    @prop
    def summary(self, session: Any = None) -> Any:
        return made(
            vim.Datastore.Summary,
            datastore=self.reference,
            name=self.plain_name,
            url=f"ds:///vmfs/volumes/{self.moid}/",
            capacity=_TIB,
            freeSpace=_TIB,
            accessible=True,
            multipleHostAccess=True,
            type="VMFS",
        )


class Network(Entity):
    kind = vim.Network

    @prop
    def summary(self, session: Any = None) -> Any:
        return made(
            vim.Network.Summary, network=self.reference, name=self.plain_name, accessible=True
        )
