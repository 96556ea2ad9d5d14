"""What changes VMs, folders, pools, clusters and hosts."""

from __future__ import annotations

from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from chaosvm.lab import Durations, State, World
from chaosvm.lab.simulation import Host
from tests.lab.vcenter.conftest import machine, task_ended, view
from tests.moments import eventually

GIB = 1024**3


@pytest.fixture
def vm(content: Any, world: World) -> Any:
    world.add_vm("web", State.OFF)
    return machine(content, "web")


@pytest.fixture
def pool(vm: Any) -> Any:
    return vm.resourcePool


@pytest.fixture
def folder(vm: Any) -> Any:
    return vm.parent


def entity(content: Any, kind: Any, name: str) -> Any:
    return next(each for each in view(content, kind).view if each.name == name)


def ended_with(task: Any, fault: Any) -> Any:
    info = task_ended(task)
    assert isinstance(info.error, fault), info
    return info.error


def change(device: Any, operation: str) -> Any:
    return vim.vm.device.VirtualDeviceSpec(device=device, operation=operation)


def devices(vm: Any, kind: Any) -> list[Any]:
    return [each for each in vm.config.hardware.device if isinstance(each, kind)]


# VMs -------------------------------------------------------------------------------------


def test_settings(vm: Any, world: World) -> None:
    allocation = vim.ResourceAllocationInfo(
        reservation=100, limit=2000, shares=vim.SharesInfo(level="custom", shares=7)
    )
    spec = vim.vm.ConfigSpec(
        name="web-2",
        annotation="hello",
        numCPUs=4,
        numCoresPerSocket=2,
        memoryMB=2048,
        guestId="rhel9_64Guest",
        cpuAllocation=allocation,
        cpuHotAddEnabled=True,
        extraConfig=[vim.option.OptionValue(key="a.b", value="c")],
    )
    WaitForTask(vm.ReconfigVM_Task(spec))
    config = vm.config
    assert (config.name, config.annotation, config.guestId) == ("web-2", "hello", "rhel9_64Guest")
    assert (config.hardware.numCPU, config.hardware.numCoresPerSocket) == (4, 2)
    assert (config.cpuAllocation.limit, config.cpuAllocation.shares.shares) == (2000, 7)
    assert config.cpuHotAddEnabled
    assert {each.key: each.value for each in config.extraConfig} == {"a.b": "c"}
    changed = world.vm("web-2")
    assert (changed.memory, changed.topology.cpus, changed.limits.cpu.limit) == (2 * GIB, 4, 2000)
    ended_with(vm.ReconfigVM_Task(vim.vm.ConfigSpec(changeVersion="1")), vim.fault.ConcurrentAccess)


@pytest.mark.parametrize("hot", [False, True])
def test_a_running_vm_grows_if_that_is_enabled(vm: Any, hot: bool) -> None:
    enabled = vim.vm.ConfigSpec(cpuHotAddEnabled=hot, memoryHotAddEnabled=hot)
    WaitForTask(vm.ReconfigVM_Task(enabled))
    WaitForTask(vm.PowerOn())
    for spec, fault in (
        (vim.vm.ConfigSpec(numCPUs=2), vim.fault.CpuHotPlugNotSupported),
        (vim.vm.ConfigSpec(memoryMB=8192), vim.fault.MemoryHotPlugNotSupported),
    ):
        if hot:
            WaitForTask(vm.ReconfigVM_Task(spec))
        else:
            ended_with(vm.ReconfigVM_Task(spec), fault)
    smaller = vim.vm.ConfigSpec(memoryMB=256)
    ended_with(vm.ReconfigVM_Task(smaller), vim.fault.MemoryHotPlugNotSupported)


