"""What the engine refuses, and what becomes of the VM then. Texts are as recorded (act-*)."""

from __future__ import annotations

import pytest

from chaosvm.lab import Lab, State, World, rule, when
from chaosvm.olvm import OLVMPlatform
from chaosvm.outcome import How
from chaosvm.vm import PowerState
from tests.fakes import FakeClock
from tests.olvm.conftest import INSTANT_STOP, VM, failed, sent

NO_DISK = "Cannot run VM without at least one bootable disk.\nAlternatives:\n- Create a disk"
LOCKED = "Cannot run VM. Related operation is currently in progress. Please try again later."
GONE = "Desktop does not exist"
NETWORK = "Network error during communication with the Host."
NO_POINTER = "java.lang.NullPointerException: Cannot invoke VM.getStatus()"
OFF, ON, UNKNOWN = PowerState.POWERED_OFF, PowerState.POWERED_ON, PowerState.UNKNOWN
READ = "GET /api/vms/{id}"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def world(clock: FakeClock) -> World:
    made = World(clock=clock, durations=INSTANT_STOP)
    made.add_vm(VM)
    return made


# 409: a lock, or for good ------------------------------------------------------------


def test_what_is_refused_for_good_is_not_tried_for_long(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """Each start that is refused is an error in the engine's log."""
    world.change(VM, state=State.OFF)
    lab.rules(rule("start", "fault", code=409, message=NO_DISK))
    outcome = failed(lambda: platform.power_on(VM, timeout=300))
    assert outcome.seconds < 15
    assert sent(lab) == {"start": 5}
    assert "refused the power on 5 times with the same error" in (outcome.error or "")
    assert "without at least one bootable disk" in (outcome.error or "")
    assert (outcome.after, outcome.changed, outcome.how) == (OFF, False, How.NONE)


@pytest.mark.parametrize(
    "text",
    [
        LOCKED,
        "Cannot run VM. Snapshot is currently being created for VM Web-04.",
        "Cannot run VM: VM is locked. Please try again in a few minutes.",
        "Cannot run VM: The following disks are locked: wu-disk. Please try again in a few minutes",
        "Cannot run VM. The VM is performing an operation on a Snapshot. Please wait.",
    ],
)
def test_a_lock_is_waited_for(platform: OLVMPlatform, world: World, lab: Lab, text: str) -> None:
    world.change(VM, state=State.OFF)
    lab.rules(rule("start", "fault", code=409, message=text, times=8))
    assert platform.power_on(VM, timeout=300).changed
    assert sent(lab) == {"start": 9}


def test_words_that_change_are_no_refusal_for_good(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, state=State.OFF)
    lab.rules(
        *(rule("start", "fault", code=409, message=f"Reason {each}.", times=1) for each in range(7))
    )
    assert platform.power_on(VM, timeout=300).changed


def test_a_suspend_whose_answer_was_lost_is_not_refused_for_good(
    platform: OLVMPlatform, lab: Lab
) -> None:
    """The second one meets the first: VM is hibernating (act-suspend-again)."""
    lab.rules(
        rule("suspend", "drop_before", times=1),
        rule("suspend", "fault", code=409, message="Cannot hibernate VM. Not now."),
    )
    outcome = failed(lambda: platform.suspend(VM, timeout=12))
    assert outcome.after is UNKNOWN
    assert "unknown" in (outcome.error or "")


# 400: gone, met by another, or unknown -------------------------------------------------


def test_a_reset_that_meets_a_stop_starts_nothing(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """The VM was being destroyed when the reset came (act-reset-while-powering-down)."""

    def stopped_meanwhile() -> None:
        world.change(VM, state=State.OFF)

    lab.rules(
        when("reset", stopped_meanwhile),
        rule("reset", "fault", code=400, message=GONE),
    )
    outcome = failed(lambda: platform.reboot(VM, graceful=False, timeout=20))
    assert sent(lab) == {"reset": 1}
    assert (outcome.after, outcome.changed) == (OFF, False)
    assert world.vm(VM).state is State.OFF


def test_a_reset_of_a_vm_that_is_gone(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    lab.rules(
        when("reset", lambda: world.remove_vm(VM)),
        rule("reset", "fault", code=400, message="Cannot reset VM. VM is not found."),
    )
    outcome = failed(lambda: platform.reboot(VM, graceful=False, timeout=20))
    assert "no longer exists" in (outcome.error or "")
    assert sent(lab) == {"reset": 1}


def test_a_reset_that_fails_is_not_taken_for_one_that_is_not_supported(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    lab.rules(rule("reset", "fault", code=400, message=NETWORK))
    outcome = failed(lambda: platform.reboot(VM, graceful=False, timeout=20))
    assert sent(lab) == {"reset": 1}
    assert "unknown whether it rebooted" in (outcome.error or "")
    assert outcome.after is UNKNOWN
    assert world.vm(VM).state is State.RUNNING


def test_an_engine_that_knows_no_reset(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    """As it answers any action that it does not know (vm-unknown-action)."""
    unknown = "RESTEASY003210: Could not find resource for full path"
    lab.rules(rule("reset", "status", code=404, message=unknown))
    outcome = platform.reboot(VM, graceful=False, timeout=20)
    assert "stopped and started" in (outcome.detail or "")
    assert sent(lab) == {"reset": 1, "stop": 1, "start": 1}


@pytest.mark.parametrize(("verb", "graceful"), [("stop", False), ("shutdown", True)])
def test_a_stop_that_meets_another_is_done(
    platform: OLVMPlatform, world: World, lab: Lab, verb: str, graceful: bool
) -> None:
    lab.rules(
        when(verb, lambda: world.change(VM, state=State.OFF)),
        rule(verb, "fault", code=400, message=GONE),
    )
    outcome = platform.power_off(VM, graceful=graceful, timeout=20)
    assert (outcome.after, outcome.error) == (OFF, None)
    assert sent(lab) == {verb: 1}


@pytest.mark.parametrize("message", ["", NETWORK])
def test_a_stop_that_the_engine_could_not_finish_is_unknown(
    platform: OLVMPlatform, world: World, lab: Lab, message: str
) -> None:
    """The VM of a host that died reads up (act-stop-while-host-non-responsive: the detail [])."""
    lab.rules(rule("stop", "fault", code=400, message=message))
    outcome = failed(lambda: platform.power_off(VM, graceful=False, timeout=60))
    assert (outcome.after, outcome.changed) == (UNKNOWN, False)
    assert "the outcome is unknown" in (outcome.error or "")
    assert "refused" not in (outcome.error or "")
    assert 2 <= sent(lab)["stop"] <= 4


def test_what_was_unknown_is_seen_in_the_end(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    lab.rules(
        when(READ, lambda: world.change(VM, state=State.OFF), skip=3),
        rule("stop", "fault", code=400, message=""),
    )
    outcome = platform.power_off(VM, graceful=False, timeout=60)
    assert (outcome.after, outcome.changed) == (OFF, True)


def test_a_shutdown_that_the_engine_could_not_finish_ends_hard(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """It is sent once: a second one would be a hard stop."""
    lab.rules(rule("shutdown", "fault", code=400, message=NETWORK))
    outcome = platform.power_off(VM, timeout=60)
    assert (outcome.after, outcome.how) == (OFF, How.FALLBACK_HARD)
    assert sent(lab) == {"shutdown": 1, "stop": 1}


def test_a_start_without_a_host_is_refused_at_once(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, state=State.OFF)
    text = "There are no hosts to use. Check that the cluster contains at least one host in Up."
    lab.rules(rule("start", "fault", code=400, message=text))
    outcome = failed(lambda: platform.power_on(VM, timeout=60))
    assert "no hosts to use" in (outcome.error or "")
    assert (outcome.after, outcome.seconds < 2) == (OFF, True)
    assert sent(lab) == {"start": 1}


# 500 ------------------------------------------------------------------------------------


def test_a_start_of_a_vm_that_is_gone(platform: OLVMPlatform, world: World, lab: Lab) -> None:
    """The engine answers 500 (vm-start-unknown): nothing to repeat."""
    world.change(VM, state=State.OFF)
    lab.rules(
        when("start", lambda: world.remove_vm(VM)),
        rule("start", "fault", code=500, message=NO_POINTER),
    )
    outcome = failed(lambda: platform.power_on(VM, timeout=20))
    assert "no longer exists" in (outcome.error or "")
    assert sent(lab) == {"start": 1}


# Starts of what is starting already ---------------------------------------------------


def test_a_start_that_somebody_elses_failed_start_came_before_is_sent(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    """It was starting in the inventory, and is down when it is looked at."""
    world.stick(VM, State.BOOTING)
    lab.rules(when(READ, lambda: world.release(VM, State.OFF)))
    outcome = platform.power_on(VM, timeout=20)
    assert (outcome.after, outcome.changed) == (ON, True)
    assert sent(lab) == {"start": 1}


def test_a_start_that_meets_one_that_fails_is_sent_again(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, state=State.OFF)
    lab.rules(
        when("start", lambda: world.stick(VM, State.BOOTING)),
        when(READ, lambda: world.release(VM, State.OFF), skip=3),
        rule("start", "fault", code=409, message="Cannot run VM because ...", times=1),
    )
    outcome = platform.power_on(VM, timeout=20)
    assert (outcome.after, outcome.changed) == (ON, True)
    assert sent(lab) == {"start": 2}


def test_a_start_that_meets_one_that_succeeds_changed_nothing(
    platform: OLVMPlatform, world: World, lab: Lab
) -> None:
    world.change(VM, state=State.OFF)
    lab.rules(
        when("start", lambda: world.stick(VM, State.BOOTING)),
        when(READ, lambda: world.release(VM, State.RUNNING), skip=3),
        rule("start", "fault", code=409, message="Cannot run VM because ..."),
    )
    outcome = platform.power_on(VM, timeout=20)
    assert (outcome.after, outcome.changed) == (ON, False)
    assert "by itself" in (outcome.detail or "")
    assert sent(lab) == {"start": 1}


# 404: there is no VM, or no engine ----------------------------------------------------


@pytest.mark.parametrize("action", ["reset", "stop", "shutdown"])
def test_a_web_server_that_has_no_engine_is_no_sign_of_a_missing_vm(
    platform: OLVMPlatform, world: World, lab: Lab, action: str
) -> None:
    """As recorded while an engine stops: its web server answers 404 with a page."""
    lab.rules(
        rule(f"POST /api/vms/{{id}}/{action}", "status", code=404, times=2),
        rule(READ, "status", code=404, skip=1, times=4),
    )
    act = platform.reboot if action == "reset" else platform.power_off
    outcome = act(VM, graceful=action == "shutdown", timeout=200)
    assert (outcome.error, outcome.changed) == (None, True)
    assert sent(lab)[action] == 3
    assert "start" not in sent(lab)
