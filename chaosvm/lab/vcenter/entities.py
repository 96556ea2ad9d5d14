"""The inventory's folders, data centers, datastores and networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pyVmomi import vim

from chaosvm.lab.vcenter.interfaces import Estate
from chaosvm.lab.vcenter.managed import Managed, prop
from chaosvm.lab.vcenter.power import PowersOnMany
from chaosvm.lab.vcenter.values import made
from chaosvm.lab.vcenter.words import escaped_name

if TYPE_CHECKING:
    from chaosvm.lab.vcenter.machine import VirtualMachine

__all__ = ["Datacenter", "Datastore", "Entity", "Folder", "Network", "references"]

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


def references(kind: Any, things: Any) -> Any:
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
        return references(vim.ManagedEntity, self.children)

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
    def configuration(self, session: Any = None) -> Any:
        return vim.Datacenter.ConfigInfo(defaultHardwareVersionKey="vmx-19")

    @prop
    def datastore(self, session: Any = None) -> Any:
        return references(vim.Datastore, [self.store])

    @prop
    def network(self, session: Any = None) -> Any:
        return references(vim.Network, [self.net])


class _Shared(Entity):
    """What all hosts and VMs of a data center have."""

    datacenter: Datacenter

    def hosts(self) -> list[Any]:
        computes = self.estate.tree.computes.values()
        own = (compute for compute in computes if compute.datacenter is self.datacenter)
        return [host for compute in own for host in compute.hosts]

    @prop
    def vm(self, session: Any = None) -> Any:
        around = self.estate.compute_of
        here = self.estate.machines_where(lambda vm: around(vm).datacenter is self.datacenter)
        return vim.VirtualMachine.Array([vim.VirtualMachine(vm.moid) for vm in here])


class Datastore(_Shared):
    kind = vim.Datastore

    @property
    def url(self) -> str:
        return f"ds:///vmfs/volumes/{self.moid}/"

    @prop
    def host(self, session: Any = None) -> Any:
        mount = self.mount()
        return vim.Datastore.HostMount.Array(
            vim.Datastore.HostMount(key=host.reference, mountInfo=mount) for host in self.hosts()
        )

    def mount(self) -> Any:
        return vim.host.MountInfo(
            path=f"/vmfs/volumes/{self.moid}", accessMode="readWrite", mounted=True, accessible=True
        )

    def volume(self) -> Any:
        """The file system that it is."""
        return vim.host.VmfsVolume(
            type="VMFS",
            name=self.plain_name,
            capacity=_TIB,
            blockSizeMb=1,
            maxBlocks=63 * 1024 * 1024,
            majorVersion=6,
            version="6.82",
            uuid=self.moid,
            extent=[vim.host.ScsiDisk.Partition(diskName=f"naa.{self.moid}", partition=1)],
            vmfsUpgradable=False,
        )

    @prop
    def info(self, session: Any = None) -> Any:
        return made(
            vim.host.VmfsDatastoreInfo,
            name=self.plain_name,
            url=self.url,
            freeSpace=_TIB,
            maxFileSize=_TIB,
            vmfs=self.volume(),
        )

    @prop
    def summary(self, session: Any = None) -> Any:
        return made(
            vim.Datastore.Summary,
            datastore=self.reference,
            name=self.plain_name,
            url=self.url,
            capacity=_TIB,
            freeSpace=_TIB,
            uncommitted=0,
            accessible=True,
            multipleHostAccess=True,
            type="VMFS",
            maintenanceMode="normal",
        )


class Network(_Shared):
    kind = vim.Network

    @prop
    def host(self, session: Any = None) -> Any:
        return references(vim.HostSystem, self.hosts())

    @prop
    def summary(self, session: Any = None) -> Any:
        return made(
            vim.Network.Summary, network=self.reference, name=self.plain_name, accessible=True
        )