def test_a_network_card_is_disconnected_added_and_removed(vm: Any, world: World) -> None:
    WaitForTask(vm.PowerOn())
    (card,) = devices(vm, vim.vm.device.VirtualEthernetCard)
    card.connectable.connected = card.connectable.startConnected = False
    WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change(card, "edit")])))
    (nic,) = world.vm("web").nics
    assert (nic.connected, nic.start_connected) == (False, False)
    new = vim.vm.device.VirtualE1000(
        key=-1,
        backing=vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName="VM Network"),
    )
    WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change(new, "add")])))
    assert [nic.model for nic in world.vm("web").nics] == ["vmxnet3", "e1000"]
    WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change(card, "remove")])))
    (card,) = devices(vm, vim.vm.device.VirtualEthernetCard)
    assert isinstance(card, vim.vm.device.VirtualE1000)


def test_a_disk_is_added_and_extended_and_never_shrinks(vm: Any, world: World) -> None:
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName="", diskMode="persistent")
    disk = vim.vm.device.VirtualDisk(
        key=-1, controllerKey=1000, unitNumber=1, backing=backing, capacityInKB=1024**2
    )
    spec = vim.vm.device.VirtualDeviceSpec(device=disk, operation="add", fileOperation="create")
    WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[spec])))
    added = devices(vm, vim.vm.device.VirtualDisk)[1]
    assert added.capacityInBytes == GIB
    added.capacityInBytes, added.capacityInKB = 2 * GIB, 2 * 1024**2
    WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change(added, "edit")])))
    assert world.vm("web").disks[1].size_bytes == 2 * GIB
    added.capacityInBytes, added.capacityInKB = GIB, 1024**2
    smaller = vim.vm.ConfigSpec(deviceChange=[change(added, "edit")])
    ended_with(vm.ReconfigVM_Task(smaller), vim.fault.InvalidDeviceSpec)


def test_snapshots_are_a_tree(vm: Any, world: World) -> None:
    results = [vm.CreateSnapshot(name, "", False, False) for name in ("one",)]
    WaitForTask(results[0])
    one = results[0].info.result
    WaitForTask(vm.CreateSnapshot("two", "", False, False))
    WaitForTask(one.RevertToSnapshot_Task())
    WaitForTask(vm.CreateSnapshot("three", "", False, False))
    (root,) = vm.snapshot.rootSnapshotList
    assert (root.name, root.snapshot) == ("one", one)
    assert [child.name for child in root.childSnapshotList] == ["two", "three"]
    assert [child.name for child in world.vm("web").snapshots] == ["one", "two", "three"]
    one.RenameSnapshot(name="first", description="d")
    WaitForTask(one.RemoveSnapshot_Task(removeChildren=False))
    assert [tree.name for tree in vm.snapshot.rootSnapshotList] == ["two", "three"]
    WaitForTask(vm.RemoveAllSnapshots())
    assert vm.snapshot is None
    ended_with(vm.RevertToCurrentSnapshot(), vim.fault.NotFound)
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        one.RenameSnapshot(name="gone")


def test_clones_and_templates(vm: Any, folder: Any, pool: Any, content: Any, world: World) -> None:
    place = vim.vm.RelocateSpec(pool=pool)
    spec = vim.vm.CloneSpec(location=place, powerOn=False, template=False)
    task = vm.Clone(folder=folder, name="copy", spec=spec)
    WaitForTask(task)
    copy = task.info.result
    assert copy.name == "copy"
    ended_with(vm.Clone(folder=folder, name="copy", spec=spec), vim.fault.DuplicateName)
    copy.MarkAsTemplate()
    assert world.vm("copy").template
    assert copy.resourcePool is None
    with pytest.raises(vmodl.fault.NotSupported):
        copy.MarkAsTemplate()
    copy.MarkAsVirtualMachine(pool=pool)
    assert copy.resourcePool == pool
    WaitForTask(copy.Destroy())
    assert "copy" not in {each.name for each in view(content, vim.VirtualMachine).view}


def test_a_running_vm_is_not_destroyed(vm: Any) -> None:
    WaitForTask(vm.PowerOn())
    ended_with(vm.Destroy(), vim.fault.InvalidPowerState)
    with pytest.raises(vim.fault.InvalidPowerState):
        vm.UnregisterVM()


