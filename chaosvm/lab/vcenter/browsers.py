"""Browsers: the files of datastores, and what VMs of a cluster can be configured with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter import hosts
from chaosvm.lab.vcenter.compute_resources import Compute
from chaosvm.lab.vcenter.entities import Datastore, Entity, references
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.methods.task_method import task_method
from chaosvm.lab.vcenter.serialization import data_object
from chaosvm.lab.vcenter.states import GUEST_SYSTEMS
from chaosvm.lab.vcenter.vm_config import CAPABILITY, HARDWARE_VERSION
from chaosvm.lab.vcenter.vm_storage import base_path, vm_files

__all__ = ["DatastoreBrowser", "EnvironmentBrowser"]

_b = vim.host.DatastoreBrowser
# Types of file, by the type that FileLayoutEx has.
_FILE_TYPES = {
    "config": _b.VmConfigInfo,
    "nvram": _b.VmNvramInfo,
    "diskDescriptor": _b.VmDiskInfo,
    "log": _b.VmLogInfo,
}
_QUERIES = {
    _b.VmConfigQuery: _b.VmConfigInfo,
    _b.VmNvramQuery: _b.VmNvramInfo,
    _b.VmDiskQuery: _b.VmDiskInfo,
    _b.VmLogQuery: _b.VmLogInfo,
    _b.FolderQuery: _b.FolderInfo,
}


class DatastoreBrowser(ManagedObject):
    """The files of one or several datastores: each VM has a folder."""

    kind: ClassVar[Any] = _b

    def __init__(
        self, inventory: Inventory, owner: Entity, datastores: Sequence[Datastore]
    ) -> None:
        super().__init__(f"datastoreBrowser-{owner.moid}")
        self.inventory = inventory
        self.task_entity = owner
        self._datastores = datastores

    def raise_if_busy(self) -> None:
        """A search is never in the way of another one."""

    @managed_property
    def datastore(self, session: Any = None) -> Any:
        return references(vim.Datastore, self._datastores)

    @managed_property
    def supportedType(self, session: Any = None) -> Any:
        return _b.Query.Array([query() for query in _QUERIES])

    @task_method("SearchDatastore_Task")
    def search(self, call: Call) -> Any:
        datastore, folder = self._parsed(call.get("datastorePath"))
        content = self._content(datastore)
        if folder not in content:
            raise _file_not_found(call.get("datastorePath"))
        return _results(datastore, folder, content[folder], call.get("searchSpec"))

    @task_method("SearchDatastoreSubFolders_Task")
    def search_all(self, call: Call) -> Any:
        datastore, top = self._parsed(call.get("datastorePath"))
        content = self._content(datastore)
        if top not in content:
            raise _file_not_found(call.get("datastorePath"))
        return _b.SearchResults.Array(
            _results(datastore, folder, files, call.get("searchSpec"))
            for folder, files in content.items()
            if not top or folder == top
        )

    def _parsed(self, path: str) -> tuple[Datastore, str]:
        """The datastore and the folder of a path such as "[datastore1] web"."""
        name, bracket, folder = path.removeprefix("[").partition("]")
        if not bracket or not path.startswith("["):
            raise SoapFault(
                vim.fault.InvalidDatastorePath(datastorePath=path), f"Invalid path: {path}"
            )
        for datastore in self._datastores:
            if datastore.plain_name == name:
                return datastore, folder.strip().strip("/")
        raise SoapFault(
            vim.fault.InvalidDatastore(name=name), f"There is no datastore {name!r} here."
        )

    def _content(self, datastore: Datastore) -> dict[str, list[Any]]:
        """The files by folder; the folders are in the topmost one."""
        content: dict[str, list[Any]] = {"": []}
        for vm in self.inventory.world.vms:
            if self.inventory.datastore_of(vm) is not datastore:
                continue
            if vm.name not in content:
                content[""].append(_b.FolderInfo(path=vm.name, modification=vm.created))
            path = base_path(self.inventory, vm)
            content.setdefault(vm.name, []).extend(
                _FILE_TYPES.get(kind, _b.FileInfo)(
                    path=file.rpartition("/")[2], fileSize=size, modification=vm.created
                )
                for file, kind, size in vm_files(path, len(vm.disks))
                if kind != "diskExtent"
            )
        for path, own in self.inventory.own_objects.files_of(datastore.moid).items():
            folder, _, name = path.rpartition("/")
            if own is None:
                content.setdefault(path, [])
                content.setdefault(folder, []).append(_b.FolderInfo(path=name))
            else:
                kind = _b.FileInfo if own.capacity is None else _b.VmDiskInfo
                content.setdefault(folder, []).append(kind(path=name, fileSize=own.size))
        return content


def _results(datastore: Datastore, folder: str, files: Iterable[Any], spec: Any) -> Any:
    return _b.SearchResults(
        datastore=datastore.reference,
        folderPath=f"[{datastore.plain_name}] {folder}",
        file=list(_selected(files, spec)),
    )


def _selected(files: Iterable[Any], spec: Any) -> Iterator[Any]:
    """The files that a search spec selects, with the details that it requests."""
    details = getattr(spec, "details", None)
    patterns = [each.lower() for each in getattr(spec, "matchPattern", None) or ["*"]]
    kinds = tuple(_QUERIES.get(type(each), _b.FileInfo) for each in getattr(spec, "query", ()))
    for file in files:
        if kinds and not isinstance(file, kinds):
            continue
        if not any(fnmatchcase(file.path.lower(), pattern) for pattern in patterns):
            continue
        is_folder = isinstance(file, _b.FolderInfo)
        kind = type(file) if is_folder or getattr(details, "fileType", False) else _b.FileInfo
        yield kind(
            path=file.path,
            fileSize=file.fileSize if getattr(details, "fileSize", False) else None,
            modification=file.modification if getattr(details, "modification", False) else None,
        )


def _file_not_found(path: str) -> SoapFault:
    return SoapFault(vim.fault.FileNotFound(file=path), f"File {path} was not found")


class EnvironmentBrowser(ManagedObject):
    """What VMs of a cluster or of a standalone host can be configured with."""

    kind = vim.EnvironmentBrowser

    def __init__(self, compute: Compute) -> None:
        super().__init__(f"envbrowser-{compute.moid}")
        self._compute = compute

    @managed_property
    def datastoreBrowser(self, session: Any = None) -> Any:
        return self._compute.datacenter.store.browser()

    @method("QueryConfigOptionDescriptor")
    def descriptors(self, call: Call) -> list[Any]:
        return [
            vim.vm.ConfigOptionDescriptor(
                key=HARDWARE_VERSION,
                description="ESXi 7.0 U2 virtual machine",
                host=self._compute.host(),
                createSupported=True,
                defaultConfigOption=True,
                runSupported=True,
                upgradeSupported=True,
            )
        ]

    @method("QueryConfigOption", "QueryConfigOptionEx")
    def option(self, call: Call) -> Any:
        key = call.get("key") or getattr(call.get("spec"), "key", None)
        if key not in (None, "", HARDWARE_VERSION):
            raise SoapFault(
                vmodl.fault.InvalidArgument(invalidProperty="key"), f"unknown key {key!r}"
            )
        wanted = set(getattr(call.get("spec"), "guestId", None) or ())
        return data_object(
            vim.vm.ConfigOption,
            version=HARDWARE_VERSION,
            description="ESXi 7.0 U2 virtual machine",
            guestOSDescriptor=[
                _guest_system(id, name) for id, name in GUEST_SYSTEMS if not wanted or id in wanted
            ],
            guestOSDefaultIndex=0,
            capabilities=CAPABILITY.value,
            supportedMonitorType=["release"],
            supportedOvfEnvironmentTransport=["iso", "com.vmware.guestInfo"],
            supportedOvfInstallTransport=["iso"],
        )

    @method("QueryConfigTarget")
    def target(self, call: Call) -> Any:
        members = self._compute.hosts
        if not members:
            return None
        datacenter, host = self._compute.datacenter, members[0]
        return data_object(
            vim.vm.ConfigTarget,
            numCpus=sum(each.cores for each in members) * 2,
            numCpuCores=sum(each.cores for each in members),
            numNumaNodes=host.host.topology.sockets,
            maxCpusPerHost=max(each.cores for each in members) * 2,
            datastore=[
                data_object(
                    vim.vm.DatastoreInfo,
                    name=datacenter.store.plain_name,
                    datastore=datacenter.store.summary(),
                    capability=datacenter.store.capability(),
                    maxFileSize=datacenter.store.info().maxFileSize,
                    mode="readWrite",
                )
            ],
            network=[
                vim.vm.NetworkInfo(name=datacenter.net.plain_name, network=datacenter.net.summary())
            ],
            maxMemMBOptimalPerf=host.host_memory // 1024**2,
            supportedMaxMemMB=host.host_memory // 1024**2,
            autoVmotion=False,
        )

    @method("QueryTargetCapabilities")
    def capabilities(self, call: Call) -> Any:
        return hosts.capability()


def _guest_system(id: str, name: str) -> Any:
    return data_object(
        vim.vm.GuestOsDescriptor,
        id=id,
        family="windowsGuest" if "windows" in id else "linuxGuest",
        fullName=name,
        supportedMaxCPUs=768,
        numSupportedPhysicalSockets=768,
        numSupportedCoresPerSocket=64,
        supportedMinMemMB=4,
        supportedMaxMemMB=25_165_824,
        recommendedMemMB=2048,
        supportedDiskControllerList=[vim.vm.device.ParaVirtualSCSIController],
        recommendedDiskController=vim.vm.device.ParaVirtualSCSIController,
        recommendedSCSIController=vim.vm.device.ParaVirtualSCSIController,
        recommendedDiskSizeMB=16_384,
        recommendedCdromController=vim.vm.device.VirtualIDEController,
        supportedNumDisks=16,
        supportedEthernetCard=[vim.vm.device.VirtualVmxnet3, vim.vm.device.VirtualE1000],
        recommendedEthernetCard=vim.vm.device.VirtualVmxnet3,
        supportedFirmware=["bios", "efi"],
        recommendedFirmware="bios",
        supportLevel="supported",
        supportedForCreate=True,
    )
