"""Hosts in the simulated world: maintenance, power, failures and failover, on a fake clock."""

from __future__ import annotations

import pytest

from chaosvm.lab import Guest, Machine, State, World
from chaosvm.lab.simulation import (
    Allocation,
    Cluster,
    EventKind,
    HighAvailability,
    Limits,
    ResourceScheduling,
)
from tests.fakes import FakeClock

OFF, RUNNING, UNREACHABLE = State.OFF, State.RUNNING, State.UNREACHABLE
HOST = "h1"


@pytest.fixture
def cluster(slow_world: World) -> Cluster:
    """Three hosts, and on the first one a VM that runs and one that is off."""
    cluster = slow_world.add_cluster("a", slow_world.add_datacenter("dc"))
    first, *_ = (slow_world.add_host(f"h{number}", cluster) for number in (1, 2, 3))
    slow_world.add_vm("web", cluster=cluster, host=first)
    slow_world.add_vm("stopped", OFF, cluster=cluster, host=first)
    return cluster


def host_id(world: World, name: str = HOST) -> str:
    return world.outages.find(name).id


def host_of(world: World, vm: str = "web") -> str | None:
    host = world.host(world.vm(vm).host_id)
    return host.name if host else None


def status(world: World, name: str = HOST) -> str:
    return world.outages.find(name).status


def kinds(world: World) -> list[EventKind]:
    return [event.kind for event in world.events]


# Maintenance -------------------------------------------------------------------------


@pytest.mark.parametrize("evacuate", [True, None])
def test_a_host_is_emptied_for_maintenance(
    slow_world: World, clock: FakeClock, cluster: Cluster, evacuate: bool | None
) -> None:
    slow_world.change_cluster(cluster.id, drs=ResourceScheduling(enabled=True))
    slow_world.host_operations.enter_maintenance(host_id(slow_world), evacuate=evacuate)
    assert (status(slow_world), slow_world.vm("web").state) == (
        "preparing_for_maintenance",
        State.MIGRATING,
    )
    clock.sleep(1)
    assert (status(slow_world), host_of(slow_world)) == ("maintenance", "h2")
    slow_world.power.start("stopped")
    assert host_of(slow_world, "stopped") == "h3"
    slow_world.host_operations.exit_maintenance(host_id(slow_world))
    assert status(slow_world) == "up"