def test_a_vm_is_unregistered_and_registered(vm: Any, folder: Any, pool: Any) -> None:
    path, uuid = vm.config.files.vmPathName, vm.config.instanceUuid
    vm.UnregisterVM()
    task = folder.RegisterVM_Task(path=path, asTemplate=False, pool=pool)
    WaitForTask(task)
    assert task.info.result.config.instanceUuid == uuid
    again = folder.RegisterVM_Task(path="[nowhere] a/a.vmx", asTemplate=False, pool=pool)
    ended_with(again, vim.fault.NotFound)


def test_a_vm_is_created(folder: Any, pool: Any, world: World) -> None:
    files = vim.vm.FileInfo(vmPathName="[datastore1]")
    spec = vim.vm.ConfigSpec(name="made", numCPUs=2, memoryMB=512, files=files)
    task = folder.CreateVM_Task(config=spec, pool=pool)
    WaitForTask(task)
    made = world.vm("made")
    assert (made.moid, made.topology.cpus, made.nics) == (task.info.result._moId, 2, ())
    ended_with(
        folder.CreateVM_Task(config=vim.vm.ConfigSpec(name="other"), pool=pool),
        vmodl.fault.InvalidArgument,
    )


def test_a_vm_migrates(vm: Any, content: Any, world: World) -> None:
    world.add_host("host-2")
    WaitForTask(vm.PowerOn())
    other = next(each for each in view(content, vim.HostSystem).view if each != vm.runtime.host)
    WaitForTask(vm.Migrate(host=other, priority="defaultPriority"))
    assert vm.runtime.host == other
    world.host_operations.disconnect(host(world, other.name).id)
    WaitForTask(vm.PowerOff(), raiseOnError=False)
    ended_with(vm.Relocate(vim.vm.RelocateSpec(host=other)), (vmodl.fault.HostNotConnected,))


# Folders and pools -----------------------------------------------------------------------


def test_folders(vm: Any, folder: Any, world: World, content: Any) -> None:
    outer = folder.CreateFolder("outer")
    inner = outer.CreateFolder("inner")
    with pytest.raises(vim.fault.DuplicateName):
        folder.CreateFolder("outer")
    WaitForTask(inner.MoveInto([vm]))
    assert world.vm("web").folder == ("outer", "inner")
    WaitForTask(outer.Rename("renamed"))
    assert content.searchIndex.FindByInventoryPath(path_of(vm)) == vm
    assert world.vm("web").folder == ("renamed", "inner")
    ended_with(outer.MoveInto([outer]), vmodl.fault.InvalidArgument)
    WaitForTask(folder.MoveInto([vm]))
    WaitForTask(outer.Destroy())
    assert folder.childEntity == [vm]
    ended_with(folder.Destroy(), vmodl.fault.NotSupported)


def path_of(vm: Any) -> str:
    names, entity = [], vm
    while entity.parent is not None:
        names.insert(0, entity.name)
        entity = entity.parent
    return "/".join(names)


def test_pools(vm: Any, pool: Any) -> None:
    allocation = vim.ResourceAllocationInfo(
        reservation=0,
        limit=-1,
        expandableReservation=True,
        shares=vim.SharesInfo(level="normal", shares=0),
    )
    spec = vim.ResourceConfigSpec(cpuAllocation=allocation, memoryAllocation=allocation)
    child = pool.CreateResourcePool("child", spec)
    assert pool.resourcePool == [child]
    child.MoveIntoResourcePool([vm])
    assert (vm.resourcePool, list(child.vm), list(pool.vm)) == (child, [vm], [])
    child.UpdateConfig("renamed", None)
    assert child.name == "renamed"
    WaitForTask(child.Destroy())
    assert vm.resourcePool == pool
    ended_with(pool.Destroy(), vmodl.fault.NotSupported)


# Clusters and hosts ----------------------------------------------------------------------


def host(world: World, name: str) -> Host:
    return next(each for each in world.hosts if each.name == name)


