"""What a server reports of guests, hosts, clusters, events and its clock: the same everywhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import pytest

from chaosvm.backend import (
    EventKind,
    GuestStatus,
    Heartbeat,
    HostConnection,
    ServerEvent,
    ToolsStatus,
)
from chaosvm.runtime import Deadline
from chaosvm.service import VMService
from chaosvm.vm import PowerState
from tests.contract.backend import Backend, VCenter
from tests.contract.estate import Entry

HOSTS = {f"{name}_C0_H{number}": f"{name}_C0" for name in ("DC0", "DC1") for number in range(2)}


def deadline() -> Deadline:
    return Deadline(30)


def status(platform: VMService, name: str) -> GuestStatus:
    vm = platform.get_vm(name)
    return platform.backend.guest_statuses([vm], deadline())[vm.id]


def events_since(platform: VMService, since: dt.datetime, name: str) -> Sequence[ServerEvent]:
    return platform.backend.events(since, deadline(), [platform.get_vm(name)])


# Guests ------------------------------------------------------------------------------------


def test_every_vm_has_a_status(platform: VMService, backend: Backend) -> None:
    vms = platform.list_vms()
    statuses = platform.backend.guest_statuses(vms, deadline())
    assert statuses.keys() == {vm.id for vm in vms}
    assert {vm_id: each.vm_id for vm_id, each in statuses.items()} == {
        vm_id: vm_id for vm_id in statuses
    }
    assert {vm.id: vm.power_state for vm in vms} == {
        vm_id: each.power_state for vm_id, each in statuses.items()
    }


def test_no_vms_have_no_statuses(platform: VMService) -> None:
    assert platform.backend.guest_statuses([], deadline()) == {}


def test_a_guest_that_runs(platform: VMService) -> None:
    vm, found = platform.get_vm("web-01"), status(platform, "web-01")
    assert found.power_state is PowerState.POWERED_ON
    assert found.tools is ToolsStatus.RUNNING
    assert found.ip_addresses == ("10.0.0.1",)
    assert found.host == vm.host
    assert found.host_id


@pytest.mark.parametrize("name", ["app-01", "db-01"])
def test_a_guest_that_does_not_run(platform: VMService, name: str) -> None:
    found = status(platform, name)
    assert found.tools is not ToolsStatus.RUNNING
    assert found.heartbeat in (None, Heartbeat.GRAY)
    assert found.uptime_seconds is None
    assert found.uptime_unknown


def test_a_guest_without_tools_is_not_said_to_have_them(platform: VMService) -> None:
    assert status(platform, "bare-01").tools in (ToolsStatus.NOT_INSTALLED, ToolsStatus.UNKNOWN)


def test_an_unknown_uptime_has_a_reason(platform: VMService) -> None:
    statuses = platform.backend.guest_statuses(platform.list_vms(), deadline())
    assert statuses
    for found in statuses.values():
        assert (found.uptime_seconds is None) is (found.uptime_unknown is not None)


def test_a_deleted_vm_has_no_status(platform: VMService, backend: Backend) -> None:
    backend.add(Entry(name="late-01"))
    late, other = platform.get_vm("late-01"), platform.get_vm("web-02")
    backend.remove("late-01")
    assert list(platform.backend.guest_statuses([late, other], deadline())) == [other.id]


def test_a_heartbeat_of_a_running_guest(vcenter: VCenter) -> None:
    platform = vcenter.platform()
    assert status(platform, "web-01").heartbeat is Heartbeat.GREEN


# Hosts and clusters ------------------------------------------------------------------------


def test_every_host_is_connected_and_in_its_cluster(platform: VMService) -> None:
    hosts = platform.backend.hosts(deadline())
    assert {host.name: host.cluster for host in hosts} == HOSTS
    assert {host.connection for host in hosts} == {HostConnection.CONNECTED}
    assert all(host.available and not host.maintenance for host in hosts)
    assert all(host.id and host.status for host in hosts)


def test_every_cluster_is_there(platform: VMService) -> None:
    clusters = platform.backend.clusters(deadline())
    assert {cluster.name for cluster in clusters} == set(HOSTS.values())


# The clock ---------------------------------------------------------------------------------


def test_the_clock_of_a_server_on_this_machine_is_that_of_this_machine(
    platform: VMService,
) -> None:
    time = platform.backend.server_time(deadline())
    assert time.now.tzinfo is not None
    # An engine's time has milliseconds, a vCenter's may have them.
    assert abs(time.offset) <= time.uncertainty + 1.0


# Events ------------------------------------------------------------------------------------


def test_a_power_cycle_is_recorded_in_order(platform: VMService) -> None:
    since = platform.backend.server_time(deadline()).now
    platform.power_off("web-02", graceful=False)
    platform.power_on("web-02")
    found, kinds = [], []
    waiting = Deadline(10)
    # The event of the start may follow the VM's new state.
    while EventKind.POWERED_ON not in kinds and not waiting.passed:
        found = events_since(platform, since, "web-02")
        kinds = [event.kind for event in found]
    assert EventKind.POWERED_OFF in kinds
    assert kinds.index(EventKind.POWERED_OFF) < kinds.index(EventKind.POWERED_ON)
    assert {event.vm_id for event in found} == {platform.get_vm("web-02").id}
    assert [event.number for event in found] == sorted(event.number for event in found)
    assert all(event.at >= since and event.text and event.type for event in found)


def test_events_of_all_have_those_of_each(platform: VMService) -> None:
    since = platform.backend.server_time(deadline()).now
    platform.power_off("web-03", graceful=False)
    found = events_since(platform, since, "web-03")
    assert found
    assert set(found) <= set(platform.backend.events(since, deadline()))
    assert platform.backend.events(since, deadline(), []) == []


def test_nothing_has_happened_yet(platform: VMService) -> None:
    soon = platform.backend.server_time(deadline()).now + dt.timedelta(hours=1)
    assert platform.backend.events(soon, deadline()) == []
