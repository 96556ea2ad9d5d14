"""Folders, data centers, datastores and networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pyVmomi import vim

from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    empty_property,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.methods.datacenters import DatacenterMethods
from chaosvm.lab.vcenter.methods.folders import FolderMethods
from chaosvm.lab.vcenter.serialization import data_object
from chaosvm.lab.vcenter.states import escape_name

if TYPE_CHECKING:
    from chaosvm.lab.vcenter.virtual_machine import VirtualMachine

__all__ = [
    "DATASTORE_BYTES",
    "Datacenter",
    "Datastore",
    "Entity",
    "Folder",
    "Network",
    "references",
]

DATASTORE_BYTES = 1024**4
_HARDWARE_VERSION = "vmx-19"


class Entity(ManagedObject):
    """A managed entity: has a name and a parent."""

    kind = vim.ManagedEntity

    def __init__(
        self, inventory: Inventory, moid: str, name: str, parent_entity: Entity | None
    ) -> None:
        super().__init__(moid)
        self.inventory = inventory
        self.plain_name = name
        self.parent_entity = parent_entity

    def add_child(self, entity: Entity) -> None:
        """Called when an entity is created below this one."""

    def raise_if_busy(self) -> None:
        """Refuse what another task is in the way of; only VMs and some hosts are ever busy."""

    @managed_property
    def name(self, session: Any = None) -> str:
        return escape_name(self.plain_name)

    @managed_property
    def parent(self, session: Any = None) -> Any:
        return self.parent_entity.reference if self.parent_entity is not None else None

    @managed_property
    def overallStatus(self, session: Any = None) -> Any:
        return vim.ManagedEntity.Status(self.inventory.alarms.status(self.moid))

    @managed_property
    def configStatus(self, session: Any = None) -> Any:
        return vim.ManagedEntity.Status("green")

    @managed_property
    def effectiveRole(self, session: Any = None) -> list[int]:
        return [-1]

    @managed_property
    def recentTask(self, session: Any = None) -> Any:
        return self.inventory.tasks.recent(self.moid)

    @managed_property
    def availableField(self, session: Any = None) -> Any:
        return self.inventory.fields.definitions()

    @managed_property
    def alarmActionsEnabled(self, session: Any = None) -> bool:
        return bool(self.inventory.alarms.actions_enabled(self.moid))

    @managed_property
    def triggeredAlarmState(self, session: Any = None) -> Any:
        alarms = self.inventory.alarms
        return vim.alarm.AlarmState.Array(alarms.values(alarms.triggered(self.moid)))

    @managed_property
    def declaredAlarmState(self, session: Any = None) -> Any:
        alarms = self.inventory.alarms
        return vim.alarm.AlarmState.Array(alarms.values(alarms.declared(self.moid, self.kind)))

    @managed_property
    def permission(self, session: Any = None) -> Any:
        return self.inventory.permissions.of(self.moid)

    @managed_property
    def customValue(self, session: Any = None) -> Any:
        return self.inventory.fields.of(self.moid)

    @managed_property
    def value(self, session: Any = None) -> Any:
        return self.inventory.fields.of(self.moid)

    configIssue = empty_property()
    disabledMethod = empty_property()


def references(kind: Any, entities: Any) -> Any:
    return kind.Array([entity.reference for entity in entities])


class Folder(FolderMethods, Entity):
    kind = vim.Folder

    _CHILD_TYPES: ClassVar[Mapping[str, Sequence[str]]] = {
        "root": ["Folder", "Datacenter"],
        "vm": ["Folder", "VirtualMachine"],
        "host": ["Folder", "ComputeResource"],
        "datastore": ["Folder", "Datastore", "StoragePod"],
        "network": ["Folder", "Network", "DistributedVirtualSwitch"],
    }

    def __init__(
        self, inventory: Inventory, moid: str, name: str, parent_entity: Entity | None, content: str
    ) -> None:
        super().__init__(inventory, moid, name, parent_entity)
        self.content = content
        self.children: list[Entity | VirtualMachine] = []

    def add_child(self, entity: Entity) -> None:
        self.children.append(entity)

    @managed_property
    def childEntity(self, session: Any = None) -> Any:
        return references(vim.ManagedEntity, self.children)

    @managed_property
    def childType(self, session: Any = None) -> list[Any]:
        return [getattr(vim, name) for name in self._CHILD_TYPES[self.content]]


class Datacenter(DatacenterMethods, Entity):
    kind = vim.Datacenter
    datacenter_id: str
    vm_folder: Folder
    host_folder: Folder
    datastore_folder: Folder
    network_folder: Folder
    store: Datastore
    net: Network

    @property
    def folders(self) -> Sequence[Folder]:
        return self.vm_folder, self.host_folder, self.datastore_folder, self.network_folder

    @managed_property
    def vmFolder(self, session: Any = None) -> Any:
        return self.vm_folder.reference

    @managed_property
    def hostFolder(self, session: Any = None) -> Any:
        return self.host_folder.reference

    @managed_property
    def datastoreFolder(self, session: Any = None) -> Any:
        return self.datastore_folder.reference

    @managed_property
    def networkFolder(self, session: Any = None) -> Any:
        return self.network_folder.reference

    @managed_property
    def configuration(self, session: Any = None) -> Any:
        return vim.Datacenter.ConfigInfo(
            defaultHardwareVersionKey=_HARDWARE_VERSION, maximumHardwareVersionKey="vmx-21"
        )

    @managed_property
    def datastore(self, session: Any = None) -> Any:
        return references(vim.Datastore, [self.store])

    @managed_property
    def network(self, session: Any = None) -> Any:
        return references(vim.Network, [self.net])


class _DatacenterResource(Entity):
    """A resource that all hosts and VMs of a data center share."""

    datacenter: Datacenter

    def hosts(self) -> list[Any]:
        computes = self.inventory.tree.computes.values()
        own = (compute for compute in computes if compute.datacenter is self.datacenter)
        return [host for compute in own for host in compute.hosts]

    @managed_property
    def vm(self, session: Any = None) -> Any:
        compute_of = self.inventory.compute_of
        vms = self.inventory.find_machines(lambda vm: compute_of(vm).datacenter is self.datacenter)
        return vim.VirtualMachine.Array([vim.VirtualMachine(vm.moid) for vm in vms])


class Datastore(_DatacenterResource):
    kind = vim.Datastore

    @property
    def url(self) -> str:
        return f"ds:///vmfs/volumes/{self.moid}/"

    @managed_property
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
        return vim.host.VmfsVolume(
            type="VMFS",
            name=self.plain_name,
            capacity=DATASTORE_BYTES,
            blockSizeMb=1,
            maxBlocks=63 * 1024 * 1024,
            majorVersion=6,
            version="6.82",
            uuid=self.moid,
            extent=[vim.host.ScsiDisk.Partition(diskName=f"naa.{self.moid}", partition=1)],
            vmfsUpgradable=False,
            ssd=True,
            local=False,
        )

    @managed_property
    def info(self, session: Any = None) -> Any:
        return data_object(
            vim.host.VmfsDatastoreInfo,
            name=self.plain_name,
            url=self.url,
            freeSpace=DATASTORE_BYTES,
            maxFileSize=DATASTORE_BYTES,
            maxVirtualDiskCapacity=DATASTORE_BYTES,
            maxMemoryFileSize=DATASTORE_BYTES,
            timestamp=self.inventory.world.date_of(self.inventory.world.now),
            containerId=self.moid,
            vmfs=self.volume(),
        )

    @managed_property
    def browser(self, session: Any = None) -> Any:
        return vim.host.DatastoreBrowser(f"datastoreBrowser-{self.moid}")

    @managed_property
    def capability(self, session: Any = None) -> Any:
        return data_object(
            vim.Datastore.Capability,
            directoryHierarchySupported=True,
            rawDiskMappingsSupported=True,
            perFileThinProvisioningSupported=True,
            topLevelDirectoryCreateSupported=True,
            vmfsSparseSupported=True,
            vmdkExpandSupported=True,
        )

    @managed_property
    def iormConfiguration(self, session: Any = None) -> Any:
        return vim.StorageResourceManager.IORMConfigInfo(
            enabled=False, congestionThresholdMode="automatic", congestionThreshold=30
        )

    @method("RefreshDatastore", "RefreshDatastoreStorageInfo")
    def refresh(self, call: Call) -> None:
        """Nothing is cached."""

    @managed_property
    def summary(self, session: Any = None) -> Any:
        return data_object(
            vim.Datastore.Summary,
            datastore=self.reference,
            name=self.plain_name,
            url=self.url,
            capacity=DATASTORE_BYTES,
            freeSpace=DATASTORE_BYTES,
            uncommitted=0,
            accessible=True,
            multipleHostAccess=True,
            type="VMFS",
            maintenanceMode="normal",
        )


class Network(_DatacenterResource):
    kind = vim.Network

    @managed_property
    def host(self, session: Any = None) -> Any:
        return references(vim.HostSystem, self.hosts())

    @managed_property
    def summary(self, session: Any = None) -> Any:
        return data_object(
            vim.Network.Summary, network=self.reference, name=self.plain_name, accessible=True
        )