def configured(cluster: Any, **settings: Any) -> None:
    spec = vim.cluster.ConfigSpecEx(**settings)
    WaitForTask(cluster.ReconfigureComputeResource_Task(spec, modify=True))


@pytest.fixture
def cluster(vm: Any) -> Any:
    return vm.resourcePool.owner


def test_a_cluster(cluster: Any, vm: Any, world: World) -> None:
    configured(
        cluster,
        dasConfig=vim.cluster.DasConfigInfo(enabled=True, admissionControlEnabled=False),
        drsConfig=vim.cluster.DrsConfigInfo(enabled=True, defaultVmBehavior="manual"),
    )
    config = cluster.configurationEx
    assert (config.dasConfig.enabled, config.drsConfig.defaultVmBehavior) == (True, "manual")
    (simulated,) = world.clusters
    assert (simulated.ha.enabled, simulated.ha.admission_control) == (True, False)
    assert (simulated.drs.enabled, simulated.drs.migrates) == (True, False)
    group = vim.cluster.VmGroup(name="group", vm=[vm])
    add = vim.cluster.GroupSpec(operation="add", info=group)
    configured(cluster, groupSpec=[add])
    assert [each.name for each in cluster.configurationEx.group] == ["group"]
    ended_with(
        cluster.ReconfigureComputeResource_Task(
            vim.cluster.ConfigSpecEx(groupSpec=[add]), modify=True
        ),
        vim.fault.AlreadyExists,
    )


def test_the_usage_of_a_cluster_is_that_of_its_hosts(cluster: Any) -> None:
    usage, total = cluster.GetResourceUsage(), cluster.summary
    assert (usage.cpuUsedMHz, usage.cpuCapacityMHz) == (0, total.totalCpu)
    assert (usage.memUsedMB, usage.memCapacityMB) == (0, total.totalMemory // 1024**2)
    (store,) = cluster.datastore
    assert (usage.storageUsedMB, usage.storageCapacityMB) == (0, store.summary.capacity // 1024**2)


def test_only_automatic_drs_empties_a_host(
    cluster: Any, vm: Any, content: Any, world: World
) -> None:
    world.add_host("host-2")
    WaitForTask(vm.PowerOn())
    own = vm.runtime.host
    ended_with(own.EnterMaintenanceMode(timeout=1), vim.fault.Timedout)
    waiting = own.EnterMaintenanceMode(timeout=0)
    assert waiting.info.cancelable
    waiting.CancelTask()
    assert isinstance(ended_with(waiting, vmodl.fault.RequestCanceled), vmodl.fault.RequestCanceled)
    assert waiting.info.cancelled
    configured(cluster, drsConfig=vim.cluster.DrsConfigInfo(enabled=True))
    WaitForTask(own.EnterMaintenanceMode(timeout=60))
    assert own.runtime.inMaintenanceMode
    assert vm.runtime.host != own
    ended_with(own.EnterMaintenanceMode(timeout=0), vim.fault.InvalidState)
    WaitForTask(own.ExitMaintenanceMode(timeout=0))
    ended_with(own.ExitMaintenanceMode(timeout=0), vim.fault.InvalidState)


def test_hosts_are_disconnected_and_rebooted(vm: Any, world: World) -> None:
    world.durations = Durations(host_boot=600)
    own = vm.runtime.host
    WaitForTask(own.Disconnect())
    assert own.runtime.connectionState == "disconnected"
    ended_with(own.Disconnect(), vim.fault.InvalidState)
    WaitForTask(own.ReconnectHost_Task())
    ended_with(own.ReconnectHost_Task(), vim.fault.InvalidState)
    ended_with(own.Reboot(force=False), vim.fault.InvalidState)
    booted = own.runtime.bootTime
    WaitForTask(own.Reboot(force=True))
    assert own.runtime.connectionState == "notResponding"
    world.speed = 10_000
    eventually(lambda: own.runtime.connectionState == "connected")
    assert own.runtime.bootTime > booted
