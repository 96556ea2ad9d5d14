"""The storage of a host: an adapter, and the disk that holds the datastore."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.simulation import Host
from chaosvm.lab.vcenter.entities import DATASTORE_BYTES, Datastore, references
from chaosvm.lab.vcenter.hosts.system import HostPart, object_key
from chaosvm.lab.vcenter.managed_object import Call, SoapFault, managed_property, method
from chaosvm.lab.vcenter.serialization import data_object

__all__ = ["HBA_PCI_ID", "DatastoreSystem", "StorageSystem"]

_h = vim.host
_ADAPTER = "vmhba0"
HBA_PCI_ID = "0000:02:00.0"
_BLOCK_BYTES = 512


class StorageSystem(HostPart):
    def __init__(
        self, number: int, host: Host, settings: dict[str, Any], datastore: Datastore
    ) -> None:
        super().__init__("storageSystem", number, host, settings)
        self._datastore = datastore

    @managed_property
    def fileSystemVolumeInfo(self, session: Any = None) -> Any:
        mount = _h.FileSystemMountInfo(
            mountInfo=self._datastore.mount(), volume=self._datastore.volume()
        )
        return _h.FileSystemVolumeInfo(volumeTypeList=["VMFS"], mountInfo=[mount])

    @managed_property
    def storageDeviceInfo(self, session: Any = None) -> Any:
        adapter, disk = self._adapter(), self._disk()
        return _h.StorageDeviceInfo(
            hostBusAdapter=[adapter],
            scsiLun=[disk],
            scsiTopology=_topology(adapter, disk),
            multipathInfo=_h.MultipathInfo(lun=[self._unit(adapter, disk)]),
            softwareInternetScsiEnabled=False,
        )

    @managed_property
    def multipathStateInfo(self, session: Any = None) -> Any:
        path = _h.MultipathStateInfo.Path(name=self._path, pathState="active")
        return _h.MultipathStateInfo(path=[path])

    @method("RetrieveDiskPartitionInfo")
    def partitions(self, call: Call) -> list[Any]:
        """The disk has one partition, the datastore's."""
        disk = self._disk()
        if any(path != disk.devicePath for path in call.get("devicePath") or ()):
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="devicePath"))
        info, blocks = _h.DiskPartitionInfo, disk.capacity.block
        attributes = info.Partition(
            partition=1, startSector=2048, endSector=blocks - 1, type="vmfs", logical=False
        )
        place = info.BlockRange(
            partition=1,
            type="vmfs",
            start=_h.DiskDimensions.Lba(blockSize=_BLOCK_BYTES, block=2048),
            end=_h.DiskDimensions.Lba(blockSize=_BLOCK_BYTES, block=blocks - 1),
        )
        return [
            info(
                deviceName=disk.devicePath,
                spec=info.Specification(
                    partitionFormat="gpt", totalSectors=blocks, partition=[attributes]
                ),
                layout=info.Layout(total=disk.capacity, partition=[place]),
            )
        ]

    @method("RefreshStorageSystem", "RescanAllHba", "RescanHba", "RescanVmfs")
    def refresh(self, call: Call) -> None:
        """Nothing is cached."""

    @property
    def _path(self) -> str:
        return f"{_ADAPTER}:C0:T0:L0"

    def _adapter(self) -> Any:
        return _h.ParallelScsiHba(
            key=object_key(_h.ParallelScsiHba, _ADAPTER),
            device=_ADAPTER,
            bus=2,
            status="online",
            model="lab",
            driver="lab",
            pci=HBA_PCI_ID,
            storageProtocol="scsi",
        )

    def _disk(self) -> Any:
        name = self._datastore.volume().extent[0].diskName
        return _h.ScsiDisk(
            key=object_key(_h.ScsiDisk, name),
            uuid=name.removeprefix("naa."),
            deviceName=f"/vmfs/devices/disks/{name}",
            deviceType="disk",
            devicePath=f"/vmfs/devices/disks/{name}",
            canonicalName=name,
            displayName=f"Local Disk ({name})",
            lunType="disk",
            vendor="chaosvm",
            model="lab",
            operationalState=["ok"],
            capacity=_h.DiskDimensions.Lba(
                blockSize=_BLOCK_BYTES, block=DATASTORE_BYTES // _BLOCK_BYTES
            ),
            ssd=True,
            localDisk=False,
            vStorageSupport="vStorageUnsupported",
        )

    def _unit(self, adapter: Any, disk: Any) -> Any:
        path = _h.MultipathInfo.Path(
            key=object_key(_h.MultipathInfo.Path, self._path),
            name=self._path,
            pathState="active",
            state="active",
            isWorkingPath=True,
            adapter=adapter.key,
            lun=object_key(_h.MultipathInfo.LogicalUnit, disk.canonicalName),
            transport=_h.ParallelScsiTargetTransport(),
        )
        return _h.MultipathInfo.LogicalUnit(
            key=object_key(_h.MultipathInfo.LogicalUnit, disk.canonicalName),
            id=disk.canonicalName,
            lun=disk.key,
            path=[path],
            policy=_h.MultipathInfo.LogicalUnitPolicy(policy="VMW_PSP_FIXED"),
            storageArrayTypePolicy=_h.MultipathInfo.LogicalUnitStorageArrayTypePolicy(
                policy="VMW_SATP_LOCAL"
            ),
        )


def _topology(adapter: Any, disk: Any) -> Any:
    topology = _h.ScsiTopology
    lun = topology.Lun(key=object_key(topology.Lun, disk.uuid), lun=0, scsiLun=disk.key)
    target = topology.Target(
        key=object_key(topology.Target, f"{_ADAPTER}:0:0"),
        target=0,
        lun=[lun],
        transport=_h.ParallelScsiTargetTransport(),
    )
    interface = topology.Interface(
        key=object_key(topology.Interface, _ADAPTER), adapter=adapter.key, target=[target]
    )
    return topology(adapter=[interface])


class DatastoreSystem(HostPart):
    def __init__(
        self, number: int, host: Host, settings: dict[str, Any], datastore: Datastore
    ) -> None:
        super().__init__("datastoreSystem", number, host, settings)
        self._datastore = datastore

    @managed_property
    def datastore(self, session: Any = None) -> Any:
        return references(vim.Datastore, [self._datastore])

    @managed_property
    def capabilities(self, session: Any = None) -> Any:
        return data_object(_h.DatastoreSystem.Capabilities, localDatastoreSupported=True)
