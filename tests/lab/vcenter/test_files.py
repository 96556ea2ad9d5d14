"""Files and virtual disks on a datastore, besides those of VMs."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from pyVim.task import WaitForTask
from pyVmomi import vim

from chaosvm.lab import Lab, World
from tests.lab.vcenter.conftest import Soap, machine, task_ended


@pytest.fixture
def store(content: Any, world: World) -> Any:
    world.add_vm("web")
    return machine(content, "web").datastore[0]


def names(store: Any, folder: str) -> set[str]:
    spec = vim.host.DatastoreBrowser.SearchSpec(matchPattern=["*"])
    task = store.browser.SearchDatastore_Task(f"[{store.name}] {folder}", spec)
    WaitForTask(task)
    return {file.path for file in task.info.result.file}


def test_files_are_uploaded_copied_and_deleted(
    content: Any, store: Any, soap: Soap, lab: Lab, world: World
) -> None:
    manager, datacenter = content.fileManager, content.rootFolder.childEntity[0]
    path = f"[{store.name}] chaos"
    manager.MakeDirectory(path, datacenter, False)
    with pytest.raises(vim.fault.FileAlreadyExists):
        manager.MakeDirectory(path, datacenter, False)
    url = f"{soap.root}/folder/chaos/a.txt"
    where = {"dcPath": datacenter.name, "dsName": store.name}
    assert soap.session.put(url, b"hello", params=where, timeout=60).status_code == 401
    soap.login()
    assert soap.session.put(url, b"hello", params=where, timeout=60).status_code == 201
    WaitForTask(
        manager.CopyDatastoreFile_Task(f"{path}/a.txt", datacenter, f"{path}/b.txt", datacenter)
    )
    copied = url.replace("a.txt", "b.txt")
    read: requests.Response = soap.session.get(
        copied, params=where, headers={"Range": "bytes=1-"}, timeout=60
    )
    assert (read.status_code, read.text) == (206, "ello")
    assert names(store, "chaos") == {"a.txt", "b.txt"}
    WaitForTask(manager.DeleteDatastoreFile_Task(path, datacenter))
    assert names(store, "") == {"web"}
    for name, fault in (("gone", vim.fault.FileNotFound), ("web", vim.fault.FileLocked)):
        task = manager.DeleteDatastoreFile_Task(f"[{store.name}] {name}", datacenter)
        assert isinstance(task_ended(task).error, fault)


def test_virtual_disks(content: Any, store: Any) -> None:
    manager, datacenter = content.virtualDiskManager, content.rootFolder.childEntity[0]
    path = f"[{store.name}] d.vmdk"
    spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
        diskType="thin", adapterType="lsiLogic", capacityKb=1024
    )
    WaitForTask(manager.CreateVirtualDisk_Task(path, datacenter, spec))
    again = manager.CreateVirtualDisk_Task(path, datacenter, spec)
    assert isinstance(task_ended(again).error, vim.fault.FileAlreadyExists)
    WaitForTask(manager.ExtendVirtualDisk_Task(path, datacenter, 2048))
    WaitForTask(manager.DeleteVirtualDisk_Task(path, datacenter))
    assert "d.vmdk" not in names(store, "")
