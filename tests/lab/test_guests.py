"""What guests report in the simulated world, and their tags, on a fake clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaosvm.lab import Guest, State, World
from chaosvm.lab.simulation import GuestStatus
from tests.fakes import FakeClock

OFF = State.OFF
ADDRESS = "192.0.2.7"


def guest(world: World) -> GuestStatus:
    return world.guest_status(world.vm("web"))


def test_an_agent_and_addresses_come_some_time_after_the_boot(
    slow_world: World, clock: FakeClock
) -> None:
    late = Guest(agent_after=5, ip_after=10)
    slow_world.add_vm("web", OFF, guest=late, ip_addresses=(ADDRESS,))
    slow_world.power.start("web")
    seen = []
    for seconds in (0.1, 1, 5, 5):
        clock.sleep(seconds)
        status = guest(slow_world)
        seen.append((status.up, status.agent_running, status.heartbeat, status.ip_addresses))
    assert seen == [
        (False, False, "gray", ()),
        (True, False, "gray", ()),
        (True, True, "green", ()),
        (True, True, "green", (ADDRESS,)),
    ]
    slow_world.power.power_off("web")
    clock.sleep(1)
    assert guest(slow_world) == GuestStatus(
        up=False,
        agent_running=False,
        heartbeat="gray",
        ip_addresses=(),
        uptime=None,
        boots=1,
        rebooting=False,
    )


@pytest.mark.parametrize("how", ["reboot", "reset"])
def test_the_heartbeat_is_lost_during_a_reboot(
    slow_world: World, clock: FakeClock, how: str
) -> None:
    slow_world.add_vm("web", guest=Guest(seconds=0.1, agent_after=1))
    getattr(slow_world.power, how)("web")
    seen = [guest(slow_world).heartbeat]
    for _ in range(200):
        clock.sleep(0.01)
        if guest(slow_world).heartbeat != seen[-1]:
            seen.append(guest(slow_world).heartbeat)
    assert seen == ["green", "yellow", "red", "green"][how == "reset" :]
    assert guest(slow_world).boots == 1


def test_a_guest_that_hangs_does_not_obey_until_it_is_reset(
    slow_world: World, clock: FakeClock
) -> None:
    slow_world.add_vm("web")
    slow_world.hang("web")
    assert (guest(slow_world).up, guest(slow_world).heartbeat) == (False, "yellow")
    slow_world.power.shut_down("web")
    clock.sleep(1)
    assert (slow_world.vm("web").state, guest(slow_world).heartbeat) == (State.RUNNING, "red")
    slow_world.power.reset("web")
    clock.sleep(1)
    assert (guest(slow_world).up, guest(slow_world).heartbeat) == (True, "green")


def off_and_on(world: World, clock: FakeClock) -> None:
    world.power.power_off("web")
    clock.sleep(1)
    world.power.start("web")


def suspend_and_resume(world: World, clock: FakeClock) -> None:
    world.power.suspend("web")
    clock.sleep(1000)
    world.power.start("web")


def fail_over(world: World, clock: FakeClock) -> None:
    world.change("web", highly_available=True)
    world.power.crash("web")


@pytest.mark.parametrize(
    ("act", "uptime", "boots"),
    [
        (lambda world, clock: world.power.reboot("web"), 9.9, 1),
        (lambda world, clock: world.power.reset("web"), 10, 1),
        (off_and_on, 10, 1),
        (fail_over, 9.8, 1),
        (suspend_and_resume, 3610.2, 0),
    ],
    ids=["reboot", "reset", "off and on", "restart", "suspend and resume"],
)
def test_the_uptime_is_the_guests(
    slow_world: World,
    clock: FakeClock,
    act: Callable[[World, FakeClock], None],
    uptime: float,
    boots: int,
) -> None:
    slow_world.add_vm("web")
    act(slow_world, clock)
    clock.sleep(10)
    assert (guest(slow_world).uptime, guest(slow_world).boots) == (pytest.approx(uptime), boots)


def test_addresses_may_change_with_each_boot_and_go(slow_world: World, clock: FakeClock) -> None:
    addresses = ("192.0.2.254", "2001:db8::7")
    vm = slow_world.add_vm("web", guest=Guest(new_addresses=True), ip_addresses=addresses)
    slow_world.power.reboot("web")
    clock.sleep(1)
    assert guest(slow_world).ip_addresses == ("192.0.2.1", "2001:db8::8")
    slow_world.change("web", nics=(replace(vm.nics[0], connected=False),))
    assert guest(slow_world).ip_addresses == ()


def test_tags_are_made_changed_and_removed(slow_world: World) -> None:
    slow_world.add_vm("web")
    tier = slow_world.create_tag("tier")
    gold = slow_world.create_tag("gold", parent="tier", description="the best")
    slow_world.assign_tag("web", "gold")
    slow_world.assign_tag("web", "gold")
    assert slow_world.tags_of(slow_world.vm("web")) == ("gold", "tier")
    renamed = slow_world.update_tag(gold.id, name="silver")
    slow_world.update_tag(tier.id, name="level")
    assert (renamed.id, slow_world.tag("silver").parent) == (gold.id, "level")
    assert slow_world.tags_of(slow_world.vm("web")) == ("silver", "level")
    slow_world.unassign_tag("web", "silver")
    assert slow_world.vm("web").tags == ()
    slow_world.assign_tag("web", "silver")
    slow_world.delete_tag("silver")
    assert (slow_world.vm("web").tags, [tag.name for tag in slow_world.tags]) == ((), ["level"])
