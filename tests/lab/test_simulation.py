"""The simulated world, on a fake clock."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from chaosvm.lab import Durations, Guest, Machine, State, World
from chaosvm.lab.simulation import EventKind, NotFound, Origin
from tests.fakes import FakeClock

OFF, RUNNING, SUSPENDED = State.OFF, State.RUNNING, State.SUSPENDED


def states(world: World, clock: FakeClock, name: str, seconds: float = 1.0) -> list[State]:
    """The states that a machine goes through, looked at each hundredth of a second."""
    seen = [world.vm(name).state]
    for _ in range(round(seconds * 100)):
        clock.sleep(0.01)
        if world.vm(name).state is not seen[-1]:
            seen.append(world.vm(name).state)
    return seen


def kinds(world: World) -> list[EventKind]:
    return [event.kind for event in world.events]


def test_a_machine_is_added_to_a_cluster_and_a_running_one_to_a_host(slow_world: World) -> None:
    vm = slow_world.add_vm("web")
    assert slow_world.cluster(vm.cluster_id) is not None
    assert slow_world.host(vm.host_id) is not None
    assert slow_world.uptime(vm) == 3600
    assert slow_world.add_vm("db", OFF).host_id is None


def test_a_start_launches_boots_and_runs(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web", OFF)
    slow_world.power.start("web", Origin("me", "c-1"))
    assert states(slow_world, clock, "web") == [State.LAUNCHING, State.BOOTING, RUNNING]
    assert slow_world.uptime(slow_world.vm("web")) == pytest.approx(1.0)
    assert [(e.kind, e.user, e.correlation_id) for e in slow_world.events] == [
        (EventKind.START_REQUESTED, "me", "c-1"),
        (EventKind.POWERED_ON, "me", "c-1"),
        (EventKind.STARTED, "me", "c-1"),
    ]


def test_without_an_agent_booting_takes_longer(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web", OFF, guest=Guest.without_agent())
    slow_world.power.start("web")
    clock.sleep(0.3)
    assert slow_world.vm("web").state is State.BOOTING
    clock.sleep(0.1)
    assert slow_world.vm("web").state is RUNNING


def test_an_obedient_guest_shuts_down(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web", guest=Guest.slow(0.5))
    slow_world.power.shut_down("web", Origin(reason="because"))
    assert states(slow_world, clock, "web") == [State.SHUTTING_DOWN, OFF]
    vm = slow_world.vm("web")
    assert (vm.host_id, vm.stop_reason, slow_world.uptime(vm)) == (None, "because", None)
    assert kinds(slow_world) == [EventKind.SHUTDOWN_REQUESTED, EventKind.WENT_DOWN]


@pytest.mark.parametrize("guest", [Guest.ignores(), Guest.deaf()], ids=["ignores", "deaf"])
def test_another_guest_comes_back_to_running(
    slow_world: World, clock: FakeClock, guest: Guest
) -> None:
    slow_world.add_vm("web", guest=guest)
    slow_world.power.shut_down("web")
    assert states(slow_world, clock, "web") == [State.SHUTTING_DOWN, RUNNING]
    assert kinds(slow_world) == [EventKind.SHUTDOWN_REQUESTED, EventKind.SHUTDOWN_FAILED]
    assert slow_world.uptime(slow_world.vm("web")) == pytest.approx(3601)


def test_power_can_be_cut_in_the_middle_of_a_shutdown(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web", guest=Guest.ignores(10))
    slow_world.power.shut_down("web")
    slow_world.power.power_off("web")
    assert states(slow_world, clock, "web", 20) == [State.SHUTTING_DOWN, OFF]


def test_a_reboot_is_seen_in_the_time_since_boot(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web")
    before = slow_world.vm("web")
    slow_world.power.reboot("web")
    assert states(slow_world, clock, "web") == [State.REBOOTING, RUNNING]
    after = slow_world.vm("web")
    assert slow_world.uptime(after) == pytest.approx(0.9)
    assert after.started_at == before.started_at  # the same process
    assert kinds(slow_world) == [EventKind.REBOOT_REQUESTED, EventKind.REBOOTED]


def test_an_ignored_reboot_looks_the_same_but_for_that(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web", guest=Guest.ignores())
    slow_world.power.reboot("web")
    assert states(slow_world, clock, "web") == [State.REBOOTING, RUNNING]
    assert slow_world.uptime(slow_world.vm("web")) == pytest.approx(3601)


def test_a_reboot_may_not_show_at_all(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web", guest=Guest(shows_reboot=False))
    slow_world.power.reboot("web")
    assert states(slow_world, clock, "web") == [RUNNING]
    assert slow_world.uptime(slow_world.vm("web")) == pytest.approx(0.9)


def test_a_reset_boots_at_once(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web", guest=Guest.ignores())
    slow_world.power.reset("web")
    assert slow_world.uptime(slow_world.vm("web")) == 0
    assert states(slow_world, clock, "web") == [State.REBOOTING, RUNNING]


def test_suspending_saves_and_starting_restores(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web")
    slow_world.power.suspend("web")
    assert states(slow_world, clock, "web") == [RUNNING, State.SAVING, SUSPENDED]
    assert slow_world.vm("web").host_id is None
    slow_world.power.start("web")
    assert states(slow_world, clock, "web") == [State.RESTORING, RUNNING]
    assert (slow_world.uptime(slow_world.vm("web")) or 0) > 3600  # it did not boot


def test_cutting_the_power_of_a_suspended_machine_discards_its_memory(slow_world: World) -> None:
    slow_world.add_vm("web", SUSPENDED)
    slow_world.power.power_off("web")
    assert slow_world.vm("web").state is OFF
    assert kinds(slow_world) == [EventKind.MEMORY_DISCARDED]


def test_a_paused_machine_goes_on(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web")
    slow_world.power.pause("web")
    assert slow_world.vm("web").state is State.PAUSED
    slow_world.power.start("web")
    assert states(slow_world, clock, "web") == [State.PAUSED, RUNNING]


@pytest.mark.parametrize("available", [True, False])
def test_only_a_crash_restarts_a_highly_available_machine(
    slow_world: World, clock: FakeClock, available: bool
) -> None:
    slow_world.add_vm("web", highly_available=available)
    slow_world.power.shut_down("web")
    assert states(slow_world, clock, "web")[-1] is OFF
    slow_world.change("web", state=RUNNING)
    slow_world.power.crash("web")
    assert states(slow_world, clock, "web")[-1] is (RUNNING if available else OFF)


def test_a_crash_ends_what_was_going_on(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web", OFF)
    slow_world.power.start("web")
    slow_world.power.crash("web")
    assert states(slow_world, clock, "web") == [OFF]


def test_it_may_be_started_again_by_others(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web", comes_back_after=0.5)
    slow_world.power.power_off("web")
    assert states(slow_world, clock, "web", 2)[1:3] == [OFF, State.LAUNCHING]


@pytest.mark.parametrize("state", State)
def test_a_stuck_machine_stays_as_it_is_until_released(
    slow_world: World, clock: FakeClock, state: State
) -> None:
    slow_world.add_vm("web")
    slow_world.power.shut_down("web")
    slow_world.stick("web", state)
    power = slow_world.power
    for verb in (
        power.start,
        power.power_off,
        power.shut_down,
        power.reboot,
        power.reset,
        power.suspend,
    ):
        verb("web")
    power.crash("web")
    power.pause("web")
    assert states(slow_world, clock, "web") == [state]
    slow_world.release("web", RUNNING)
    power.power_off("web")
    assert states(slow_world, clock, "web")[-1] is OFF


def test_machines_are_spread_over_the_hosts_of_their_cluster(slow_world: World) -> None:
    cluster = slow_world.add_cluster("a", slow_world.add_datacenter("dc"))
    hosts = {slow_world.add_host(f"h{n}", cluster).id for n in range(3)}
    slow_world.add_host("elsewhere", slow_world.add_cluster("b"))
    placed = [slow_world.add_vm(f"vm{n}", cluster=cluster).host_id for n in range(9)]
    assert {host: placed.count(host) for host in hosts} == dict.fromkeys(hosts, 3)


def test_a_name_that_two_machines_have_finds_neither(slow_world: World) -> None:
    first = slow_world.add_vm("web")
    slow_world.add_vm("web")
    assert slow_world.vm(first.id) == first
    with pytest.raises(NotFound, match="2 VMs are called"):
        slow_world.vm("web")
    with pytest.raises(NotFound, match="0 VMs are called"):
        slow_world.vm("db")


def test_a_machine_can_be_removed_in_the_middle_of_something(
    slow_world: World, clock: FakeClock
) -> None:
    slow_world.add_vm("web")
    slow_world.power.shut_down("web")
    slow_world.remove_vm("web")
    clock.sleep(10)
    assert slow_world.vms == []


def test_callbacks_run_at_their_due_time(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web", guest=Guest.obeys(2))
    began = slow_world.now
    slow_world.power.shut_down("web")
    clock.sleep(100)
    assert slow_world.vm("web").stopped_at == began + 2
    assert slow_world.events[-1].at == slow_world.date_of(began + 2)


def test_durations_can_be_stretched(slow_world: World) -> None:
    assert Durations(boot=2).times(10).boot == 20


def test_listeners_are_notified_without_a_read(world: World) -> None:
    heard: list[State] = []
    ended = threading.Event()

    def listener(changed: Sequence[Machine]) -> None:
        heard.extend(vm.state for vm in changed)
        if OFF in heard:
            ended.set()

    world.add_vm("web")
    hush = world.listen(listener)
    world.start()
    try:
        world.power.shut_down("web")
        assert ended.wait(60)
    finally:
        world.stop()
    assert heard == [State.SHUTTING_DOWN, OFF]
    hush()
    world.power.start("web")
    assert heard == [State.SHUTTING_DOWN, OFF]


def test_a_listener_may_look_and_act(slow_world: World) -> None:
    slow_world.add_vm("web")
    slow_world.add_vm("db")
    slow_world.listen(
        lambda changed: slow_world.power.power_off("db") if changed[0].name == "web" else None
    )
    slow_world.power.power_off("web")
    assert slow_world.vm("db").state is State.SHUTTING_DOWN


def test_many_threads_may_use_it_at_once(world: World) -> None:
    names = [f"vm{n}" for n in range(50)]
    for name in names:
        world.add_vm(name)
    threads = [
        threading.Thread(target=lambda part=part: [world.power.power_off(name) for name in part])
        for part in (names[n::5] for n in range(5))
    ]
    world.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.stop()
    assert sorted(e.number for e in world.events) == list(range(1, len(world.events) + 1))
    assert kinds(world).count(EventKind.POWERED_OFF) == 50


def test_a_generated_world_is_the_same_for_the_same_seed() -> None:
    def shape(seed: int) -> list[tuple[object, ...]]:
        made = World.generated(vms=100, seed=seed, clusters=3)
        return [(vm.id, vm.name, vm.state, vm.memory, vm.tags, vm.host_id) for vm in made.vms]

    assert shape(1) == shape(1)
    assert shape(1) != shape(2)
    assert len({name for _, name, *_ in shape(1)}) == 100


def test_what_is_done_again_and_again(slow_world: World, clock: FakeClock) -> None:
    """It runs at its due times, whenever the world is read, until it returns False."""
    moments: list[float] = []

    def happens() -> bool:
        moments.append(slow_world.now)
        return len(moments) < 3

    began = slow_world.now
    slow_world.call_every(10, happens)
    for seconds, times in ((9, 0), (1, 1), (100, 3), (100, 3)):
        clock.sleep(seconds)
        assert slow_world.now == clock.now
        assert len(moments) == times
    assert moments == [began + 10, began + 20, began + 30]


@pytest.mark.parametrize("how", ["power_off", "shut_down", "suspend", "crash"])
def test_a_machine_is_registered_on_its_last_host_and_comes_back_to_it(
    slow_world: World, clock: FakeClock, how: str
) -> None:
    cluster = slow_world.add_cluster("a", slow_world.add_datacenter("dc"))
    first, second = (slow_world.add_host(name, cluster) for name in ("h1", "h2"))
    slow_world.add_vm("other", cluster=cluster, host=first)
    vm = slow_world.add_vm("web", cluster=cluster, host=first)
    slow_world.power.migrate("web")
    clock.sleep(1)
    getattr(slow_world.power, how)("web")
    clock.sleep(1)
    vm = slow_world.vm("web")
    assert (vm.host_id, vm.home_id, slow_world.registered_host(vm)) == (None, second.id, second)
    slow_world.add_vm("another", cluster=cluster, host=second)
    slow_world.power.start("web")
    clock.sleep(1)
    assert slow_world.vm("web").host_id == second.id


def test_a_machine_has_a_card_and_a_disk(slow_world: World) -> None:
    machines = [slow_world.add_vm(name) for name in ("web", "db")]
    nics = [nic for vm in machines for nic in vm.nics]
    assert len({nic.mac for nic in nics}) == len({nic.id for nic in nics}) == 2
    assert [disk.name for vm in machines for disk in vm.disks] == ["web_Disk1", "db_Disk1"]
    assert machines[0].bootable
    assert not slow_world.change("web", disks=()).bootable
    assert slow_world.add_vm("diskless", bootable=False).disks == ()


def test_a_card_is_connected_at_the_next_start(slow_world: World, clock: FakeClock) -> None:
    (nic,) = slow_world.add_vm("web", OFF).nics
    slow_world.change("web", nics=(replace(nic, connected=False),))
    slow_world.power.start("web")
    assert slow_world.vm("web").nics == (nic,)


def test_events_may_end(slow_world: World, clock: FakeClock) -> None:
    slow_world.event_retention = 60
    slow_world.add_vm("web")
    for _ in range(3):
        slow_world.power.reset("web")
        clock.sleep(40)
    assert [event.number for event in slow_world.events] == [3]
    clock.sleep(60)
    assert slow_world.events == []


def test_ten_minutes_may_pass_in_ten_seconds(slow_world: World, clock: FakeClock) -> None:
    slow_world.add_vm("web", guest=Guest.slow(600))
    slow_world.speed = 60
    before, date = slow_world.now, slow_world.date
    slow_world.power.shut_down("web")
    clock.sleep(9.9)
    assert slow_world.vm("web").state is State.SHUTTING_DOWN
    clock.sleep(0.1)
    assert slow_world.vm("web").state is OFF
    assert slow_world.now - before == pytest.approx(600)
    assert (slow_world.date - date).total_seconds() == pytest.approx(600)
    slow_world.clock_offset = 3600
    assert (slow_world.date - date).total_seconds() == pytest.approx(4200)
