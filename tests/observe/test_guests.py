"""Guests as both platforms report them, in the lab: uptimes, reboots, ports, clocks, failures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import pytest

from chaosvm.errors import InvalidValue, NotReached, NotReported
from chaosvm.lab import Guest, Lab, Machine, World
from chaosvm.lab.simulation import Durations, HighAvailability, Service
from chaosvm.olvm import OLVMPlatform
from chaosvm.runtime import Deadline, rehearsal
from chaosvm.service import VMService
from chaosvm.vsphere import VSpherePlatform

PORT, HTTP_PORT = 4022, 4080
PLATFORMS = ("vsphere", "olvm")


def made() -> World:
    """Three hosts of a highly available cluster, and a few VMs."""
    world = World(durations=Durations(restart=0.1))
    datacenter = world.add_datacenter("dc")
    cluster = world.add_cluster("prod", datacenter, ha=HighAvailability(enabled=True))
    for number in range(3):
        world.add_host(f"host-{number}", cluster)
    services = (Service(PORT), Service(HTTP_PORT, http=True))
    for name in ("web-01", "web-02"):
        world.add_vm(name, cluster=cluster, guest=Guest(services=services), highly_available=True)
    world.add_vm("plain-01", cluster=cluster, highly_available=False)
    return world


@contextmanager
def connection(lab: Lab, platform: str) -> Iterator[VMService]:
    credentials: dict[str, Any] = {"username": lab.username, "password": lab.password}
    credentials |= {"ca_file": lab.ca_file, "timeout": 60}
    connected: VMService = (
        VSpherePlatform(lab.vsphere_server, port=lab.vsphere_port, **credentials)
        if platform == "vsphere"
        else OLVMPlatform(lab.olvm_url, **credentials)
    )
    with connected:
        yield connected


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(made(), platforms=PLATFORMS) as running:
        yield running


@pytest.fixture(scope="module")
def kept(lab: Lab) -> list[Machine]:
    """The VMs as they were made, with the addresses that the lab gave them."""
    return list(lab.world.vms)


@pytest.fixture
def world(lab: Lab, kept: list[Machine]) -> Iterator[World]:
    """As it was made, whatever a test has done."""
    yield lab.world
    for host in lab.world.hosts:
        if not host.responding:
            lab.world.outages.restore(host.name)
    for vm in lab.world.vms:
        if vm.name.startswith("many-"):
            lab.world.remove_vm(vm.id)
    for vm in kept:
        lab.world.stick(vm.id, vm.state)  # nothing is planned for it any more
        lab.world.change(vm.id, **{each.name: getattr(vm, each.name) for each in fields(vm)})


@pytest.fixture(scope="module")
def connected(lab: Lab) -> Iterator[dict[str, VMService]]:
    with connection(lab, "vsphere") as vsphere, connection(lab, "olvm") as olvm:
        yield {"vsphere": vsphere, "olvm": olvm}


@pytest.fixture(params=PLATFORMS)
def platform(
    request: pytest.FixtureRequest, connected: dict[str, VMService], world: World
) -> VMService:
    return connected[request.param]


def machine(world: World, name: str) -> Machine:
    return next(vm for vm in world.vms if vm.name == name)


def eventually(ask: Callable[[], Any], *passing: type[Exception]) -> Any:
    """What is true in the end; the lab's guests and events follow within a second."""
    waiting = Deadline(60)
    while True:
        try:
            if answer := ask():
                return answer
        except passing:
            pass
        assert not waiting.passed, "it did not happen"
        waiting.sleep(0.05)


def now() -> str:
    return dt.datetime.now(dt.UTC).isoformat()


def age(world: World, name: str, seconds: float) -> None:
    """Let a VM have been up for so long."""
    begun = world.now - seconds
    world.change(machine(world, name).id, started_at=begun, booted_at=begun)


def ago(platform: VMService, seconds: float) -> str:
    """A time on our clock, so many seconds before now on the server's."""
    clock = platform.backend.server_time(Deadline(60))
    return (clock.now - dt.timedelta(seconds=clock.offset + seconds)).isoformat()


# Uptimes and reboots -----------------------------------------------------------------------


def test_an_uptime_is_that_of_the_guest(platform: VMService, world: World) -> None:
    age(world, "web-01", 3600)
    assert platform.vm_observer.uptime_seconds("web-01") == pytest.approx(3600, abs=60)
    platform.reboot("web-01", timeout=60)
    assert platform.vm_observer.uptime_seconds("web-01") < 300


def test_a_reboot_is_told_from_the_uptime(platform: VMService, world: World) -> None:
    age(world, "web-01", 3600)
    observer = platform.vm_observer
    assert observer.rebooted_since("web-01", ago(platform, 7200)) is True
    assert observer.rebooted_since("web-01", ago(platform, 1800)) is False


