"""Starts that a cluster has no room for, and what else a vCenter derives from its world."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pyVmomi import vim, vmodl

from chaosvm.lab import Lab, State, World
from chaosvm.lab.simulation import Allocation, EventKind, HighAvailability, Limits
from tests.lab.vcenter.conftest import connected, left, machine, task_ended, view
from tests.moments import eventually

GIB = 1024**3
_MOMENT = dt.timedelta(minutes=5)
_RESERVED = Limits(memory=Allocation(reservation=200 * 1024))


@pytest.fixture
def small(world: World) -> World:
    """Two hosts of 256 GiB, and three VMs of which each needs most of one."""
    world.add_host("second", memory=256 * GIB)  # next to the first, which is as large
    for name in ("a", "b", "c"):
        world.add_vm(name, State.OFF)
        world.change(name, limits=_RESERVED)
    return world


def started(content: Any, name: str) -> Any:
    return task_ended(machine(content, name).PowerOn()).error


def test_a_start_that_leaves_no_room_for_a_failover_is_refused(small: World, content: Any) -> None:
    small.change_cluster(small.clusters[0].id, ha=HighAvailability(enabled=True))
    assert started(content, "a") is None
    assert isinstance(started(content, "b"), vim.fault.InsufficientFailoverResourcesFault)
    assert small.vm("b").state is State.OFF


def test_no_more_is_reserved_than_a_host_has(small: World, content: Any) -> None:
    assert started(content, "a") is None
    assert started(content, "b") is None
    error = started(content, "c")
    assert isinstance(error, vim.fault.InsufficientMemoryResourcesFault)
    assert (error.requested, error.unreserved) == (200 * GIB, 56 * GIB)


def test_all_times_are_those_of_the_server(world: World) -> None:
    world.add_vm("web")
    with Lab(world, platforms=["vsphere"], clock_offset=86_400) as lab:
        instance = connected(lab)
        content = instance.RetrieveContent()
        vm = machine(content, "web")
        now = instance.CurrentTime()
        session = content.sessionManager.currentSession
        times = {
            "host": vm.runtime.host.configManager.dateTimeSystem.QueryDateTime(),
            "login": session.loginTime,
            "active": session.lastActiveTime,
        }
        wrong = {name: time for name, time in times.items() if abs(time - now) > _MOMENT}
        assert not wrong
        up = dt.timedelta(seconds=vm.summary.quickStats.uptimeSeconds)
        assert abs(vm.runtime.bootTime - (now - up)) < _MOMENT
        left(instance)


def test_a_guest_system_is_known_by_its_full_name(world: World, content: Any) -> None:
    world.add_vm("web")
    world.change("web", os="Red Hat Enterprise Linux 9 (64-bit)")
    config = machine(content, "web").config
    assert (config.guestId, config.guestFullName) == (
        "rhel9_64Guest",
        "Red Hat Enterprise Linux 9 (64-bit)",
    )


def events(content: Any, *names: str) -> list[Any]:
    found = content.eventManager.QueryEvents(vim.event.EventFilterSpec(eventTypeId=list(names)))
    return [*found]


def test_events_of_hosts_clusters_and_logins(small: World, content: Any) -> None:
    vm = machine(content, "a")
    cluster = vm.resourcePool.owner
    assert (
        task_ended(
            cluster.ReconfigureComputeResource_Task(vim.cluster.ConfigSpecEx(), modify=True)
        ).error
        is None
    )
    assert len(events(content, "ClusterReconfiguredEvent")) == 1
    assert task_ended(cluster.host[0].EnterMaintenanceMode_Task(timeout=0)).error is None
    assert len(events(content, "EnteringMaintenanceModeEvent")) == 1
    (login,) = events(content, "UserLoginSessionEvent")
    assert login.sessionId == content.sessionManager.currentSession.key
    described = {each.key for each in content.eventManager.description.eventInfo}
    assert {type(login), vim.event.VmReconfiguredEvent} <= described


@pytest.mark.parametrize("enabled", [True, False])
def test_only_ha_of_the_cluster_restarts_vms_on_a_vcenter(
    small: World, content: Any, enabled: bool
) -> None:
    small.change_cluster(small.clusters[0].id, ha=HighAvailability(enabled=enabled))
    small.add_vm("ha", highly_available=True)
    small.power.crash("ha")
    eventually(lambda: any(each.kind is EventKind.RESTARTED for each in small.events))
    assert bool(events(content, "com.vmware.vc.ha.VmRestartedByHAEvent")) is enabled


def test_another_cluster_needs_a_pool(small: World, content: Any) -> None:
    small.add_host("far", small.add_cluster("other", small.datacenter(_datacenter(small))))
    far = next(host for host in view(content, vim.HostSystem).view if host.name == "far")
    vm = machine(content, "a")
    error = task_ended(vm.Relocate(vim.vm.RelocateSpec(host=far))).error
    assert isinstance(error, vmodl.fault.InvalidArgument)
    pool = far.parent.resourcePool
    assert task_ended(vm.Relocate(vim.vm.RelocateSpec(host=far, pool=pool))).error is None


def _datacenter(world: World) -> str | None:
    return world.clusters[0].datacenter_id


def test_a_card_needs_a_network_that_exists(small: World, content: Any) -> None:
    card = vim.vm.device.VirtualE1000(
        key=-1,
        backing=vim.vm.device.VirtualEthernetCard.NetworkBackingInfo(deviceName="no such network"),
    )
    change = vim.vm.device.VirtualDeviceSpec(device=card, operation="add")
    task = machine(content, "a").ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change]))
    assert isinstance(task_ended(task).error, vim.fault.InvalidDeviceBacking)
    assert len(small.vm("a").nics) == 1
