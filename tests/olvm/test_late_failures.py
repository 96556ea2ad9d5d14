"""Accepted requests that fail later, and what the engine reports only in its events."""

from __future__ import annotations

import re

import pytest

from chaosvm.lab import Guest, Lab, Role, State, World, rule, when
from chaosvm.olvm import OLVMPlatform, inventory
from chaosvm.outcome import How
from chaosvm.vm import PowerState
from tests.fakes import FakeClock
from tests.olvm.conftest import DB, INSTANT_STOP, OTHER, VM, Connect, failed, sent

OFF, ON = PowerState.POWERED_OFF, PowerState.POWERED_ON
LOOK = "GET /api/vms/{id}"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def world(clock: FakeClock) -> World:
    made = World(clock=clock, durations=INSTANT_STOP)
    for name in (VM, OTHER, DB):
        made.add_vm(name)
    return made


# Starts --------------------------------------------------------------------------------


def test_a_start_that_fails_on_every_host_is_not_waited_out(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """Event 54 with the id of the call tells (events-failed-start)."""
    world.change(VM, state=State.OFF, fails_to_start=True)
    outcome = failed(lambda: platform.power_on(VM, timeout=300))
    assert outcome.seconds < 60
    assert (outcome.error or "") == (
        "refused the power on: no host could start the VM (tried host-1): internal error: "
        "process exited while connecting to monitor"
    )
    assert (outcome.after, outcome.changed) == (OFF, False)
    assert sent(lab) == {"start": 1}


def test_a_start_without_a_disk_is_given_up(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    world.change(VM, state=State.OFF, disks=())
    outcome = failed(lambda: platform.power_on(VM, timeout=300))
    assert outcome.seconds < 15
    assert "bootable disk" in (outcome.error or "")
    assert sent(lab) == {"start": 5}


def test_a_lock_before_a_start_is_not_taken_for_a_start_that_failed(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """Each try leaves a 54 under the id of the call (events-stateless)."""
    world.change(VM, state=State.OFF, stateless=True)
    world.occupy(VM, 5)
    assert platform.power_on(VM, timeout=300).after is ON
    assert sent(lab)["start"] > 1


# Suspends ------------------------------------------------------------------------------


def test_a_suspend_that_the_engine_drops_is_noticed(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """The VM is rebooting when all is ready for it; no event tells (events-db-01)."""
    world.change(VM, guest=Guest.slow(20))
    lab.rules(when(LOOK, lambda: world.power.reboot(world.vm(VM).id), skip=2))
    outcome = failed(lambda: platform.suspend(VM, timeout=300))
    assert "the engine dropped the suspend" in (outcome.error or "")
    assert (outcome.after, outcome.changed) == (ON, False)
    assert outcome.seconds < 120
    assert sent(lab) == {"suspend": 1}


def test_a_vm_that_goes_off_instead_of_being_suspended_was_changed_by_others(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    lab.rules(when(LOOK, lambda: world.change(VM, state=State.OFF), skip=2))
    outcome = failed(lambda: platform.suspend(VM, timeout=300))
    assert "something else changed it" in (outcome.error or "")
    assert (outcome.after, outcome.changed) == (OFF, False)


# Shutdowns -----------------------------------------------------------------------------


def test_converted_shutdowns_are_reported_per_vm(platform: OLVMPlatform, world: World) -> None:
    world.change(VM, guest=Guest.deaf())
    batch = platform.batch_power_off({"all": True}, timeout=60)
    hows = {outcome.name: outcome.how for outcome in batch.outcomes}
    assert hows == {VM: How.ENGINE_CONVERTED, OTHER: How.GUEST, DB: How.GUEST}


def test_events_that_take_too_long_are_not_waited_for(
    connect: Connect, warnings_logged: list[str]
) -> None:
    """For users with few permissions an engine takes half a minute."""
    world = World()
    world.add_vm(VM, guest=Guest.deaf())
    with Lab(world, platforms=["olvm"]) as lab:
        lab.rules(rule("GET /api/events", "silent"))
        platform = connect(url=lab.olvm_url, ca_file=lab.ca_file, password=lab.password)
        outcome = platform.power_off(VM, timeout=60)
        lab.rules()
        platform.disconnect()
    assert (outcome.after, outcome.how, outcome.error) == (OFF, How.GUEST, None)
    assert outcome.seconds < 20
    assert any("whether the engine forced a VM off" in message for message in warnings_logged)


# Users with roles of the type user only --------------------------------------------------


def test_a_user_with_a_role_on_one_vm(world: World, connect: Connect, clock: FakeClock) -> None:
    world.add_user("tester@internal", "s3cret", Role.USER, [VM])
    user = connect(username="tester@internal", password="s3cret")
    user.backend.clock = clock
    assert [vm.name for vm in user.list_vms()] == [VM]
    assert user.get_vm(VM).tags is None
    assert user.power_off(VM, graceful=False).changed
    assert world.vm(OTHER).state is State.RUNNING


def test_a_user_without_a_role_gets_the_reason(world: World, connect: Connect) -> None:
    world.add_user("nobody@internal", "s3cret", Role.NONE)
    with pytest.raises(Exception, match="not authorized to perform login"):
        connect(username="nobody@internal", password="s3cret").count_vms()


# What does not come back as it was ----------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "warning"),
    [
        ({"changes_at_next_start": True}, "apply at its next start"),
        ({"run_once": True}, "Run Once"),
        ({"run_once": True, "pool_id": "p"}, "belongs to a pool.*; and it was started"),
    ],
)
def test_a_vm_that_does_not_come_back_as_it_is_is_warned_of(
    platform: OLVMPlatform,
    monkeypatch: pytest.MonkeyPatch,
    warnings_logged: list[str],
    metadata: dict[str, object],
    warning: str,
) -> None:
    original = inventory._metadata
    monkeypatch.setattr(inventory, "_metadata", lambda parts: {**original(parts), **metadata})
    (forecast,) = platform.plan("power_off", {"names": [VM]}).previews
    assert forecast.warning is not None
    assert platform.plan("suspend", {"names": [OTHER]}).previews[0].warning != forecast.warning
    platform.power_off(VM, graceful=False)
    assert any(re.search(warning, each) for each in (*warnings_logged, forecast.warning))