def test_a_reboot_of_the_guest_alone_is_told_too(platform: VMService, world: World) -> None:
    age(world, "web-01", 3600)
    begun = world.now - 600
    world.change(machine(world, "web-01").id, booted_at=begun)
    observer = platform.vm_observer
    assert observer.rebooted_since("web-01", ago(platform, 1800)) is True
    assert observer.rebooted_since("web-01", ago(platform, 300)) is False


def test_what_a_late_uptime_cannot_tell_is_a_failure(platform: VMService, world: World) -> None:
    age(world, "web-01", 7200)
    since = ago(platform, 3601)
    world.change(machine(world, "web-01").id, booted_at=world.now - 3600)
    with pytest.raises(NotReported, match="not known yet"):
        platform.vm_observer.rebooted_since("web-01", since)


def test_nothing_is_known_of_the_future(platform: VMService) -> None:
    observer, since = platform.vm_observer, "2999-01-01T00:00:00Z"
    for ask in (
        observer.rebooted_since,
        observer.moved_since,
        observer.ha_restart,
        observer.recovery_seconds,
    ):
        with pytest.raises(InvalidValue, match=r"since is '2999-01.*a time that has passed"):
            ask("web-01", since)
    with pytest.raises(InvalidValue, match="since"):
        platform.server_observer.events({"names": ["web-01"]}, since)


# Ports -------------------------------------------------------------------------------------


def test_a_port_is_open_while_the_guest_is_up(platform: VMService, world: World) -> None:
    observer = platform.vm_observer
    assert observer.port_is_open("web-01", PORT) is True
    assert observer.port_is_open("web-01", PORT + 1) is False
    platform.power_off("web-01", graceful=False)
    assert observer.port_is_open("web-01", PORT) is False


@pytest.mark.parametrize("milestone", ["tools", "ip", f"port:{PORT}", f"http:{HTTP_PORT}/"])
def test_each_milestone_is_reached_again(platform: VMService, milestone: str) -> None:
    observer, since = platform.vm_observer, now()
    platform.power_off("web-01", graceful=False)
    with pytest.raises(NotReached, match=milestone):
        observer.recovery_seconds("web-01", since, milestone)
    platform.power_on("web-01")
    measured = eventually(lambda: observer.recovery_seconds("web-01", since, milestone), NotReached)
    assert 0 < measured < 60
    # What was measured once stays as it is.
    assert observer.recovery_seconds("web-01", since, milestone) == measured


@pytest.mark.parametrize("verb", ["power_on", "reboot"])
def test_a_recovery_is_what_the_action_that_waited_for_it_saw(
    platform: VMService, world: World, verb: str
) -> None:
    world.change(machine(world, "web-01").id, guest=Guest(agent_after=1.0))
    age(world, "web-01", 3600)
    observer, since = platform.vm_observer, now()
    waited = Deadline(300)
    if verb == "power_on":
        platform.power_off("web-01", graceful=False)
        outcome = platform.power_on("web-01", wait_for="tools")
    else:
        outcome = platform.reboot("web-01", graceful=False, wait_for="tools")
    assert outcome.milestones
    most = waited.elapsed + 0.5  # the two clocks are compared to within a request
    waited.sleep(2)  # a probe that sees it for the first time would count these seconds
    for milestone in ("tools", "agent"):
        assert 0 < observer.recovery_seconds("web-01", since, milestone) < most


def test_a_guest_that_reboots_is_not_back_before_it_is_down(
    platform: VMService, world: World
) -> None:
    age(world, "web-01", 3600)
    world.change(machine(world, "web-01").id, guest=Guest(seconds=1.0))
    observer, since = platform.vm_observer, now()
    world.power.reboot(machine(world, "web-01").id)
    with pytest.raises(NotReached):
        observer.recovery_seconds("web-01", since, "tools")
    assert eventually(lambda: observer.recovery_seconds("web-01", since, "tools"), NotReached) > 0.5


def test_a_rehearsal_reaches_simulated_guests(platform: VMService, lab: Lab) -> None:
    rehearsal.begin(lab.environment(), lab.addresses, lab.guest_networks)
    assert platform.vm_observer.port_is_open("web-01", PORT) is True


# Hosts -------------------------------------------------------------------------------------


def test_high_availability_restarts_on_another_host(
    platform: VMService, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "chaostoolkit")
    observer, since = platform.vm_observer, now()
    before = observer.host("web-01")
    world.power.crash(machine(world, "web-01").id)
    restart = eventually(lambda: observer.ha_restart("web-01", since))
    assert restart.host_before == before
    assert restart.host_after
    assert restart.seconds is not None
    assert 0 <= restart.seconds < 60
    assert f"from {before} to {restart.host_after}" in caplog.text
    eventually(lambda: observer.host("web-01") == restart.host_after, NotReported)
    assert observer.moved_since("web-01", since) is (restart.host_after != before)