def test_without_drs_it_waits_for_the_last_vm(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    slow_world.host_operations.enter_maintenance(host_id(slow_world))
    clock.sleep(100)
    assert (status(slow_world), host_of(slow_world)) == ("preparing_for_maintenance", HOST)
    slow_world.power.shut_down("web")
    clock.sleep(1)
    assert status(slow_world) == "maintenance"


def test_maintenance_can_be_given_up(slow_world: World, clock: FakeClock, cluster: Cluster) -> None:
    slow_world.host_operations.enter_maintenance(host_id(slow_world))
    slow_world.host_operations.exit_maintenance(host_id(slow_world))
    slow_world.power.power_off("web")
    clock.sleep(1)
    assert status(slow_world) == "up"


# Connection and power ------------------------------------------------------------------


def test_vms_of_a_disconnected_host_run_on(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    slow_world.power.pause("web")
    assert slow_world.vm("web").state is State.PAUSED
    slow_world.host_operations.disconnect(host_id(slow_world))
    assert slow_world.vm("web").state is UNREACHABLE
    assert not slow_world.outages.find(HOST).responding
    slow_world.host_operations.reconnect(host_id(slow_world))
    clock.sleep(1)
    assert (slow_world.vm("web").state, host_of(slow_world)) == (State.PAUSED, HOST)
    assert slow_world.outages.find(HOST).responding


def test_a_reboot_kills_what_runs_on_a_host(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    slow_world.host_operations.reboot(host_id(slow_world))
    assert (status(slow_world), slow_world.vm("web").state) == ("reboot", UNREACHABLE)
    clock.sleep(1)
    assert (status(slow_world), slow_world.vm("web").state) == ("up", OFF)
    assert slow_world.outages.find(HOST).booted_at == pytest.approx(slow_world.now - 0.5)


def test_a_host_that_was_shut_down_can_be_started(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    slow_world.host_operations.shut_down(host_id(slow_world))
    clock.sleep(100)
    assert status(slow_world) == "down"
    slow_world.host_operations.power_on(host_id(slow_world))
    clock.sleep(1)
    assert status(slow_world) == "up"


# Failures ------------------------------------------------------------------------------


def test_a_lost_host_comes_back_at_a_given_time(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    slow_world.outages.lose(HOST, back_after=10)
    seen = []
    for seconds in (0, 0.2, 0.3, 9, 1):
        clock.sleep(seconds)
        seen.append((status(slow_world), slow_world.vm("web").state))
    assert seen == [
        ("up", RUNNING),
        ("connecting", RUNNING),
        ("non_responsive", UNREACHABLE),
        ("non_responsive", UNREACHABLE),
        ("up", RUNNING),
    ]
    assert kinds(slow_world) == [
        EventKind.HOST_MISSED,
        EventKind.SET_UNKNOWN,
        EventKind.HOST_LOST,
        EventKind.HOST_BACK,
    ]


def test_a_host_that_comes_back_early_is_never_given_up(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    slow_world.outages.lose(HOST, back_after=0.2)
    clock.sleep(10)
    assert (status(slow_world), slow_world.vm("web").state) == ("up", RUNNING)
    assert EventKind.HOST_LOST not in kinds(slow_world)


def test_vms_die_with_the_power_of_their_host(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    slow_world.outages.fail(HOST, back_after=10)
    clock.sleep(1)
    assert slow_world.vm("web").state is UNREACHABLE
    clock.sleep(10)
    assert (status(slow_world), slow_world.vm("web").state) == ("up", OFF)


def protect(world: World, cluster: Cluster, **rules: object) -> None:
    world.change_cluster(cluster.id, ha=HighAvailability(enabled=True, **rules))  # type: ignore[arg-type]


def test_high_availability_restarts_vms_on_another_host(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    protect(slow_world, cluster)
    for name, fields in {
        "unprotected": {"restart_priority": "disabled"},
        "cut": {},
        "shut": {"guest": Guest.obeys()},
    }.items():
        slow_world.add_vm(name, cluster=cluster, host=slow_world.outages.find(HOST), **fields)
    slow_world.power.power_off("cut")
    slow_world.power.shut_down("shut")
    clock.sleep(1)
    slow_world.outages.fail(HOST)
    clock.sleep(2)
    states = {vm.name: (vm.state, host_of(slow_world, vm.name)) for vm in slow_world.vms}
    assert states == {
        "web": (RUNNING, "h2"),
        "stopped": (OFF, None),
        "unprotected": (UNREACHABLE, HOST),
        "cut": (OFF, None),
        "shut": (OFF, None),
    }
    assert (slow_world.uptime(slow_world.vm("web")) or 0) < 2
    assert slow_world.vm("web").boots == 1
    assert EventKind.RESTARTED in kinds(slow_world)


def test_a_lost_host_whose_vms_run_on_is_not_failed_over(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    protect(slow_world, cluster)
    slow_world.outages.lose(HOST, back_after=5)
    clock.sleep(2)
    assert host_of(slow_world) == HOST
    clock.sleep(5)
    assert slow_world.uptime(slow_world.vm("web")) == 3607


def test_an_isolated_host_may_give_its_vms_away(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    protect(slow_world, cluster, isolation_response="powerOff")
    slow_world.outages.lose(HOST)
    clock.sleep(2)
    assert (slow_world.vm("web").state, host_of(slow_world)) == (RUNNING, "h2")


def test_failover_hosts_are_kept_free(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    protect(slow_world, cluster, failover_hosts=("h3",))
    vm = slow_world.vm("stopped")
    assert not slow_world.availability.admits(vm, host_id(slow_world, "h3"))
    assert slow_world.availability.admits(vm, host_id(slow_world, "h2"))
    slow_world.outages.fail(HOST)
    clock.sleep(2)
    assert host_of(slow_world) == "h3"


def reserving(megabytes: int) -> Limits:
    return Limits(memory=Allocation(reservation=megabytes))


def test_admission_control_keeps_room_for_a_failover(slow_world: World, cluster: Cluster) -> None:
    protect(slow_world, cluster)
    megabytes = slow_world.outages.find(HOST).memory // 2**20
    slow_world.change("web", limits=reserving(megabytes))
    half = slow_world.change("stopped", limits=reserving(megabytes))
    assert slow_world.availability.admits(half)
    assert not slow_world.availability.admits(half.changed(limits=reserving(megabytes + 1)))
    protect(slow_world, cluster, admission_control=False)
    assert slow_world.availability.admits(half.changed(limits=reserving(megabytes + 1)))


def test_a_restart_waits_for_a_host_with_room(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    protect(slow_world, cluster)
    for name in ("h2", "h3"):
        slow_world.host_operations.enter_maintenance(host_id(slow_world, name))
    clock.sleep(1)
    slow_world.outages.fail(HOST)
    clock.sleep(2)
    assert slow_world.vm("web").state is OFF
    assert EventKind.RESTART_FAILED in kinds(slow_world)
    slow_world.host_operations.exit_maintenance(host_id(slow_world, "h2"))
    clock.sleep(1)
    assert (slow_world.vm("web").state, host_of(slow_world)) == (RUNNING, "h2")


@pytest.mark.parametrize(("managed", "after"), [(True, RUNNING), (False, UNREACHABLE)])
def test_an_engine_only_restarts_vms_of_a_host_that_it_can_fence(
    slow_world: World, clock: FakeClock, cluster: Cluster, managed: bool, after: State
) -> None:
    slow_world.change("web", highly_available=True)
    slow_world.change_host(host_id(slow_world), power_management=managed)
    slow_world.outages.fail(HOST)
    clock.sleep(2)
    assert slow_world.vm("web").state is after
    assert status(slow_world) == ("up" if managed else "non_responsive")
    slow_world.outages.confirm_rebooted(HOST)
    clock.sleep(1)
    assert slow_world.vm("web").state is RUNNING


def test_listeners_hear_of_vms_whose_host_is_lost(
    slow_world: World, clock: FakeClock, cluster: Cluster
) -> None:
    heard: list[Machine] = []
    slow_world.listen(heard.extend)
    slow_world.outages.lose(HOST)
    clock.sleep(0.2)
    assert status(slow_world) == "connecting"
    assert {vm.name for vm in heard} == {"web", "stopped"}
