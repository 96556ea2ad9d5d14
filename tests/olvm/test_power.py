"""Power actions, and what an engine makes of them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chaosvm.errors import (
    InvalidValue,
    NoSuchVM,
    OperationFailed,
    OperationRefused,
    PlatformError,
    SelectionError,
)
from chaosvm.lab import Durations, Guest, Lab, Machine, State, World, rule, when
from chaosvm.lab.simulation import EventKind
from chaosvm.olvm import OLVMPlatform
from chaosvm.outcome import How, Outcome, Verified
from chaosvm.runtime import experiment
from chaosvm.vm import PowerState
from tests.fakes import FakeClock
from tests.moments import count_from_sending, eventually, skip_waits
from tests.olvm.conftest import DB, INSTANT_STOP, OTHER, VM, Connect, at_most, failed, sent

ON, OFF, SUSPENDED, PAUSED, UNKNOWN = (
    PowerState.POWERED_ON,
    PowerState.POWERED_OFF,
    PowerState.SUSPENDED,
    PowerState.PAUSED,
    PowerState.UNKNOWN,
)


LOOK = "GET /api/vms/{id}"  # at the one VM that is watched


def once_waiting(world: World, lab: Lab, do: Callable[[], object], skip: int = 0) -> None:
    """Do it when somebody looks for the first time after VM began to shut down."""
    began = threading.Event()

    def heard(vms: Sequence[Machine]) -> None:
        down = any((vm.name, vm.state) == (VM, State.SHUTTING_DOWN) for vm in vms)
        if down and not began.is_set():
            began.set()
            lab.rules(when("GET /api/vms*", do, skip=skip))

    world.listen(heard)


def comes_back_to_up(world: World, lab: Lab) -> None:
    """The guest begins to shut down, and then runs on."""
    world.change(VM, guest=Guest.ignores(600))
    once_waiting(world, lab, lambda: world.change(VM, state=State.RUNNING), skip=1)


def kinds(world: World, outcome: Outcome) -> list[EventKind]:
    """What the engine's log has under the outcome's correlation id."""
    return [e.kind for e in world.events if e.correlation_id == outcome.correlation_id]


# All the verbs -------------------------------------------------------------------------


def test_off_and_on_again(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    off = platform.power_off(VM, graceful=False)
    assert world.vm(VM).state is State.OFF
    assert off.to_json() | {"seconds": 0, "correlation_id": ""} == {
        "name": VM,
        "id": world.vm(VM).id,
        "platform": "olvm",
        "operation": "power_off",
        "before": "powered_on",
        "after": "powered_off",
        "changed": True,
        "how": "hard",
        "seconds": 0,
        "correlation_id": "",
    }
    on = platform.power_on(VM)
    assert world.vm(VM).state is State.RUNNING
    assert (on.before, on.after, on.changed, on.how) == (OFF, ON, True, How.HARD)
    assert sent(lab) == {"stop": 1, "start": 1}
    assert {world.vm(name).state for name in (OTHER, DB)} == {State.RUNNING}


def test_suspend_and_resume(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    """A suspend is accepted while the VM is still up: that is not the end of it."""
    assert platform.suspend(VM).after is SUSPENDED
    assert world.vm(VM).state is State.SUSPENDED
    resumed = platform.power_on(VM)
    assert (resumed.before, resumed.after, resumed.changed) == (SUSPENDED, ON, True)
    booted, started = world.vm(VM).booted_at, world.vm(VM).started_at
    assert booted is not None
    assert started is not None
    assert booted < started
    assert sent(lab) == {"suspend": 1, "start": 1}


def test_a_paused_vm_goes_on(platform: OLVMPlatform, world: World) -> None:
    world.change(VM, state=State.PAUSED)
    outcome = platform.power_on(VM)
    assert (outcome.before, outcome.after, outcome.changed) == (PAUSED, ON, True)
    assert world.vm(VM).state is State.RUNNING


@pytest.mark.parametrize("graceful", [True, False])
def test_a_paused_vm_is_stopped_hard(
    platform: OLVMPlatform, world: World, lab: Lab, graceful: bool
) -> None:
    world.change(VM, state=State.PAUSED)
    outcome = platform.power_off(VM, graceful=graceful)
    assert (outcome.after, outcome.how) == (OFF, How.HARD)
    assert sent(lab) == {"stop": 1}


def test_a_vm_that_is_there_already_is_left_alone(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(OTHER, state=State.OFF)
    world.change(DB, state=State.SUSPENDED)
    for outcome in (platform.power_on(VM), platform.power_off(OTHER), platform.suspend(DB)):
        assert (outcome.changed, outcome.how, outcome.correlation_id) == (False, How.NONE, None)
    assert sent(lab) == {}


def test_a_guest_shuts_down(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    world.change(VM, guest=Guest.slow(0.6))
    outcome = platform.power_off(VM)
    assert (outcome.how, outcome.after, outcome.changed) == (How.GUEST, OFF, True)
    assert outcome.seconds >= 0.6
    assert sent(lab) == {"shutdown": 1}
    assert kinds(world, outcome) == [EventKind.SHUTDOWN_REQUESTED]


def test_a_guest_without_an_agent_shuts_down_by_acpi(platform: OLVMPlatform, world: World) -> None:
    world.change(VM, guest=Guest.without_agent())
    assert platform.power_off(VM).how is How.GUEST


# What the engine makes of a shutdown ---------------------------------------------------


def test_a_guest_without_agent_and_acpi_is_stopped_by_the_engine(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, guest=Guest.deaf())
    outcome = platform.power_off(VM)
    assert (outcome.how, outcome.after, outcome.changed) == (How.ENGINE_CONVERTED, OFF, True)
    assert sent(lab) == {"shutdown": 1}
    # Its record has an id of its own (event-76-json).
    assert kinds(world, outcome) == []
    assert EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN in {event.kind for event in world.events}


def test_a_vm_that_is_no_longer_up_when_the_shutdown_comes(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    lab.rules(when("shutdown", lambda: world.change(VM, state=State.BOOTING)))
    outcome = platform.power_off(VM)
    assert (outcome.how, outcome.after) == (How.ENGINE_CONVERTED, OFF)


def test_only_the_vm_that_was_converted_is_said_to_be(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, guest=Guest.deaf())
    world.change(DB, guest=Guest.slow(0.8))
    batch = platform.batch_power_off({"all": True})
    assert {outcome.name: outcome.how for outcome in batch.outcomes} == {
        VM: How.ENGINE_CONVERTED,
        OTHER: How.GUEST,
        DB: How.GUEST,
    }


def test_an_earlier_conversion_is_not_taken_for_this_one(
    platform: OLVMPlatform, world: World
) -> None:
    world.change(VM, guest=Guest.deaf())
    assert platform.power_off(VM).how is How.ENGINE_CONVERTED
    world.change(VM, guest=Guest.obeys())
    platform.power_on(VM)
    assert platform.power_off(VM).how is How.GUEST


@pytest.mark.parametrize("manner", ["status", "cut", "drop_before"])
def test_events_that_cannot_be_read_do_not_spoil_the_outcome(
    platform: OLVMPlatform, world: World, lab: Lab, manner: str
) -> None:
    lab.rules(rule("GET /api/events", manner, times=1, code=503 if manner == "status" else 0))
    world.change(VM, guest=Guest.deaf())
    assert platform.power_off(VM, timeout=60).how is How.ENGINE_CONVERTED


def test_a_guest_that_comes_back_to_up_is_stopped_hard(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """powering_down and then up again is a refusal: nothing is left to wait for."""
    comes_back_to_up(world, lab)
    outcome = platform.power_off(VM, timeout=60)
    assert (outcome.how, outcome.after) == (How.FALLBACK_HARD, OFF)
    assert "the engine gave up on it" in (outcome.detail or "")
    assert outcome.seconds < 30
    assert sent(lab) == {"shutdown": 1, "stop": 1}
    assert world.vm(VM).state is State.OFF


def test_a_guest_that_comes_back_to_up_fails_with_on_timeout_fail(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    comes_back_to_up(world, lab)
    outcome = failed(lambda: platform.power_off(VM, timeout=60, on_timeout="fail"))
    assert "did not shut down" in (outcome.error or "")
    assert (outcome.after, outcome.changed) == (ON, False)
    assert outcome.seconds < 30
    assert sent(lab) == {"shutdown": 1}
    assert world.vm(VM).state is State.RUNNING


def test_a_guest_that_comes_back_to_up_is_left_with_on_timeout_leave(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    comes_back_to_up(world, lab)
    outcome = platform.power_off(VM, timeout=60, on_timeout="leave")
    assert (outcome.after, outcome.changed) == (ON, False)
    assert "left as it is" in (outcome.detail or "")
    assert outcome.seconds < 30
    assert sent(lab) == {"shutdown": 1}


def test_a_guest_that_takes_too_long_loses_its_power(connect: Connect) -> None:
    clock = FakeClock()
    world = World(clock=clock, durations=INSTANT_STOP)
    world.add_vm(VM, guest=Guest.slow(6000))
    with Lab(world) as lab:
        platform = connect(url=lab.olvm_url, ca_file=lab.ca_file, password=lab.password)
        platform.backend.clock = clock
        outcome = platform.power_off(VM, timeout=600)
        assert (outcome.how, outcome.after) == (How.FALLBACK_HARD, OFF)
        assert 570 <= outcome.seconds < 600
        assert sent(lab) == {"shutdown": 1, "stop": 1}
        platform.disconnect()


def test_a_guest_that_takes_too_long_fails_with_on_timeout_fail(
    platform: OLVMPlatform, world: World
) -> None:
    world.change(VM, guest=Guest.slow(600))
    skip_waits(platform)
    outcome = failed(lambda: platform.power_off(VM, timeout=40, on_timeout="fail"))
    assert "did not shut down" in (outcome.error or "")
    assert outcome.how is How.NONE or outcome.how is How.GUEST
    assert world.vm(VM).state is State.SHUTTING_DOWN


# What is refused, and what is warned about ---------------------------------------------


@pytest.mark.parametrize("graceful", [True, False])
def test_a_suspended_vm_is_not_powered_off(
    platform: OLVMPlatform, world: World, lab: Lab, graceful: bool
) -> None:
    world.change(VM, state=State.SUSPENDED)
    with pytest.raises(OperationRefused, match=r"discards its saved memory.*discard_memory"):
        platform.power_off(VM, graceful=graceful)
    with pytest.raises(OperationRefused, match=VM):
        platform.batch_power_off({"all": True}, graceful=graceful)
    assert sent(lab) == {}
    assert world.vm(VM).state is State.SUSPENDED


@pytest.mark.parametrize("graceful", [True, False])
def test_a_suspended_vm_is_powered_off_where_its_memory_may_go(
    platform: OLVMPlatform, world: World, lab: Lab, graceful: bool
) -> None:
    world.change(VM, state=State.SUSPENDED)
    outcome = platform.power_off(VM, graceful=graceful, discard_memory=True)
    assert (outcome.before, outcome.after, outcome.how) == (SUSPENDED, OFF, How.HARD)
    assert world.vm(VM).state is State.OFF
    assert sent(lab) == {"stop": 1}


def test_a_vm_suspended_between_two_reads_is_not_powered_off(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """It was up in the list, and is suspended when the watch begins."""
    lab.rules(when(LOOK, lambda: world.change(VM, state=State.SUSPENDED)))
    with pytest.raises((OperationFailed, OperationRefused)):
        platform.power_off(VM, graceful=False, timeout=60)
    assert sent(lab) == {}
    assert world.vm(VM).state is State.SUSPENDED


@pytest.mark.parametrize("graceful", [True, False])
def test_a_vm_that_is_being_suspended_is_not_powered_off_when_it_is(
    platform: OLVMPlatform, world: World, lab: Lab, graceful: bool
) -> None:
    """While it is saved it is busy; afterwards a stop would throw its memory away."""
    world.change(VM, state=State.SAVING)
    lab.rules(when(LOOK, lambda: world.change(VM, state=State.SUSPENDED), skip=2))
    with pytest.raises(OperationFailed, match="discards its saved memory"):
        platform.power_off(VM, graceful=graceful, timeout=60)
    assert world.vm(VM).state is State.SUSPENDED


def test_pool_and_stateless_vms_are_not_suspended(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, pool_id=world.new_id())
    world.change(OTHER, stateless=True)
    with pytest.raises(OperationRefused, match=f"'{VM}'.*belongs to a pool"):
        platform.suspend(VM)
    with pytest.raises(OperationRefused, match=f"'{OTHER}'.*is stateless"):
        platform.batch_suspend({"names": [OTHER, DB]})
    assert sent(lab) == {}
    assert world.vm(DB).state is State.RUNNING


def test_pool_and_stateless_vms_are_warned_about_otherwise(
    platform: OLVMPlatform, world: World, warnings_logged: list[str]
) -> None:
    world.change(VM, pool_id=world.new_id())
    world.change(OTHER, stateless=True)
    batch = platform.batch_power_off({"all": True}, graceful=False)
    assert batch.changed == 3
    assert any(VM in message and "belongs to a pool" in message for message in warnings_logged)
    assert any(OTHER in message and "stateless" in message for message in warnings_logged)
    assert not any(DB in message for message in warnings_logged)


@pytest.mark.parametrize("origin", ["hosted_engine", "managed_hosted_engine"])
def test_the_engines_own_vm_is_never_touched(
    platform: OLVMPlatform, world: World, lab: Lab, origin: str
) -> None:
    world.change(DB, origin=origin)
    acts: list[Callable[[], object]] = [
        lambda: platform.power_off(DB),
        lambda: platform.power_off(DB, graceful=False),
        lambda: platform.power_on(DB),
        lambda: platform.reboot(DB),
        lambda: platform.suspend(world.vm(DB).id),
        lambda: platform.batch_power_off({"names": [VM, DB]}),
        lambda: platform.batch_reboot({"ids": [world.vm(DB).id]}),
    ]
    for act in acts:
        with pytest.raises(OperationRefused, match="the engine's own VM"):
            act()
    with pytest.raises(NoSuchVM, match="never touched"):
        platform.batch_power_off({"name": DB})
    assert sent(lab) == {}
    batch = platform.batch_power_off({"all": True}, graceful=False)
    assert {outcome.name for outcome in batch.outcomes} == {VM, OTHER}
    assert [(vm.name, reason) for vm, reason in batch.passed_over] == [
        (DB, "is the engine's own VM")
    ]
    assert world.vm(DB).state is State.RUNNING


@pytest.mark.parametrize("state", [State.OFF, State.SUSPENDED, State.PAUSED])
@pytest.mark.parametrize("graceful", [True, False])
def test_a_reboot_needs_a_running_vm(
    platform: OLVMPlatform, world: World, lab: Lab, state: State, graceful: bool
) -> None:
    world.change(VM, state=state)
    with pytest.raises(OperationRefused, match="needs a running VM"):
        platform.reboot(VM, graceful=graceful)
    assert sent(lab) == {}


@pytest.mark.parametrize("state", [State.OFF, State.PAUSED])
def test_a_suspend_needs_a_running_vm(
    platform: OLVMPlatform, world: World, lab: Lab, state: State
) -> None:
    world.change(VM, state=state)
    with pytest.raises(OperationRefused, match="running VM"):
        platform.suspend(VM)
    assert sent(lab) == {}


@pytest.mark.parametrize("state", [State.UNREACHABLE, State.DISKS_ILLEGAL, State.UNASSIGNED])
def test_a_state_that_the_engine_does_not_know_is_refused(
    platform: OLVMPlatform, world: World, lab: Lab, state: State
) -> None:
    world.change(VM, state=state)
    with pytest.raises(OperationRefused, match="unknown power state"):
        platform.power_off(VM)
    assert sent(lab) == {}


# States that pass -----------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.LAUNCHING, State.BOOTING, State.RESTORING])
def test_a_start_of_what_is_starting_only_waits(
    platform: OLVMPlatform, world: World, lab: Lab, state: State
) -> None:
    world.change(VM, state=state)
    lab.rules(when(LOOK, lambda: world.change(VM, state=State.RUNNING), skip=2))
    outcome = platform.power_on(VM, timeout=60)
    assert outcome.after is ON
    assert lab.requests()[LOOK] >= 3
    assert sent(lab) == {}


def test_a_start_of_what_somebody_else_starts_first(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """A 409 with the VM on its way up is as good as a start."""
    world.change(VM, state=State.OFF)
    lab.rules(when("start", lambda: world.power.start(world.vm(VM).id)))
    world.durations = Durations().times(5)
    outcome = platform.power_on(VM, timeout=60)
    assert outcome.after is ON
    assert sent(lab) == {"start": 1}
    assert world.vm(VM).state is State.RUNNING


def test_a_shutdown_waits_for_a_migration_to_end(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, state=State.MIGRATING)
    lab.rules(when(LOOK, lambda: world.change(VM, state=State.RUNNING), skip=2))
    outcome = platform.power_off(VM, timeout=60)
    assert (outcome.how, outcome.after) == (How.GUEST, OFF)
    assert sent(lab) == {"shutdown": 1}


def test_a_hard_stop_does_not_wait_for_a_boot(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.stick(VM, State.BOOTING)
    world.change(VM, stuck=False)
    outcome = platform.power_off(VM, graceful=False, timeout=60)
    assert (outcome.how, outcome.after, outcome.changed) == (How.HARD, OFF, True)


@pytest.mark.parametrize("state", [State.SHUTTING_DOWN, State.DISKS_LOCKED, State.BOOTING])
def test_a_vm_stuck_in_a_state_ends_with_the_deadline(
    platform: OLVMPlatform, world: World, state: State
) -> None:
    world.stick(VM, state)
    outcome = failed(lambda: skip_waits(platform).power_on(VM, timeout=40))
    assert "transitioning" in (outcome.error or "")
    assert outcome.changed is False


@pytest.mark.parametrize(
    ("act", "state"),
    [
        (lambda p: p.power_off(VM, graceful=False, timeout=2), State.RUNNING),
        (lambda p: p.suspend(VM, timeout=2), State.RUNNING),
        (lambda p: p.power_on(VM, timeout=2), State.OFF),
        (lambda p: p.power_off(VM, timeout=2), State.RUNNING),
        (lambda p: p.reboot(VM, timeout=2), State.RUNNING),
        (lambda p: p.reboot(VM, graceful=False, timeout=2), State.RUNNING),
    ],
)
def test_requests_that_are_accepted_and_never_done(
    platform: OLVMPlatform, world: World, act: Callable[[OLVMPlatform], object], state: State
) -> None:
    world.stick(VM, state)
    with at_most(2):
        outcome = failed(lambda: act(count_from_sending(platform)))
    assert VM in str(outcome)
    assert re.search(r"after \d+ s", outcome.error or "")
    assert outcome.changed is False
    assert outcome.correlation_id


# Locks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "verb", "state"),
    [
        (lambda p: p.power_off(VM, graceful=False), "stop", State.OFF),
        (lambda p: p.power_off(VM), "shutdown", State.OFF),
        (lambda p: p.suspend(VM), "suspend", State.SUSPENDED),
        (lambda p: p.reboot(VM), "reboot", State.RUNNING),
        (lambda p: p.reboot(VM, graceful=False), "reset", State.RUNNING),
    ],
)
def test_a_vm_that_is_locked_is_tried_again(
    platform: OLVMPlatform,
    world: World,
    lab: Lab,
    act: Callable[[OLVMPlatform], Outcome],
    verb: str,
    state: State,
) -> None:
    world.occupy(VM, 600)
    lab.rules(when(verb, lambda: world.occupy(VM, 0), skip=1))
    outcome = act(platform)
    assert outcome.changed
    assert sent(lab) == {verb: 2}
    eventually(lambda: world.vm(VM).state is state)


def test_a_vm_that_stays_locked_was_not_touched(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.occupy(VM, 600)
    outcome = failed(lambda: skip_waits(platform).power_off(VM, graceful=False, timeout=40))
    assert "was not touched" in (outcome.error or "")
    assert "currently in progress" in (outcome.error or "")
    assert (outcome.after, outcome.changed) == (ON, False)
    assert sent(lab)["stop"] >= 2


def test_a_stateless_vm_is_started_when_its_disks_are_clean(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.durations = Durations(clean_up=600)
    world.change(VM, stateless=True)
    platform.power_off(VM, graceful=False)
    lab.rules(when("start", lambda: world.occupy(VM, 0), skip=1))
    assert platform.power_on(VM, timeout=60).after is ON
    assert sent(lab)["start"] == 2


def test_a_conflict_of_state_is_not_tried_again(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, state=State.OFF)
    lab.rules(when("start", lambda: world.change(VM, state=State.UNREACHABLE)))
    outcome = failed(lambda: platform.power_on(VM, timeout=60))
    assert outcome.seconds < 30
    assert sent(lab) == {"start": 1}


def test_a_missing_privilege_is_reported_with_the_engines_text(
    platform: OLVMPlatform, lab: Lab
) -> None:
    lab.rules(rule("stop", "fault", code=403, message="You may not stop it."))
    outcome = failed(lambda: platform.power_off(VM, graceful=False))
    assert "You may not stop it" in (outcome.error or "")
    assert (outcome.after, outcome.changed) == (ON, False)
    assert sent(lab) == {"stop": 1}


def test_a_vm_that_somebody_else_stops_first(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    lab.rules(when("suspend", lambda: world.change(VM, state=State.OFF)))
    outcome = failed(lambda: platform.suspend(VM, timeout=60))
    assert outcome.after is OFF
    assert sent(lab) == {"suspend": 1}


@pytest.mark.parametrize("code", [403, 404, 503])
def test_events_that_cannot_be_read_do_not_spoil_a_shutdown(
    platform: OLVMPlatform, lab: Lab, warnings_logged: list[str], code: int
) -> None:
    lab.rules(rule("GET /api/events", "fault", code=code))
    outcome = platform.power_off(VM, timeout=60)
    assert (outcome.after, outcome.changed, outcome.how) == (OFF, True, How.GUEST)
    assert any("whether the engine forced a VM off" in message for message in warnings_logged)


@pytest.mark.parametrize("path", ["vms", "hosts", "clusters", "datacenters"])
def test_a_missing_list_is_a_platform_error(platform: OLVMPlatform, lab: Lab, path: str) -> None:
    lab.rules(rule(f"GET /api/{path}", "fault", code=404))
    with pytest.raises(PlatformError):
        platform.list_vms()


# Reboots --------------------------------------------------------------------------------


@pytest.mark.parametrize("guest", [Guest.obeys(), Guest.slow(0.7), Guest(shows_reboot=False)])
def test_a_reboot_is_proved_by_the_uptime(
    platform: OLVMPlatform, world: World, lab: Lab, guest: Guest
) -> None:
    world.change(VM, guest=guest)
    before = world.vm(VM).booted_at or 0
    outcome = platform.reboot(VM, timeout=60)
    assert (outcome.before, outcome.after, outcome.changed, outcome.how) == (
        ON,
        ON,
        True,
        How.GUEST,
    )
    assert (world.vm(VM).booted_at or 0) > before
    assert world.vm(VM).state is State.RUNNING
    assert sent(lab) == {"reboot": 1}


def test_a_reset_is_proved_by_the_uptime(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    before = world.vm(VM).booted_at or 0
    outcome = platform.reboot(VM, graceful=False)
    assert (outcome.how, outcome.changed, outcome.detail) == (How.HARD, True, None)
    assert (world.vm(VM).booted_at or 0) > before
    assert world.vm(VM).state is State.RUNNING
    assert sent(lab) == {"reset": 1}


@pytest.mark.parametrize("graceful", [True, False])
def test_a_vm_that_was_just_started_can_be_rebooted(connect: Connect, graceful: bool) -> None:
    """Its uptime was so short that after the reboot it is no shorter, but shorter than due."""
    clock = FakeClock()
    world = World(clock=clock, durations=Durations(boot=60))
    world.add_vm(VM, up_for=40)
    with Lab(world) as lab:
        platform = connect(url=lab.olvm_url, ca_file=lab.ca_file, password=lab.password)
        platform.backend.clock = clock
        outcome = platform.reboot(VM, graceful=graceful, timeout=240)
        assert outcome.changed
        assert outcome.seconds >= 60
        assert sum(sent(lab).values()) == 1
        platform.disconnect()


@pytest.mark.parametrize("late", [0, 10, 15])
def test_an_outdated_uptime_is_no_proof(connect: Connect, late: int) -> None:
    """The engine reads uptimes every 15 s only."""
    clock = FakeClock()
    world = World(clock=clock)
    world.add_vm(VM, up_for=400, guest=Guest.ignores())
    with Lab(world) as lab:
        platform = connect(url=lab.olvm_url, ca_file=lab.ca_file, password=lab.password)
        platform.backend.clock = clock
        clock.at(20, lambda: world.change(VM, booted_at=(world.vm(VM).booted_at or 0) + late))
        outcome = failed(lambda: platform.reboot(VM, timeout=100))
        assert outcome.verified is Verified.NOT_REBOOTED
        assert "has been up for 4" in (outcome.error or "")
        platform.disconnect()


def test_a_vm_that_is_starting_is_rebooted_when_it_is_up(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, state=State.BOOTING)
    lab.rules(when(LOOK, lambda: world.change(VM, state=State.RUNNING), skip=2))
    outcome = platform.reboot(VM, timeout=60)
    assert (outcome.changed, outcome.how) == (True, How.GUEST)
    assert sent(lab) == {"reboot": 1}


@pytest.mark.parametrize("shows", [True, False])
def test_a_guest_that_ignores_the_reboot_is_reported_as_unknown(
    platform: OLVMPlatform, world: World, lab: Lab, shows: bool
) -> None:
    """reboot_in_progress and up again is no proof."""
    world.change(VM, guest=Guest(obedient=False, seconds=0.3, shows_reboot=shows))
    with at_most(2):
        outcome = failed(lambda: count_from_sending(platform).reboot(VM, timeout=2))
    assert "unknown whether it rebooted" in (outcome.error or "")
    assert outcome.changed is False
    assert sent(lab) == {"reboot": 1}


def test_a_reset_that_is_not_supported_is_a_stop_and_a_start(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    old = world.add_cluster("old", version=(4, 5))
    world.add_host("old-1", old)
    world.add_vm("app", cluster=old)
    outcome = platform.reboot("app", graceful=False)
    assert (outcome.how, outcome.after, outcome.changed) == (How.HARD, ON, True)
    assert "stopped and started" in (outcome.detail or "")
    assert sent(lab) == {"reset": 1, "stop": 1, "start": 1}
    assert world.vm("app").state is State.RUNNING
    said = kinds(world, outcome)
    assert said.index(EventKind.POWERED_OFF) < said.index(EventKind.STARTED)


def test_a_batch_of_resets_where_some_are_not_supported(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    old = world.add_cluster("old", version=(4, 2))
    world.add_host("old-1", old)
    world.add_vm("app", cluster=old)
    batch = platform.batch_reboot({"names": [VM, "app"]}, graceful=False, timeout=60)
    details = {outcome.name: outcome.detail for outcome in batch.outcomes}
    assert batch.changed == 2
    assert details[VM] is None
    assert "stopped and started" in (details["app"] or "")
    assert sent(lab) == {"reset": 2, "stop": 1, "start": 1}


@pytest.mark.parametrize(("verb", "graceful"), [("reset", False), ("reboot", True)])
@pytest.mark.parametrize("manner", ["drop_before", "silent", "status", "html", "empty"])
def test_a_reboot_that_was_lost_is_never_sent_twice(
    connect: Connect, lab: Lab, world: World, verb: str, graceful: bool, manner: str
) -> None:
    lab.rules(rule(verb, manner, code=503 if manner == "status" else 0))
    booted = world.vm(VM).booted_at
    with at_most(3):
        platform = count_from_sending(connect(timeout=2))
        outcome = failed(lambda: platform.reboot(VM, graceful=graceful, timeout=3))
    assert "unknown whether it rebooted" in (outcome.error or "")
    assert (outcome.after, outcome.changed) == (UNKNOWN, False)
    assert sent(lab) == {verb: 1}
    assert world.vm(VM).booted_at == booted


@pytest.mark.parametrize(("verb", "graceful"), [("reset", False), ("reboot", True)])
@pytest.mark.parametrize("manner", ["drop_after", "cut", "silent_after", "drip"])
def test_a_reboot_whose_answer_was_lost_is_proved_all_the_same(
    connect: Connect, lab: Lab, world: World, verb: str, graceful: bool, manner: str
) -> None:
    lab.rules(rule(verb, manner))
    before = world.vm(VM).booted_at or 0
    outcome = connect(timeout=2).reboot(VM, graceful=graceful, timeout=60)
    assert (outcome.after, outcome.changed) == (ON, True)
    assert sent(lab) == {verb: 1}
    assert (world.vm(VM).booted_at or 0) > before


@pytest.mark.parametrize(("verb", "graceful"), [("reset", False), ("reboot", True)])
def test_a_connection_that_was_used_before_does_not_repeat_a_reboot(
    connect: Connect, lab: Lab, verb: str, graceful: bool
) -> None:
    """libcurl by itself sends a request again when a connection that it kept dies."""
    platform = count_from_sending(connect())
    platform.list_vms()
    lab.rules(rule(verb, "drop_before"))
    failed(lambda: platform.reboot(VM, graceful=graceful, timeout=3))
    assert sent(lab) == {verb: 1}


# Answers that are lost ------------------------------------------------------------------


@pytest.mark.parametrize("manner", ["drop_after", "cut", "silent_after", "drip"])
@pytest.mark.parametrize("verb", ["stop", "start", "shutdown", "suspend"])
def test_a_lost_answer_is_resolved_by_reading_the_vm(
    connect: Connect, world: World, lab: Lab, verb: str, manner: str
) -> None:
    lab.rules(rule(verb, manner, times=1))
    platform = connect(timeout=2)
    outcome, expected = acted(platform, world, verb)
    assert outcome.changed
    assert world.vm(VM).state is expected
    assert sum(sent(lab).values()) <= 2


@pytest.mark.parametrize(
    ("verb", "manner"),
    [
        ("stop", "drop_before"),
        ("stop", "status"),
        ("stop", "silent"),
        ("start", "drop_before"),
        ("suspend", "drop_before"),
    ],
)
def test_a_lost_request_is_repeated_after_reading_the_vm(
    connect: Connect, world: World, lab: Lab, verb: str, manner: str
) -> None:
    lab.rules(rule(verb, manner, times=1, code=503 if manner == "status" else 0))
    platform = connect(timeout=2)
    outcome, expected = acted(platform, world, verb)
    assert outcome.changed
    assert world.vm(VM).state is expected
    assert lab.applied() == [1]
    assert sent(lab) == {verb: 2}


@pytest.mark.parametrize("manner", ["drop_before", "status", "silent"])
def test_a_shutdown_that_was_lost_is_never_sent_twice(
    connect: Connect, world: World, lab: Lab, manner: str
) -> None:
    """A second one would be a hard stop (act-shutdown-while-powering-down)."""
    lab.rules(rule("shutdown", manner, code=503 if manner == "status" else 0))
    platform = count_from_sending(connect(timeout=2))
    outcome = failed(lambda: platform.power_off(VM, timeout=4, on_timeout="fail"))
    assert "did not shut down" in (outcome.error or "")
    assert sent(lab) == {"shutdown": 1}
    assert world.vm(VM).state is State.RUNNING


def acted(platform: OLVMPlatform, world: World, verb: str) -> tuple[Outcome, State]:
    """Do to the VM what takes this request, and where that has to lead."""
    match verb:
        case "start":
            world.change(VM, state=State.OFF)
            return platform.power_on(VM, timeout=60), State.RUNNING
        case "suspend":
            return platform.suspend(VM, timeout=60), State.SUSPENDED
        case "shutdown":
            return platform.power_off(VM, timeout=60, on_timeout="fail"), State.OFF
    return platform.power_off(VM, graceful=False, timeout=60), State.OFF


def test_an_empty_answer_to_a_stop_is_no_refusal(connect: Connect, world: World, lab: Lab) -> None:
    lab.rules(rule("stop", "empty", times=1))
    assert connect().power_off(VM, graceful=False, timeout=60).changed
    assert world.vm(VM).state is State.OFF


def test_an_engine_that_is_down_from_the_start_of_the_watch_on(connect: Connect, lab: Lab) -> None:
    lab.rules(rule("GET /api/vms/{id}", "status", skip=1, code=503))
    with at_most(3):
        platform = count_from_sending(connect())
        outcome = failed(lambda: platform.power_off(VM, graceful=False, timeout=3))
    assert "unknown" in (outcome.error or "")
    assert outcome.after is UNKNOWN


@pytest.mark.parametrize("manner", ["status", "html", "cut", "drop_before", "drop_after", "silent"])
def test_a_broken_watch_is_made_good(connect: Connect, world: World, lab: Lab, manner: str) -> None:
    code = 503 if manner == "status" else 0
    lab.rules(rule("GET /api/vms/{id}", manner, skip=1, times=2, code=code))
    world.change(VM, guest=Guest.slow(0.5))
    outcome = connect(timeout=2).power_off(VM, timeout=60)
    assert (outcome.how, outcome.after) == (How.GUEST, OFF)
    assert sent(lab) == {"shutdown": 1}


@pytest.mark.parametrize("manner", ["status", "cut", "drop_before"])
def test_a_broken_watch_of_a_batch_is_made_good(
    connect: Connect, world: World, lab: Lab, manner: str
) -> None:
    code = 503 if manner == "status" else 0
    # After the inventory, those that are marked as protected, and the first look.
    lab.rules(rule("GET /api/vms", manner, skip=3, times=3, code=code))
    assert connect(timeout=3).batch_power_off({"all": True}, timeout=60).changed == 3
    assert sent(lab) == {"shutdown": 3}


# VMs that change while they are watched -------------------------------------------------


@pytest.mark.parametrize("selection", [{"names": [VM]}, {"all": True}])
def test_a_vm_that_is_deleted_while_waiting(
    platform: OLVMPlatform, world: World, lab: Lab, selection: dict[str, Any]
) -> None:
    world.change(VM, guest=Guest.slow(60))
    once_waiting(world, lab, lambda: world.remove_vm(VM))
    with pytest.raises(OperationFailed, match=f"'{VM}'.*no longer exists") as caught:
        platform.batch_power_off(selection, timeout=60)
    gone = [outcome for outcome in caught.value.outcomes if outcome.failed]
    assert [outcome.name for outcome in gone] == [VM]
    assert gone[0].seconds < 30


def test_an_answer_about_a_vm_that_is_gone_ends_no_batch(
    connect: Connect, world: World, lab: Lab
) -> None:
    """Its job is over while its own request is still under way."""
    lab.rules(
        when("stop", lambda: world.remove_vm(VM), vm=VM),
        rule("stop", "silent", vm=VM),
    )
    with pytest.raises(OperationFailed, match=f"'{VM}'.*no longer exists") as caught:
        connect(timeout=2).batch_power_off({"all": True}, graceful=False, timeout=60)
    changed = {outcome.name: outcome.changed for outcome in caught.value.outcomes}
    assert changed == {VM: False, OTHER: True, DB: True}


def test_a_vm_that_is_deleted_before_the_request(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    lab.rules(when("stop", lambda: world.remove_vm(VM)))
    outcome = failed(lambda: platform.power_off(VM, graceful=False, timeout=60))
    assert "no longer exists" in (outcome.error or "")


@pytest.mark.parametrize("selection", [{"names": [VM]}, {"all": True}])
def test_a_vm_that_is_renamed_while_waiting(
    platform: OLVMPlatform, world: World, lab: Lab, selection: dict[str, Any]
) -> None:
    world.change(VM, guest=Guest.slow(1))
    vm_id = world.vm(VM).id
    once_waiting(world, lab, lambda: world.change(vm_id, name="other-name"))
    batch = platform.batch_power_off(selection, timeout=60)
    assert {outcome.how for outcome in batch.outcomes} == {How.GUEST}
    assert world.vm(vm_id).state is State.OFF


def test_a_vm_that_takes_the_name_of_another_is_not_taken_for_it(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, guest=Guest.slow(1))
    watched = world.vm(VM).id

    def swap() -> None:
        world.change(watched, name="other-name")
        world.add_vm(VM, State.OFF)

    once_waiting(world, lab, swap)
    outcome = platform.power_off(VM, timeout=60)
    assert (outcome.id, outcome.after) == (watched, OFF)
    assert outcome.seconds >= 1


def test_a_vm_that_somebody_else_suspends(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    world.change(VM, guest=Guest.slow(60))
    once_waiting(world, lab, lambda: world.stick(VM, State.SUSPENDED))
    outcome = failed(lambda: platform.power_off(VM, timeout=60))
    assert "something else changed it" in (outcome.error or "")
    assert world.vm(VM).state is State.SUSPENDED


# What is left behind at the engine ------------------------------------------------------


@pytest.mark.parametrize(
    ("graceful", "kind"),
    [(False, EventKind.POWERED_OFF), (True, EventKind.SHUTDOWN_REQUESTED)],
)
def test_reason_and_correlation_id_are_in_the_engines_events(
    platform: OLVMPlatform,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    graceful: bool,
    kind: EventKind,
) -> None:
    monkeypatch.setattr(experiment, "_titles", lambda stack: iter(["Do we survive? <ü&>"]))
    outcome = platform.power_off(VM, graceful=graceful)
    (event,) = [event for event in world.events if event.kind is kind]
    assert event.correlation_id == outcome.correlation_id
    assert event.vm_name == VM
    assert event.reason == "Chaos Toolkit experiment: Do we survive? <ü&>"
    assert len(outcome.correlation_id or "") <= 36


def test_every_call_has_a_correlation_id_of_its_own(platform: OLVMPlatform, world: World) -> None:
    outcomes = [
        platform.power_off(VM, graceful=False),
        platform.power_on(VM),
        platform.reboot(OTHER),
        platform.reboot(DB, graceful=False),
        platform.suspend(VM),
    ]
    assert len({outcome.correlation_id for outcome in outcomes}) == 5
    assert [kinds(world, outcome)[0] for outcome in outcomes] == [
        EventKind.POWERED_OFF,
        EventKind.START_REQUESTED,
        EventKind.REBOOT_REQUESTED,
        EventKind.RESET,
        EventKind.SUSPEND_REQUESTED,
    ]


# Many at once ---------------------------------------------------------------------------


def test_fifty_hard_stops_cost_little_more_than_their_requests(connect: Connect) -> None:
    world = World(durations=Durations(power_off=0.3))
    for number in range(50):
        world.add_vm(f"app-{number:02}")
    with Lab(world) as lab:
        platform = connect(url=lab.olvm_url, ca_file=lab.ca_file, password=lab.password)
        platform.connect()
        lab.reset_requests()
        start = time.monotonic()
        batch = platform.batch_power_off({"all": True}, graceful=False, parallel=20)
        took = time.monotonic() - start
        assert (batch.changed, batch.failed) == (50, 0)
        assert sent(lab) == {"stop": 50}
        assert sum(lab.requests().values()) <= 95
        assert took < 12  # one by one it would be 15 s
        platform.disconnect()


def test_sixty_guests_cost_little_more_than_a_request_each(connect: Connect) -> None:
    world = World(durations=Durations(power_off=0.3))
    for number in range(60):
        world.add_vm(f"app-{number:02}")
    with Lab(world) as lab:
        platform = connect(url=lab.olvm_url, ca_file=lab.ca_file, password=lab.password)
        platform.connect()
        lab.reset_requests()
        assert platform.batch_power_off({"all": True}, parallel=20).changed == 60
        assert sent(lab) == {"shutdown": 60}
        assert sum(lab.requests().values()) <= 110
        platform.disconnect()


def test_a_batch_sends_no_more_at_once_than_it_may(connect: Connect, lab: Lab) -> None:
    lab.rules(rule("stop", "delay", seconds=0.3))
    start = time.monotonic()
    connect().batch_power_off({"all": True}, graceful=False, parallel=1)
    assert time.monotonic() - start >= 0.9


def test_a_batch_reports_each_vm(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    world.change(OTHER, state=State.OFF)
    lab.rules(rule("stop", "fault", vm=DB, code=403, message="You may not."))
    with pytest.raises(OperationFailed) as caught:
        platform.batch_power_off({"all": True}, graceful=False)
    text = str(caught.value)
    assert f"failed for 1 of 3 VMs: '{DB}'" in text
    assert f"changed: '{VM}' ({world.vm(VM).id})" in text
    assert f"not changed: '{OTHER}'" in text
    assert {vm.name: vm.state for vm in world.vms} == {
        VM: State.OFF,
        OTHER: State.OFF,
        DB: State.RUNNING,
    }


def test_the_same_seed_draws_the_same_vms(platform: OLVMPlatform, world: World) -> None:
    selection = {"all": True, "count": 2, "seed": 11}
    off = platform.batch_power_off(selection, graceful=False)
    assert (off.changed, off.seed) == (2, 11)
    on = platform.batch_power_on(selection)
    assert {o.id for o in on.outcomes} == {o.id for o in off.outcomes}
    assert {vm.state for vm in world.vms} == {State.RUNNING}


@pytest.mark.parametrize(
    "act",
    [
        lambda p: p.power_off("no-such-vm"),
        lambda p: p.power_off(""),
        lambda p: p.power_off("${vm_name}"),
        lambda p: p.power_off(VM, timeout=0),
        lambda p: p.power_off(VM, on_timeout="explode"),
        lambda p: p.power_off(VM, graceful="perhaps"),
        lambda p: p.power_off(VM, discard_memory="perhaps"),
        lambda p: p.batch_power_off({}),
        lambda p: p.batch_power_off({"name": "nothing*"}),
        lambda p: p.batch_power_off({"names": [VM, "no-such-vm"]}),
        lambda p: p.batch_power_off({"all": True, "count": 99}),
        lambda p: p.batch_power_off({"all": True}, parallel=0),
        lambda p: p.batch_power_off({"all": True}, discard_memory=3),
    ],
)
def test_wrong_input_never_changes_anything(
    platform: OLVMPlatform, world: World, lab: Lab, act: Callable[[OLVMPlatform], object]
) -> None:
    with pytest.raises((InvalidValue, SelectionError)):
        act(platform)
    assert sent(lab) == {}
    assert {vm.state for vm in world.vms} == {State.RUNNING}