def test_a_migration_is_a_move_and_no_restart(platform: VMService, world: World) -> None:
    observer, since = platform.vm_observer, now()
    before = observer.host("web-01")
    target = next(host for host in world.hosts if host.name != before)
    world.power.migrate(machine(world, "web-01").id, host_id=target.id)
    eventually(lambda: observer.host("web-01") == target.name)
    assert observer.moved_since("web-01", since) is True
    assert observer.ha_restart("web-01", since) is None


def test_a_lost_host_is_not_available(platform: VMService, world: World) -> None:
    observer = platform.server_observer
    lost = world.hosts[0]
    assert observer.hosts_available("prod") == 3
    world.outages.lose(lost.name)
    eventually(lambda: observer.host(lost.name).connection.value == "not_responding")
    assert observer.hosts_available("prod") == 2
    assert observer.host(world.hosts[1].name).connection.value == "connected"


def test_a_cluster_has_room_for_the_vms_of_failed_hosts_or_not(
    connected: dict[str, VMService], world: World
) -> None:
    observer = connected["vsphere"].server_observer
    assert observer.has_failover_capacity("prod", 2) is True
    assert observer.has_failover_capacity("prod", 3) is False
    world.outages.lose(world.hosts[0].name)
    eventually(lambda: observer.hosts_available("prod") == 2)
    assert observer.has_failover_capacity("prod", 2) is False


def test_an_engine_does_not_compute_the_capacity(connected: dict[str, VMService]) -> None:
    with pytest.raises(NotReported, match="failover capacity"):
        connected["olvm"].server_observer.has_failover_capacity("prod", 1)


def test_an_alarm_is_triggered_by_a_lost_host(
    connected: dict[str, VMService], world: World
) -> None:
    observer, lost = connected["vsphere"].server_observer, world.hosts[0].name
    assert observer.alarms() == []
    world.outages.lose(lost)
    (alarm,) = eventually(observer.alarms)
    assert (alarm.entity, alarm.status, alarm.acknowledged) == (lost, "red", False)
    assert alarm.name
    assert alarm.to_json()["at"] == alarm.at.isoformat()


def test_nothing_is_known_of_a_guest_on_a_lost_host(platform: VMService, world: World) -> None:
    lost = platform.vm_observer.host("plain-01")
    world.outages.lose(lost)
    eventually(lambda: platform.vm_power_state("plain-01").value == "unknown")
    with pytest.raises(NotReported):
        platform.vm_observer.tools_running("plain-01")
    with pytest.raises(NotReported):
        platform.vm_observer.uptime_seconds("plain-01")
    with pytest.raises(NotReported, match="plain-01"):
        platform.server_observer.running_at_least({"names": ["plain-01"]}, 1)


# Clocks and events, in labs of their own: what they record stays ----------------------------


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("offset", [-3600, 3600])
def test_the_clock_of_the_server_may_be_wrong(name: str, offset: float) -> None:
    with (
        Lab(made(), platforms=[name], clock_offset=offset) as lab,
        connection(lab, name) as platform,
    ):
        time = platform.backend.server_time(Deadline(60))
        assert time.offset == pytest.approx(offset, abs=2)
        observer, since = platform.vm_observer, now()
        platform.power_off("web-01", graceful=False)
        platform.power_on("web-01")
        measured = eventually(lambda: observer.recovery_seconds("web-01", since), NotReached)
        assert 0 < measured < 60
        assert observer.rebooted_since("web-01", since) is True


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_server_that_forgets_its_events_is_not_believed(name: str) -> None:
    with Lab(made(), platforms=[name]) as lab, connection(lab, name) as platform:
        observer, since = platform.vm_observer, now()
        platform.power_off("web-01", graceful=False)
        assert observer.ha_restart("web-01", since) is None
        lab.world.event_retention = 0.0
        platform.power_on("web-01")
        for ask in (observer.ha_restart, observer.moved_since, observer.recovery_seconds):
            with pytest.raises(NotReported, match="no events from before"):
                ask("web-01", since)


# Cost --------------------------------------------------------------------------------------


def test_many_guests_take_as_many_requests_as_one(
    platform: VMService, world: World, lab: Lab
) -> None:
    for number in range(40):
        world.add_vm(f"many-{number:02}")
    vms = platform.list_vms()

    def requests(count: int) -> int:
        platform.backend.guest_statuses(vms[:count], Deadline(60))
        lab.reset_requests()
        platform.backend.guest_statuses(vms[:count], Deadline(60))
        return sum(lab.requests().values())

    assert requests(1) == requests(len(vms)) <= 5
