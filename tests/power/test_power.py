from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from chaosvm.backend import CommandHandle, Observation, PowerCommand
from chaosvm.errors import (
    AnswerLost,
    Busy,
    CommandFailed,
    ConnectionFailed,
    DeadlinePassed,
    GuestUnavailable,
    InWrongState,
    LedgerError,
    NotSupported,
    OperationFailed,
    OperationRefused,
    PermissionDenied,
    PlatformError,
    VMGone,
)
from chaosvm.ledger import ledger_for_run
from chaosvm.outcome import How, Outcome
from chaosvm.power import run_operation
from chaosvm.power import runner as power
from chaosvm.power.dispatcher import Dispatcher
from chaosvm.power.job import Job
from chaosvm.runtime import Deadline, experiment
from chaosvm.service.orders import checked_order
from chaosvm.vm import PowerState
from tests.fakes import (
    OFF,
    ON,
    SUSPENDED,
    FakePlatform,
    FakeWatch,
    Machine,
    does,
    fails,
    ignores,
    loses_answer,
    refuses,
)

UNKNOWN, PAUSED = PowerState.UNKNOWN, PowerState.PAUSED
BUSY = Busy("another task is running on the VM")
NO_TOOLS = GuestUnavailable("the tools are not running in the guest")
NO_CONNECTION = ConnectionFailed("no connection to vcenter")
GONE = VMGone("the VM no longer exists")


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """An event that a request may wait for, set at the end of the test at the latest.

    Time stands still for a request that waits, so that the engine must not
    wait for it in real time for long.
    """
    monkeypatch.setattr(power, "_COLLECT", 0.02)
    event = threading.Event()
    yield event
    event.set()


def run(
    platform: FakePlatform,
    operation: str,
    timeout: float = 300,
    parallel: int = 10,
    **options: Any,
) -> list[Outcome]:
    """The operation on every VM of the platform."""
    order = checked_order(operation, timeout, parallel=parallel, **options)
    deadline = Deadline(order.timeout, platform.clock)
    ledger = ledger_for_run(None)
    return run_operation(platform, platform.inventory(deadline), order, deadline, ledger)


def run_one(platform: FakePlatform, operation: str, **options: Any) -> Outcome:
    (outcome,) = run(platform, operation, **options)
    return outcome


def shut_down(platform: FakePlatform, on_timeout: str = "hard", **options: Any) -> Outcome:
    return run_one(platform, "power_off", graceful=True, on_timeout=on_timeout, **options)


# Success -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "state"), [("power_on", ON), ("power_off", OFF), ("suspend", SUSPENDED)]
)
def test_a_vm_that_is_there_already_is_left_alone(platform, operation, state):
    platform.add("web", state)

    outcome = run_one(platform, operation)

    assert (outcome.changed, outcome.how, outcome.error) == (False, How.NONE, None)
    assert (outcome.before, outcome.after) == (state, state)
    assert outcome.detail == f"was {state} already"
    assert platform.sent == []
    assert platform.looks == 0


@pytest.mark.parametrize(
    ("operation", "options", "before", "step", "after", "how"),
    [
        ("power_on", {}, OFF, PowerCommand.POWER_ON, ON, How.HARD),
        ("power_on", {}, SUSPENDED, PowerCommand.POWER_ON, ON, How.HARD),
        ("power_on", {}, PAUSED, PowerCommand.POWER_ON, ON, How.HARD),
        ("power_off", {"graceful": False}, ON, PowerCommand.POWER_OFF, OFF, How.HARD),
        ("power_off", {"graceful": True}, ON, PowerCommand.SHUTDOWN_GUEST, OFF, How.GUEST),
        ("power_off", {"graceful": True}, SUSPENDED, PowerCommand.POWER_OFF, OFF, How.HARD),
        ("power_off", {"graceful": True}, PAUSED, PowerCommand.POWER_OFF, OFF, How.HARD),
        ("suspend", {}, ON, PowerCommand.SUSPEND, SUSPENDED, How.HARD),
        ("reboot", {"graceful": True}, ON, PowerCommand.REBOOT_GUEST, ON, How.GUEST),
        ("reboot", {"graceful": False}, ON, PowerCommand.RESET, ON, How.HARD),
    ],
)
def test_one_step_brings_a_vm_there(platform, operation, options, before, step, after, how):
    platform.add("web", before)
    platform.on("web", step, does(seconds=7))

    outcome = run_one(platform, operation, **options)

    assert platform.sent == [("web", step)]
    assert (outcome.before, outcome.after) == (before, after)
    assert (outcome.changed, outcome.how, outcome.error) == (True, how, None)
    assert outcome.seconds == pytest.approx(7, abs=1)


@pytest.mark.parametrize("tracked", [True, False])
def test_a_request_that_the_platform_does_not_track_is_judged_by_the_state(platform, tracked):
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, does(seconds=3, tracked=tracked))

    outcome = run_one(platform, "power_off", graceful=False)

    assert (outcome.after, outcome.how) == (OFF, How.HARD)
    assert outcome.seconds == pytest.approx(3, abs=1)


def test_a_state_reached_before_the_task_has_ended_is_not_enough(platform):
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, does(seconds=9, tracked=True))
    platform.clock.at(2, lambda: platform.change("web", state=OFF))

    outcome = run_one(platform, "power_off", graceful=False)

    assert outcome.error is None
    assert outcome.seconds == pytest.approx(9, abs=1)


def test_the_platform_may_say_that_it_used_other_means(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())
    platform.clock.at(5, lambda: platform.change("web", state=OFF, how=How.ENGINE_CONVERTED))
    assert shut_down(platform).how is How.ENGINE_CONVERTED


def test_the_watch_is_closed(platform):
    platform.add("web")
    run(platform, "power_off", graceful=False)
    assert platform.watching == 0


# The guest -----------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [10, 60, 150, 300, 3600])
def test_a_guest_that_ignores_the_shutdown_loses_its_power_in_time(platform, timeout):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())

    outcome = shut_down(platform, "hard", timeout=timeout)

    assert platform.steps("web") == [PowerCommand.SHUTDOWN_GUEST, PowerCommand.POWER_OFF]
    assert (outcome.after, outcome.changed, outcome.error) == (OFF, True, None)
    assert outcome.how is How.FALLBACK_HARD
    assert "guest did not shut down" in outcome.detail
    cut_after = platform.sent_at[1] - platform.sent_at[0]
    assert cut_after == pytest.approx(timeout - min(30, timeout / 5), abs=1)
    assert outcome.seconds <= timeout


def test_a_guest_may_use_all_of_its_time(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, does(seconds=269))

    outcome = shut_down(platform, "hard", timeout=300)

    assert (outcome.how, outcome.error) == (How.GUEST, None)
    assert platform.steps("web") == [PowerCommand.SHUTDOWN_GUEST]


def test_on_timeout_fail_gives_the_guest_the_whole_time_and_then_fails(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())

    outcome = shut_down(platform, "fail", timeout=300)

    assert platform.steps("web") == [PowerCommand.SHUTDOWN_GUEST]
    assert (outcome.after, outcome.changed) == (ON, False)
    assert "is still powered_on" in outcome.error
    assert "guest did not shut down in 300 s" in outcome.error
    assert outcome.seconds == pytest.approx(300, abs=1)


def test_on_timeout_fail_takes_a_guest_that_is_late_but_in_time(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, does(seconds=298))
    assert shut_down(platform, "fail", timeout=300).how is How.GUEST


def test_on_timeout_leave_reports_without_failing(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())

    outcome = shut_down(platform, "leave", timeout=300)

    assert platform.steps("web") == [PowerCommand.SHUTDOWN_GUEST]
    assert (outcome.after, outcome.changed, outcome.error) == (ON, False, None)
    assert outcome.how is How.GUEST
    assert "did not shut down" in outcome.detail
    assert "left as it is" in outcome.detail


def test_tools_not_running_cuts_the_power_at_once(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, refuses(NO_TOOLS))

    outcome = shut_down(platform, "hard")

    assert platform.steps("web") == [PowerCommand.SHUTDOWN_GUEST, PowerCommand.POWER_OFF]
    assert (outcome.how, outcome.after, outcome.error) == (How.FALLBACK_HARD, OFF, None)
    assert "tools are not running" in outcome.detail
    assert outcome.seconds < 5


def test_tools_not_running_fails_at_once(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, refuses(NO_TOOLS))

    outcome = shut_down(platform, "fail")

    assert platform.steps("web") == [PowerCommand.SHUTDOWN_GUEST]
    assert (outcome.after, outcome.changed, outcome.how) == (ON, False, How.NONE)
    assert "tools are not running" in outcome.error
    assert outcome.seconds < 5


def test_tools_not_running_leaves_at_once(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, refuses(NO_TOOLS))

    outcome = shut_down(platform, "leave")

    assert (outcome.after, outcome.changed, outcome.how) == (ON, False, How.NONE)
    assert outcome.error is None
    assert "tools are not running" in outcome.detail
    assert outcome.seconds < 5


def test_tools_not_running_fails_a_guest_reboot(platform):
    platform.add("web")
    platform.on("web", PowerCommand.REBOOT_GUEST, refuses(NO_TOOLS))

    outcome = run_one(platform, "reboot", graceful=True)

    assert "tools are not running" in outcome.error
    assert outcome.changed is False
    assert platform.steps("web") == [PowerCommand.REBOOT_GUEST]


def test_a_guest_that_made_it_just_before_its_power_was_cut(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())

    def is_off(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.change("web", state=OFF)
        raise InWrongState("the VM is off", OFF)

    platform.on("web", PowerCommand.POWER_OFF, is_off)

    outcome = shut_down(platform, "hard")

    assert (outcome.how, outcome.after, outcome.changed) == (How.GUEST, OFF, True)
    assert outcome.error is None
    assert "did not shut down in 270 s, but then did" in outcome.detail


def test_a_guest_that_made_it_while_the_power_cut_was_on_its_way(platform, gate):
    def is_off(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.change("web", state=OFF)
        platform.at_look[platform.looks + 3] = gate.set
        gate.wait(60)
        raise InWrongState("the VM is off", OFF)

    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())
    platform.on("web", PowerCommand.POWER_OFF, is_off)

    outcome = shut_down(platform, "hard", timeout=300)

    assert (outcome.how, outcome.after, outcome.error) == (How.GUEST, OFF, None)


def test_a_guest_that_made_it_fails_the_task_that_was_to_cut_its_power(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, does(seconds=270.5))
    platform.on("web", PowerCommand.POWER_OFF, fails(InWrongState("the VM is off", OFF), seconds=2))

    outcome = shut_down(platform, "hard", timeout=300)

    assert (outcome.how, outcome.after, outcome.error) == (How.GUEST, OFF, None)


def test_a_refused_guest_shutdown_is_not_reported_as_the_cause(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, refuses(NO_TOOLS))

    def is_off(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.change("web", state=OFF)
        raise InWrongState("the VM is off", OFF)

    platform.on("web", PowerCommand.POWER_OFF, is_off)

    outcome = shut_down(platform, "hard")

    assert (outcome.how, outcome.changed, outcome.error) == (How.NONE, False, None)
    assert outcome.after is OFF


def test_a_hard_power_off_that_fails_after_the_guest_was_asked(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())
    platform.on("web", PowerCommand.POWER_OFF, fails(CommandFailed("the host is in trouble")))

    outcome = shut_down(platform, "hard")

    assert (outcome.after, outcome.changed) == (ON, False)
    assert "hard power off: the host is in trouble" in outcome.error


def test_a_vm_whose_guest_was_asked_is_never_reported_as_untouched(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())
    platform.on("web", PowerCommand.POWER_OFF, refuses(BUSY))

    outcome = shut_down(platform, "hard")

    assert "another task" in outcome.error
    assert "not touched" not in outcome.error


@pytest.mark.parametrize("on_timeout", ["fail", "leave", "hard"])
def test_a_guest_that_could_never_be_asked_is_not_blamed(platform, on_timeout):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, refuses(BUSY))

    outcome = shut_down(platform, on_timeout)

    text = outcome.error or outcome.detail
    assert "another task is running" in text
    assert "did not shut down" not in text


def test_leave_does_not_cover_an_unreachable_platform(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, refuses(NO_CONNECTION))

    outcome = shut_down(platform, "leave", timeout=30)

    assert "no connection to vcenter" in (outcome.error or "")


def test_a_vm_in_transition_is_not_cut_off_by_a_graceful_power_off(platform):
    platform.add("web", PowerState.TRANSITIONING)
    platform.clock.at(4, lambda: platform.change("web", state=ON))

    outcome = shut_down(platform, "hard")

    assert platform.steps("web") == [PowerCommand.SHUTDOWN_GUEST]
    assert (outcome.after, outcome.how) == (OFF, How.GUEST)


# Busy VMs, and tasks that fail or never end ---------------------------------------------


@pytest.mark.parametrize("reaction", [refuses(BUSY), fails(BUSY, seconds=0.1)])
def test_a_busy_vm_is_tried_again_at_growing_intervals(platform, reaction):
    platform.add("web", OFF)
    platform.on("web", PowerCommand.POWER_ON, reaction, reaction, reaction, does())

    outcome = run_one(platform, "power_on")

    assert platform.steps("web") == [PowerCommand.POWER_ON] * 4
    assert (outcome.after, outcome.changed, outcome.error) == (ON, True, None)
    first, second, third = _intervals(platform)
    assert 0.5 <= first < second < third < 4


def _intervals(platform: FakePlatform) -> list[float]:
    return [later - sooner for sooner, later in pairwise(platform.sent_at)]


@pytest.mark.parametrize("reaction", [refuses(BUSY), fails(BUSY, seconds=0.1)])
def test_a_vm_that_stays_busy_is_reported_with_the_reason(platform, reaction):
    platform.add("web", OFF)
    platform.on("web", PowerCommand.POWER_ON, reaction)

    outcome = run_one(platform, "power_on", timeout=60)

    assert (outcome.after, outcome.changed) == (OFF, False)
    assert "another task is running" in outcome.error
    assert outcome.seconds == pytest.approx(60, abs=1)
    assert 5 < len(platform.sent) < 20
    assert max(_intervals(platform)) < 10


def test_a_busy_task_is_tried_again_even_if_every_poll_reports_every_vm(platform):
    platform.repeats_news = True
    platform.add("web", OFF)
    platform.add("chatty", OFF)
    platform.on("web", PowerCommand.POWER_ON, fails(BUSY, seconds=0.1), does(seconds=3))
    platform.on("chatty", PowerCommand.POWER_ON, ignores())
    for moment in range(1, 600):
        platform.clock.at(moment / 10, lambda: platform.change("chatty", state=OFF))

    web, _ = run(platform, "power_on", timeout=60)

    assert web.error is None
    assert web.seconds < 5
    assert platform.steps("web") == [PowerCommand.POWER_ON] * 2


def test_a_busy_vm_that_was_changed_externally_is_not_our_change(platform):
    platform.add("web", OFF)
    platform.on(
        "web",
        PowerCommand.POWER_ON,
        fails(BUSY, seconds=0.1),
        refuses(InWrongState("the VM is on", ON)),
    )
    platform.clock.at(0.3, lambda: platform.change("web", state=ON))

    outcome = run_one(platform, "power_on")

    assert (outcome.after, outcome.changed, outcome.error) == (ON, False, None)


def test_a_task_that_fails_ends_it_with_its_reason(platform):
    platform.add("web", OFF)
    platform.on(
        "web", PowerCommand.POWER_ON, fails(CommandFailed("no host has enough memory"), seconds=4)
    )

    outcome = run_one(platform, "power_on")

    assert (outcome.after, outcome.changed) == (OFF, False)
    assert "power on: no host has enough memory" in outcome.error
    assert outcome.seconds == pytest.approx(4, abs=1)
    assert len(platform.sent) == 1


def test_a_task_that_never_ends_leaves_the_outcome_unknown(platform):
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, ignores())

    outcome = run_one(platform, "power_off", graceful=False, timeout=45)

    assert outcome.after is UNKNOWN
    assert "outcome is unknown" in outcome.error
    assert "powered_on when last seen" in outcome.error
    assert outcome.seconds == pytest.approx(45, abs=1)


def test_an_untracked_request_that_did_nothing_may_still_be_carried_out(platform):
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, ignores(tracked=False))

    outcome = run_one(platform, "power_off", graceful=False, timeout=45)

    assert outcome.after is UNKNOWN
    assert "powered_on when last seen, after 45 s; the outcome is unknown" in outcome.error


def test_a_task_that_ends_well_without_the_state_is_not_believed(platform):
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, does(seconds=2))
    platform.finish = lambda machine, step, ticket: platform.change(
        machine.vm.name, ended=ticket, error=None
    )

    outcome = run_one(platform, "power_off", graceful=False, timeout=45)

    assert "powered_on when last seen" in outcome.error
    assert (outcome.changed, outcome.after) == (False, ON)


# External changes ----------------------------------------------------------------------


def test_a_vm_that_is_deleted_before_the_initial_state(platform):
    platform.add("web")
    platform.before_first_look = lambda: platform.change("web", exists=False, state=UNKNOWN)

    outcome = run_one(platform, "power_off", graceful=False)

    assert platform.sent == []
    assert "no longer exists" in outcome.error
    assert (outcome.before, outcome.after) == (ON, UNKNOWN)
    assert outcome.changed is False


def test_a_vm_that_vanishes_while_it_is_watched(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())
    platform.clock.at(20, lambda: platform.change("web", exists=False))

    outcome = shut_down(platform)

    assert "deleted or unregistered" in outcome.error
    assert outcome.seconds == pytest.approx(20, abs=1)
    assert outcome.after is UNKNOWN
    assert outcome.changed is False
    assert platform.steps("web") == [PowerCommand.SHUTDOWN_GUEST]


@pytest.mark.parametrize("reaction", [refuses(GONE), fails(GONE)])
def test_a_vm_that_vanishes_when_the_command_is_sent(platform, reaction):
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, reaction)

    outcome = run_one(platform, "power_off", graceful=False)

    assert "deleted or unregistered" in outcome.error
    assert outcome.after is UNKNOWN
    assert len(platform.sent) == 1
    assert outcome.seconds < 5


def test_a_vm_that_is_suspended_externally_during_the_guest_shutdown(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())
    platform.clock.at(20, lambda: platform.change("web", state=SUSPENDED))

    outcome = shut_down(platform, "hard")

    assert platform.steps("web") == [PowerCommand.SHUTDOWN_GUEST]
    assert "something else changed it" in outcome.error
    assert "suspended" in outcome.error
    assert (outcome.before, outcome.after, outcome.changed) == (ON, SUSPENDED, False)
    assert outcome.seconds == pytest.approx(20, abs=1)


@pytest.mark.parametrize("state", [PowerState.TRANSITIONING, UNKNOWN])
def test_a_state_in_between_is_waited_out(platform, state):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, does(seconds=30))
    platform.clock.at(5, lambda: platform.change("web", state=state))

    outcome = shut_down(platform, "hard")

    assert (outcome.how, outcome.after, outcome.error) == (How.GUEST, OFF, None)


@pytest.mark.parametrize("graceful", [True, False])
def test_a_vm_that_goes_off_just_before_the_command_is_sent(platform, graceful):
    platform.add("web")

    def is_off(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.change("web", state=OFF)
        raise InWrongState("the VM is off", OFF)

    platform.on("web", PowerCommand.POWER_OFF, is_off)
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, is_off)

    outcome = run_one(platform, "power_off", graceful=graceful)

    assert (outcome.after, outcome.changed, outcome.how) == (OFF, False, How.NONE)
    assert outcome.error is None
    assert "by itself" in outcome.detail
    assert len(platform.sent) == 1


def test_a_vm_that_is_off_initially_is_sent_nothing(platform):
    platform.add("web")
    platform.before_first_look = lambda: platform.change("web", state=OFF)

    outcome = run_one(platform, "power_off", graceful=False)

    assert platform.sent == []
    assert (outcome.before, outcome.after, outcome.changed) == (OFF, OFF, False)


def test_a_vm_refused_for_a_state_that_is_not_the_wanted_one_fails(platform):
    platform.add("web")
    platform.on(
        "web", PowerCommand.POWER_OFF, refuses(InWrongState("the VM is suspended", SUSPENDED))
    )

    outcome = run_one(platform, "power_off", graceful=False)

    assert "the VM is suspended" in outcome.error
    assert outcome.changed is False


@pytest.mark.parametrize("operation", ["reboot", "suspend"])
def test_a_vm_that_is_off_initially_fails_what_needs_a_running_one(platform, operation):
    platform.add("web")
    platform.add("db")
    platform.before_first_look = lambda: platform.change("web", state=OFF)

    web, db = run(platform, operation)

    assert "needs a running VM" in web.error
    assert platform.steps("web") == []
    assert db.error is None


# Reboots -------------------------------------------------------------------------------


def test_a_reset_is_done_when_its_task_is(platform):
    platform.add("web")
    platform.on("web", PowerCommand.RESET, does(seconds=2, tracked=True))
    platform.finish = lambda machine, step, ticket: platform.change(
        machine.vm.name, ended=ticket, error=None
    )

    outcome = run_one(platform, "reboot", graceful=False)

    assert (outcome.changed, outcome.how, outcome.error) == (True, How.HARD, None)


def test_a_reset_whose_task_fails(platform):
    platform.add("web")
    platform.on("web", PowerCommand.RESET, fails(InWrongState("the VM is off", OFF)))

    outcome = run_one(platform, "reboot", graceful=False)

    assert "reset: the VM is off" in outcome.error
    assert outcome.changed is False


def test_a_reset_that_is_refused_because_the_vm_runs_is_a_failure(platform):
    platform.add("web", SUSPENDED)
    platform.on("web", PowerCommand.RESET, refuses(InWrongState("the VM is on", ON)))
    assert "refused the reset" in run_one(platform, "reboot", graceful=False).error


# Lost answers --------------------------------------------------------------------------


def test_a_repeatable_command_is_sent_again_if_nothing_happened(platform, logs):
    platform.add("web", OFF)
    platform.on("web", PowerCommand.POWER_ON, loses_answer(done=False), does())

    outcome = run_one(platform, "power_on")

    (message,) = [each for each in logs.messages if each.endswith("sending it again")]
    assert "it is not known whether the power on was carried out" in message  # nor by the server

    assert platform.steps("web") == [PowerCommand.POWER_ON] * 2
    assert _intervals(platform)[0] >= 2
    assert (outcome.after, outcome.changed, outcome.error) == (ON, True, None)


def test_that_nothing_happened_is_not_known_while_the_server_is_away(platform):
    platform.add("web", OFF)
    platform.on("web", PowerCommand.POWER_ON, loses_answer(done=False), does())
    platform.trouble_watching(*[NO_CONNECTION] * 30, None)

    outcome = run_one(platform, "power_on")

    assert platform.steps("web") == [PowerCommand.POWER_ON] * 2
    assert _intervals(platform)[0] >= 30
    assert (outcome.after, outcome.changed, outcome.error) == (ON, True, None)


def test_a_state_that_is_unknown_for_a_while_puts_off_the_second_attempt(platform):
    """As an engine that restarts reports its VMs until it has reached their hosts."""
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, loses_answer(done=False), does())
    platform.clock.at(1, lambda: platform.change("web", state=UNKNOWN))
    platform.clock.at(30, lambda: platform.change("web", state=ON))

    outcome = run_one(platform, "power_off", graceful=False)

    assert platform.steps("web") == [PowerCommand.POWER_OFF] * 2
    assert _intervals(platform)[0] >= 29
    assert (outcome.after, outcome.changed, outcome.error) == (OFF, True, None)


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_a_command_that_was_done_is_not_sent_again_after_a_lost_answer(platform, seconds):
    platform.add("web", OFF)
    platform.on("web", PowerCommand.POWER_ON, loses_answer(done=True, seconds=seconds))

    outcome = run_one(platform, "power_on")

    assert platform.steps("web") == [PowerCommand.POWER_ON]
    assert (outcome.after, outcome.changed, outcome.how) == (ON, True, How.HARD)
    assert outcome.error is None


def test_a_state_reached_before_the_second_attempt_is_our_change(platform):
    platform.add("web", OFF)
    platform.on(
        "web",
        PowerCommand.POWER_ON,
        loses_answer(done=False),
        refuses(InWrongState("the VM is on", ON)),
    )

    outcome = run_one(platform, "power_on")

    assert (outcome.after, outcome.changed, outcome.how) == (ON, True, How.HARD)
    assert outcome.error is None


def test_answers_that_are_always_lost_leave_the_outcome_unknown(platform):
    platform.add("web", OFF)
    platform.on("web", PowerCommand.POWER_ON, loses_answer(done=False))

    outcome = run_one(platform, "power_on", timeout=60)

    assert 1 < len(platform.sent) <= 5
    assert outcome.after is UNKNOWN
    assert "outcome is unknown" in outcome.error
    assert "answer was lost" in outcome.error


@pytest.mark.parametrize(
    ("graceful", "step"), [(True, PowerCommand.REBOOT_GUEST), (False, PowerCommand.RESET)], ids=str
)
def test_a_reboot_whose_answer_was_lost_is_never_sent_twice(platform, graceful, step):
    platform.add("web")
    platform.on("web", step, loses_answer(done=False))

    outcome = run_one(platform, "reboot", graceful=graceful, timeout=300)

    assert platform.steps("web") == [step]
    assert outcome.after is UNKNOWN
    assert "unknown whether it rebooted" in outcome.error
    assert f"{step} was sent" in outcome.error


@pytest.mark.parametrize(
    ("graceful", "step"), [(True, PowerCommand.REBOOT_GUEST), (False, PowerCommand.RESET)], ids=str
)
def test_a_reboot_whose_answer_was_lost_may_still_be_proved(platform, graceful, step):
    platform.add("web")
    platform.on("web", step, loses_answer(done=True, seconds=20))

    outcome = run_one(platform, "reboot", graceful=graceful)

    assert (outcome.changed, outcome.after, outcome.error) == (True, ON, None)


@pytest.mark.parametrize(
    ("operation", "options", "step"),
    [
        ("reboot", {"graceful": False}, PowerCommand.RESET),
        ("reboot", {"graceful": True}, PowerCommand.REBOOT_GUEST),
        ("suspend", {}, PowerCommand.SUSPEND),
        ("power_off", {"graceful": True, "on_timeout": "fail"}, PowerCommand.SHUTDOWN_GUEST),
    ],
    ids=lambda value: str(value) if isinstance(value, PowerCommand) else "",
)
def test_waiting_after_a_lost_answer_does_not_hammer_the_server(platform, operation, options, step):
    platform.add("web")
    platform.on("web", step, loses_answer(done=False))

    run_one(platform, operation, timeout=300, **options)

    assert platform.looks < 200


def test_a_guest_that_is_asked_twice_keeps_its_time(platform):
    """Its tools have stopped because it is shutting down."""
    platform.add("web")
    platform.on(
        "web", PowerCommand.SHUTDOWN_GUEST, loses_answer(done=True, seconds=40), refuses(NO_TOOLS)
    )

    outcome = shut_down(platform, "hard")

    assert PowerCommand.POWER_OFF not in platform.steps("web")
    assert (outcome.how, outcome.after, outcome.error) == (How.GUEST, OFF, None)


def test_a_power_cut_whose_answer_was_lost_is_not_the_guests_doing(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())

    def is_off(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        raise InWrongState("the VM is off", OFF)

    platform.on("web", PowerCommand.POWER_OFF, loses_answer(done=False), is_off)

    outcome = shut_down(platform, "hard")

    assert (outcome.how, outcome.changed, outcome.error) == (How.FALLBACK_HARD, True, None)


def test_a_lost_answer_and_then_a_refusal_do_not_make_the_state_certain(platform):
    platform.add("web", OFF)
    platform.on(
        "web",
        PowerCommand.POWER_ON,
        loses_answer(done=False),
        refuses(CommandFailed("the licence ran out")),
    )

    outcome = run_one(platform, "power_on")

    assert "licence ran out" in outcome.error
    assert outcome.after is UNKNOWN


# A ledger that can no longer be written ------------------------------------------------


def test_a_vm_that_cannot_be_recorded_is_not_touched(platform, monkeypatch):
    """The call continues, because other VMs have been changed by then."""
    platform.add("first", OFF)
    platform.add("late", PowerState.TRANSITIONING)
    ledger = ledger_for_run(None)
    record_intent = ledger.record_intent

    def disk_is_full(*what: Any) -> None:
        raise LedgerError("the disk is full")

    def record_once(*what: Any) -> None:
        record_intent(*what)
        monkeypatch.setattr(ledger, "record_intent", disk_is_full)

    monkeypatch.setattr(ledger, "record_intent", record_once)
    platform.clock.at(5, lambda: platform.change("late", state=OFF))

    first, late = run(platform, "power_on")

    assert (first.changed, first.error) == (True, None)
    assert late.error == "was not touched: the disk is full"
    assert (late.after, late.changed) == (OFF, False)
    assert platform.sent == [("first", PowerCommand.POWER_ON)]


# Lost connections ----------------------------------------------------------------------


def test_a_step_that_never_left_is_sent_again(platform):
    platform.add("web", OFF)
    platform.on(
        "web", PowerCommand.POWER_ON, refuses(NO_CONNECTION), refuses(NO_CONNECTION), does()
    )

    outcome = run_one(platform, "power_on")

    assert len(platform.sent) == 3
    assert (outcome.after, outcome.changed, outcome.error) == (ON, True, None)


def test_a_server_that_cannot_be_reached_is_reported_with_the_vm_untouched(platform):
    platform.add("web", OFF)
    platform.on("web", PowerCommand.POWER_ON, refuses(NO_CONNECTION))

    outcome = run_one(platform, "power_on", timeout=60)

    assert "not touched" in outcome.error
    assert "no connection to vcenter" in outcome.error
    assert (outcome.after, outcome.changed, outcome.how) == (OFF, False, How.NONE)


def test_a_step_that_the_platform_does_not_permit_fails_at_once(platform):
    platform.add("web", OFF)
    platform.on(
        "web", PowerCommand.POWER_ON, refuses(PermissionDenied("the user lacks the privilege X"))
    )

    outcome = run_one(platform, "power_on")

    assert "lacks the privilege X" in outcome.error
    assert len(platform.sent) == 1
    assert outcome.seconds < 5


def test_watching_goes_on_after_an_interruption(platform, logs):
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, does(seconds=10))
    platform.trouble_watching(NO_CONNECTION, DeadlinePassed("no answer in 60 s"), None)

    outcome = run_one(platform, "power_off", graceful=False)

    assert (outcome.after, outcome.changed, outcome.error) == (OFF, True, None)
    assert len(platform.sent) == 1
    assert "watching was interrupted" in logs.text


@pytest.mark.parametrize("tracked", [True, False])
def test_a_watch_that_does_not_recover_leaves_the_outcome_unknown(platform, tracked):
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, does(seconds=10, tracked=tracked))
    platform.trouble_watching(NO_CONNECTION)

    outcome = run_one(platform, "power_off", graceful=False, timeout=60)

    assert outcome.after is UNKNOWN
    assert "unknown" in outcome.error
    assert outcome.seconds == pytest.approx(60, abs=1)
    assert platform.looks < 200


def test_an_unwatched_guest_is_not_reported_as_running(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, does(seconds=10))
    platform.trouble_watching(NO_CONNECTION)

    outcome = shut_down(platform, "leave", timeout=60)

    assert outcome.after is UNKNOWN


@pytest.mark.parametrize(("seconds", "after"), [(50, UNKNOWN), (5, UNKNOWN), (0.5, ON)])
def test_a_poll_that_the_deadline_ends_leaves_the_last_one_valid_for_a_while(
    platform, seconds, after
):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())
    platform.clock.at(60 - seconds, lambda: hangs(platform))

    def hangs(platform: FakePlatform) -> None:
        platform.at_look[platform.looks + 1] = lambda: platform.clock.sleep(seconds + 1)
        platform.trouble_watching(DeadlinePassed("no answer in time"))

    outcome = shut_down(platform, "fail", timeout=60)

    assert outcome.after is after
    assert ("unknown" in outcome.error) is (after is UNKNOWN)


def test_a_server_that_is_in_trouble_does_not_end_the_batch(platform):
    """A vCenter that is restarting, for example, answers with all kinds of faults."""
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, does(seconds=10))
    platform.trouble_watching(*[PlatformError("the vCenter refused: system error")] * 3, None)

    outcome = run_one(platform, "power_off", graceful=False)

    assert (outcome.after, outcome.changed, outcome.error) == (OFF, True, None)


def test_what_the_platform_will_not_show_has_an_unknown_outcome(platform):
    platform.add("sent", ON)
    platform.add("there", OFF)
    platform.trouble_watching(None, PermissionDenied("the user lacks System.Read"))
    platform.on("sent", PowerCommand.POWER_OFF, ignores())

    sent, there = run(platform, "power_off", graceful=False)

    assert sent.after is UNKNOWN
    assert "outcome is unknown" in sent.error
    assert "lacks System.Read" in sent.error
    assert (there.after, there.error) == (OFF, None)
    assert sent.seconds < 10
    assert platform.watching == 0


def test_without_a_watch_nothing_is_sent(platform):
    platform.add("web")

    def broken() -> None:
        raise PlatformError("the vCenter refused")

    platform.before_first_look = broken

    with pytest.raises(PlatformError, match="the vCenter refused"):
        run(platform, "power_off", graceful=False)
    assert platform.sent == []
    assert platform.watching == 0


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OperationRefused("by the platform")])
def test_an_unexpected_error_is_raised(platform, error):
    def breaks(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        raise error

    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, breaks)

    with pytest.raises(type(error), match=str(error)):
        run(platform, "power_off", graceful=False, timeout=60)


# Questions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "options", "step"),
    [
        ("power_off", {"graceful": False}, PowerCommand.POWER_OFF),
        ("power_off", {"graceful": True, "on_timeout": "fail"}, PowerCommand.SHUTDOWN_GUEST),
        ("reboot", {"graceful": True}, PowerCommand.REBOOT_GUEST),
    ],
    ids=lambda value: str(value) if isinstance(value, PowerCommand) else "",
)
def test_a_question_that_blocks_a_vm_is_in_the_error(platform, logs, operation, options, step):
    platform.add("web")
    platform.on("web", step, ignores())
    platform.clock.at(3, lambda: platform.change("web", question="Was it moved or copied?"))
    platform.clock.at(9, lambda: platform.change("web", state=ON))

    outcome = run_one(platform, operation, timeout=60, **options)

    assert "Was it moved or copied?" in outcome.error
    asked = [record for record in logs.records if "Was it moved or copied?" in record.message]
    assert [record.levelname for record in asked] == ["WARNING"]


# Refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["power_on", "power_off", "reboot", "suspend"])
def test_an_unknown_state_is_refused_before_anything_is_sent(platform, operation):
    platform.add("web", UNKNOWN, status="disconnected")
    platform.add("db", SUSPENDED)

    with pytest.raises(OperationRefused, match=r"'web' \(vm-1\).*disconnected"):
        run(platform, operation)
    assert platform.sent == []
    assert platform.looks == 0


@pytest.mark.parametrize("operation", ["reboot", "suspend"])
def test_what_needs_a_running_vm_is_refused_for_one_that_is_off(platform, operation):
    platform.add("web", OFF)
    with pytest.raises(OperationRefused, match=f"powered_off, and {operation} needs a running VM"):
        run(platform, operation)
    assert platform.sent == []


def test_what_the_platform_refuses_for_some_is_done_to_none(platform):
    platform.refused = {"web": "is suspended", "db": "waits for an answer"}
    for name in ("web", "db", "cache"):
        platform.add(name)

    with pytest.raises(OperationRefused) as refused:
        run(platform, "power_off", graceful=False)

    text = str(refused.value)
    assert "nothing was touched" in text
    assert "'web' (vm-1) is suspended" in text
    assert "'db' (vm-2) waits for an answer" in text
    assert "cache" not in text
    assert platform.sent == []


def test_a_vm_that_is_there_already_is_not_refused(platform):
    platform.add("web", OFF)
    platform.refused = {"web": "is never powered off"}
    assert run_one(platform, "power_off").changed is False


# Batches -------------------------------------------------------------------------------


def test_each_vm_of_a_batch_has_its_own_outcome_in_the_order_given(platform):
    for name in ("obeys", "ignores", "there", "fails", "gone"):
        platform.add(name, OFF if name == "there" else ON)
    platform.on("ignores", PowerCommand.SHUTDOWN_GUEST, ignores())
    platform.on("fails", PowerCommand.SHUTDOWN_GUEST, refuses(CommandFailed("not supported")))
    platform.on("gone", PowerCommand.SHUTDOWN_GUEST, refuses(GONE))

    outcomes = run(platform, "power_off", graceful=True, on_timeout="hard")

    assert [outcome.name for outcome in outcomes] == ["obeys", "ignores", "there", "fails", "gone"]
    assert [outcome.how for outcome in outcomes[:3]] == [How.GUEST, How.FALLBACK_HARD, How.NONE]
    assert [outcome.failed for outcome in outcomes] == [False, False, False, True, True]
    assert [len(platform.steps(outcome.name)) for outcome in outcomes] == [1, 2, 0, 1, 1]


def test_a_failed_batch_tells_every_story(platform):
    for name, state in {"done": ON, "there": OFF, "fails": ON, "hangs": ON}.items():
        platform.add(name, state)
    platform.on("fails", PowerCommand.POWER_OFF, fails(CommandFailed("the host is in trouble")))
    platform.on("hangs", PowerCommand.POWER_OFF, ignores())

    with pytest.raises(OperationFailed) as failed:
        platform.batch_power_off({"all": True}, graceful=False, timeout=30)

    text = str(failed.value)
    assert text.startswith("power_off failed for 2 of 4 VMs: ")
    assert "'fails' (vm-3) refused the hard power off: the host is in trouble" in text
    assert "'hangs' (vm-4)" in text
    assert "outcome is unknown" in text
    assert "Of the others, changed: 'done' (vm-1)" in text
    assert "not changed: 'there' (vm-2)" in text
    outcomes = {outcome.name: outcome for outcome in failed.value.outcomes}
    assert {name: outcome.failed for name, outcome in outcomes.items()} == {
        "done": False,
        "there": False,
        "fails": True,
        "hangs": True,
    }
    assert outcomes["done"].changed


def test_one_slow_vm_does_not_hold_up_the_others(platform):
    for number in range(5):
        platform.add(f"web-{number}")
    platform.on("web-0", PowerCommand.POWER_OFF, does(seconds=100))

    slow, *others = run(platform, "power_off", graceful=False, parallel=1)

    assert slow.seconds == pytest.approx(100, abs=1)
    assert all(other.seconds < 5 for other in others)


def test_so_many_requests_are_under_way_at_once_and_no_more(platform):
    parallel, lock, under_way, most = 3, threading.Lock(), [0], [0]
    together = threading.Barrier(parallel)

    def counts(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        together.wait(timeout=60)
        with lock:
            under_way[0] -= 1
        return does()(platform, machine, step)

    for number in range(12):
        platform.add(f"web-{number}")
        platform.on(f"web-{number}", PowerCommand.POWER_OFF, counts)

    outcomes = run(platform, "power_off", graceful=False, parallel=parallel)

    assert most[0] == parallel
    assert all(outcome.changed for outcome in outcomes)


def test_more_is_sent_while_the_others_are_watched(platform):
    """A free worker takes the next command while the watch is waiting."""
    all_sent = threading.Event()

    def counts(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        if len(platform.sent) == 5:
            all_sent.set()
        return does()(platform, machine, step)

    for number in range(5):
        platform.add(f"web-{number}")
        platform.on(f"web-{number}", PowerCommand.POWER_OFF, counts)
    looks: list[bool] = []
    platform.at_look[2] = lambda: looks.append(all_sent.wait(60))

    outcomes = run(platform, "power_off", graceful=False, parallel=1)

    assert looks == [True]
    assert all(outcome.changed for outcome in outcomes)


def test_a_queued_vm_is_checked_again_before_its_command_is_sent(platform, gate):
    """The operation is refused in the state that the VM has reached meanwhile."""
    platform.add("first")
    platform.add("second")

    def waits(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.change("second", state=UNKNOWN)
        gate.wait(60)
        return does()(platform, machine, step)

    platform.on("first", PowerCommand.POWER_OFF, waits)
    platform.at_look[3] = gate.set

    first, second = run(platform, "power_off", graceful=False, parallel=1)

    assert first.changed
    assert "unknown power state" in second.error
    assert platform.steps("second") == []


def test_a_large_batch_is_watched_with_few_polls(platform):
    for number in range(200):
        platform.add(f"web-{number:03}")
        platform.on(f"web-{number:03}", PowerCommand.POWER_OFF, does(seconds=1 + number / 50))

    outcomes = run(platform, "power_off", graceful=False)

    assert all(outcome.changed for outcome in outcomes)
    assert len(platform.sent) == 200
    assert platform.looks < 30


# The deadline --------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["power_on", "reboot", "suspend"])
@pytest.mark.parametrize("timeout", [0.5, 7, 300])
def test_the_deadline_bounds_the_whole_call(platform, operation, timeout):
    platform.add("web", OFF if operation == "power_on" else ON)
    for step in PowerCommand:
        platform.on("web", step, ignores())

    start = platform.clock.monotonic()
    outcome = run_one(platform, operation, timeout=timeout)

    assert outcome.failed
    assert platform.clock.monotonic() - start == pytest.approx(timeout, abs=0.1)


def test_time_that_has_gone_before_counts(platform):
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, ignores())
    order = checked_order("power_off", 60, graceful=False)
    deadline = Deadline(60, platform.clock)
    vms = platform.inventory(deadline)
    start = platform.clock.monotonic()
    platform.clock.sleep(50)

    (outcome,) = run_operation(platform, vms, order, deadline, ledger_for_run(None))

    assert platform.clock.monotonic() - start == pytest.approx(60, abs=0.1)
    assert outcome.seconds == pytest.approx(60, abs=0.1)


def test_a_deadline_that_passed_before_the_start_touches_nothing(platform):
    platform.add("web")
    order = checked_order("power_off", 60, graceful=False)
    deadline = Deadline(60, platform.clock)
    vms = platform.inventory(deadline)
    platform.clock.sleep(61)

    (outcome,) = run_operation(platform, vms, order, deadline, ledger_for_run(None))

    assert platform.sent == []
    assert "not touched" in outcome.error


def test_a_request_without_an_answer_at_the_deadline_has_an_unknown_outcome(platform, gate):
    answered = threading.Event()

    def hangs(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.clock.sleep(61)
        gate.wait(60)
        answered.set()
        raise AnswerLost("the answer was lost")

    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, hangs)

    outcome = run_one(platform, "power_off", graceful=False, timeout=60)

    assert not answered.is_set(), "the answer was waited for"
    assert outcome.after is UNKNOWN
    assert "unknown" in outcome.error


def test_a_request_that_was_still_in_the_queue_at_the_deadline_was_not_sent(platform, gate):
    platform.add("sent")
    platform.add("queued")

    def hangs(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.clock.sleep(61)
        gate.wait(60)
        raise AnswerLost("the answer was lost")

    platform.on("sent", PowerCommand.POWER_OFF, hangs)

    sent, queued = run(platform, "power_off", graceful=False, timeout=60, parallel=1)

    assert "unknown" in sent.error
    assert "not touched" in queued.error
    assert queued.after is ON
    assert platform.sent == [("sent", PowerCommand.POWER_OFF)]


def test_a_guest_whose_shutdown_hangs_may_have_been_asked(platform, gate):
    """All workers wait for an answer, so its power cannot be cut either."""

    def hangs(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.clock.sleep(50)
        platform.at_look[platform.looks + 4] = lambda: platform.clock.sleep(11)
        gate.wait(60)
        raise AnswerLost("the answer was lost")

    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, hangs)

    outcome = shut_down(platform, "hard", timeout=60, parallel=1)

    assert "not touched" not in outcome.error
    assert "its guest was asked to shut down, and is powered_on after 61 s" in outcome.error
    record = ledger_for_run(None).history.find(platform.name, platform.address, outcome.id)
    assert record.last.pending, "an undo must wait for what may still happen"


# Late answers --------------------------------------------------------------------------


def test_the_late_answer_to_a_guest_shutdown_is_not_that_to_the_power_cut(platform, gate):
    def slow(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.clock.sleep(50)
        gate.wait(60)
        raise CommandFailed("a late word")

    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, slow)
    platform.on("web", PowerCommand.POWER_OFF, does(seconds=3))
    platform.at_look[5] = gate.set

    outcome = shut_down(platform, "hard", timeout=60)

    assert outcome.error is None
    assert (outcome.how, outcome.after) == (How.FALLBACK_HARD, OFF)


def test_a_guest_whose_request_was_still_in_the_queue_is_not_blamed(platform, gate):
    def slow(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.clock.sleep(50)
        gate.wait(60)
        return ignores()(platform, machine, step)

    platform.add("slow")
    platform.add("queued")
    platform.on("slow", PowerCommand.SHUTDOWN_GUEST, slow)
    platform.at_look[5] = gate.set

    _, queued = run(platform, "power_off", graceful=True, on_timeout="hard", timeout=60, parallel=1)

    assert "did not shut down" not in f"{queued.detail} {queued.error}"


@pytest.mark.parametrize(
    "late", [CommandFailed("a late word"), BUSY, AnswerLost("the answer was lost")], ids=repr
)
def test_a_late_answer_to_a_guest_shutdown_does_not_keep_its_power(platform, gate, late):
    """It arrives when the power cut is queued and only waits for a free worker."""
    cut, next_is_sent = threading.Event(), threading.Event()

    def slow(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.clock.sleep(50)
        platform.at_look[platform.looks + 4] = gate.set
        gate.wait(60)
        raise late

    def is_cut_slowly(
        platform: FakePlatform, machine: Machine, step: PowerCommand
    ) -> CommandHandle:
        platform.at_look[platform.looks + 4] = lambda: platform.clock.sleep(3)
        platform.at_look[platform.looks + 5] = worker_goes_on
        cut.wait(60)
        return does()(platform, machine, step)

    def worker_goes_on() -> None:
        cut.set()
        next_is_sent.wait(60)

    def is_next(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        next_is_sent.set()
        return does()(platform, machine, step)

    platform.add("slow")
    platform.add("queued")
    platform.on("slow", PowerCommand.SHUTDOWN_GUEST, slow, is_next)
    platform.on("slow", PowerCommand.POWER_OFF, is_next)
    platform.on("queued", PowerCommand.POWER_OFF, is_cut_slowly)

    outcomes = run(platform, "power_off", graceful=True, on_timeout="hard", timeout=60, parallel=1)

    assert [outcome.error for outcome in outcomes] == [None, None]
    assert [outcome.how for outcome in outcomes] == [How.FALLBACK_HARD] * 2
    assert platform.steps("slow") == [PowerCommand.SHUTDOWN_GUEST, PowerCommand.POWER_OFF]


def test_a_guest_that_was_given_up_is_not_asked_again_after_a_lost_answer(platform, gate):
    """The answer was lost just before, and no worker is free to cut the power."""

    def is_lost(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.clock.sleep(47)
        raise AnswerLost("the answer was lost")

    def hangs(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        for look, seconds in enumerate((1.5, 2), start=platform.looks + 3):
            platform.at_look[look] = lambda seconds=seconds: platform.clock.sleep(seconds)
        platform.at_look[platform.looks + 5] = worker_goes_on
        gate.wait(60)
        return ignores()(platform, machine, step)

    def worker_goes_on() -> None:
        gate.set()
        next_is_sent.wait(60)

    def is_next(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        next_is_sent.set()
        return does()(platform, machine, step)

    next_is_sent = threading.Event()
    platform.add("web")
    platform.add("hangs")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, is_lost, is_next)
    platform.on("web", PowerCommand.POWER_OFF, is_next)
    platform.on("hangs", PowerCommand.SHUTDOWN_GUEST, hangs)

    web, _ = run(platform, "power_off", graceful=True, on_timeout="hard", timeout=60, parallel=1)

    assert platform.steps("web") == [PowerCommand.SHUTDOWN_GUEST, PowerCommand.POWER_OFF]
    assert (web.how, web.error) == (How.FALLBACK_HARD, None)


def test_a_late_answer_does_not_rewrite_an_outcome(platform, gate):
    def vanishes(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.change("gone", exists=False)
        gate.wait(60)
        raise CommandFailed("a late word")

    platform.add("gone")
    platform.add("slow")
    platform.on("gone", PowerCommand.POWER_OFF, vanishes)
    platform.on("slow", PowerCommand.POWER_OFF, does(seconds=20))
    platform.at_look[5] = gate.set

    gone, slow = run(platform, "power_off", graceful=False)

    assert "no longer exists" in gone.error
    assert "a late word" not in gone.error
    assert slow.error is None


# Interruptions -------------------------------------------------------------------------


def test_an_interruption_says_what_was_sent(platform, logs):
    platform.add("web")
    platform.add("db", OFF)
    platform.on("web", PowerCommand.POWER_OFF, ignores())
    platform.trouble_watching(None, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        run(platform, "power_off", graceful=False)

    messages = [record.message for record in logs.records if "interrupted" in record.message]
    assert len(messages) == 1
    assert "sent to 'web' (vm-1)" in messages[0]
    assert "'db'" not in messages[0]
    assert platform.watching == 0


def test_an_error_before_the_first_request_says_that_nothing_was_sent(platform, monkeypatch, logs):
    def disk_is_full(*what: Any) -> None:
        raise LedgerError("the disk is full")

    platform.add("web")
    monkeypatch.setattr(ledger_for_run(None), "record_intent", disk_is_full)

    with pytest.raises(LedgerError, match="the disk is full"):
        run(platform, "power_off", graceful=False)

    assert "power_off was interrupted: nothing was sent" in logs.messages


def test_nothing_is_sent_after_an_interruption(platform, gate, logs):
    under_way, answered = threading.Event(), threading.Event()

    def waits(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        under_way.set()
        gate.wait(60)
        answered.set()
        return does()(platform, machine, step)

    for name in ("first", "second", "third"):
        platform.add(name)
    platform.on("first", PowerCommand.POWER_OFF, waits)
    platform.trouble_watching(KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        run(platform, "power_off", graceful=False, parallel=1)

    assert under_way.wait(60)
    assert not answered.is_set(), "the interruption waited for the answer"
    gate.set()
    _workers_end()
    assert platform.sent == [("first", PowerCommand.POWER_OFF)]
    message = next(record.message for record in logs.records if "interrupted" in record.message)
    sent, not_sent = message.split("not sent to")
    assert "'first'" in sent
    assert "'second'" in not_sent
    assert "'third'" in not_sent


def test_a_call_ends_at_once_when_its_run_is_over(platform, gate):
    """Otherwise it would continue in the background until its own timeout."""

    def waits(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.at_look[platform.looks + 3] = lambda: ledger_for_run(None).block("it is over")
        gate.wait(60)
        return does()(platform, machine, step)

    def at_once(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.change(machine.vm.name, state=OFF)
        return CommandHandle(machine.vm.id)

    for name in ("done", "accepted", "refused", "asked", "queued"):
        platform.add(name)
    platform.on("done", PowerCommand.SHUTDOWN_GUEST, at_once)
    platform.on("accepted", PowerCommand.SHUTDOWN_GUEST, ignores())
    platform.on("refused", PowerCommand.SHUTDOWN_GUEST, refuses(BUSY))
    platform.on("asked", PowerCommand.SHUTDOWN_GUEST, waits)

    outcomes = run(platform, "power_off", graceful=True, on_timeout="fail", parallel=1)

    over = "power_off is not carried out: it is over"
    assert {outcome.name: outcome.error for outcome in outcomes} == {
        "done": None,
        "accepted": f"was abandoned, its outcome is unknown: {over}",
        "asked": f"was abandoned, its outcome is unknown: {over}",
        "refused": f"was abandoned, it was not touched: {over}",
        "queued": f"was abandoned, it was not touched: {over}",
    }
    pending = {record.name: record.last.pending for record in ledger_for_run(None).history}
    assert pending == {
        "done": False,
        "accepted": True,
        "refused": False,
        "asked": True,
        "queued": False,
    }
    assert platform.clock.now < 1010
    gate.set()
    _workers_end()
    assert platform.steps("queued") == []


def test_a_wait_in_the_background_is_short(platform, monkeypatch):
    """Only the end of a wait lets a background thread notice that its call has to stop."""
    waits: list[float] = []
    news = FakeWatch.poll

    def noted(watch: FakeWatch, seconds: float, deadline: Deadline) -> list[Observation]:
        waits.append(seconds)
        return news(watch, seconds, deadline)

    monkeypatch.setattr(FakeWatch, "poll", noted)
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())
    longest = []
    for call in (threading.Thread.run, threading.Thread.start):
        waits.clear()
        thread = threading.Thread(target=shut_down, args=(platform, "leave"))
        call(thread)
        while thread.is_alive():
            thread.join()
        longest.append(max(waits))
    assert longest == [5.0, 1.0]


def test_a_stopped_dispatcher_sends_nothing_that_waits(platform, gate):
    def waits(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        gate.wait(60)
        return does()(platform, machine, step)

    for name in ("first", "second"):
        platform.add(name)
        platform.on(name, PowerCommand.POWER_OFF, waits)
    order = checked_order("power_off", 60, graceful=False)
    deadline = Deadline(60, platform.clock)
    vms = platform.inventory(deadline)
    ledger = ledger_for_run(None)
    ledger.record_intent("fake", platform.address, [(vm, ON) for vm in vms], order)
    with Dispatcher(platform, order, deadline, ledger) as dispatcher:
        for vm in vms:
            job = Job(vm, order, deadline, platform.refusal_reason)
            dispatcher.submit(job, PowerCommand.POWER_OFF)
        dispatcher.stop()
        gate.set()
        assert [job.vm.name for job, _ in dispatcher.answers(10)] == ["first"]
        assert not dispatcher.busy
    assert platform.sent == [("first", PowerCommand.POWER_OFF)]


@pytest.mark.parametrize("started", [0, 1])
def test_threads_that_cannot_be_started(platform, monkeypatch, started):
    """One worker is enough to send everything; without any, nothing is sent."""
    start, count = threading.Thread.start, itertools.count()

    def fails(thread: threading.Thread) -> None:
        if next(count) >= started:
            raise RuntimeError("can't start new thread")
        start(thread)

    count_of_vms = 1_200
    for number in range(count_of_vms):
        platform.add(f"web-{number}")
    monkeypatch.setattr(threading.Thread, "start", fails)

    outcomes = run(platform, "power_off", graceful=False, parallel=3)

    if started:
        assert [outcome.error for outcome in outcomes] == [None] * count_of_vms
    else:
        assert {outcome.error for outcome in outcomes} == {
            "refused the hard power off: not sent: can't start new thread"
        }
        assert platform.sent == []


def test_a_recorder_that_fails_does_not_keep_a_vm_from_being_operated_on(
    platform, monkeypatch, logs
):
    def fails(backend: object, vms: object) -> None:
        raise RuntimeError("can't start new thread")

    current = experiment.RunContext("run", {}, {}, None, observers=[fails])
    monkeypatch.setattr(experiment, "current_run", lambda: current)
    platform.add("web")
    (outcome,) = run(platform, "power_off", graceful=False)
    assert outcome.changed
    assert "the changes of VMs are not recorded: can't start new thread" in logs.text


def test_a_thread_that_starts_later_does_not_send_what_has_failed(platform, monkeypatch):
    start, count = threading.Thread.start, itertools.count()

    def fails_once(thread: threading.Thread) -> None:
        if next(count) == 0:
            raise RuntimeError("can't start new thread")
        start(thread)

    for name in ("web-0", "web-1"):
        platform.add(name)
    monkeypatch.setattr(threading.Thread, "start", fails_once)

    first, second = run(platform, "power_off", graceful=False, parallel=1)

    assert first.error == "refused the hard power off: not sent: can't start new thread"
    assert second.error is None
    _workers_end()
    assert platform.sent == [("web-1", PowerCommand.POWER_OFF)]


def _workers_end() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("chaosvm-send"):
            thread.join(60)


def test_a_guest_is_not_cut_off_after_an_interruption(platform):
    platform.add("web")
    platform.on("web", PowerCommand.SHUTDOWN_GUEST, ignores())
    platform.trouble_watching(*[None] * 5, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        shut_down(platform, "hard")

    _workers_end()
    assert platform.steps("web") == [PowerCommand.SHUTDOWN_GUEST]


def test_progress_is_logged_during_a_batch(platform, logs):
    platform.add("web")
    platform.add("db")
    platform.on("web", PowerCommand.POWER_OFF, does(seconds=100))

    run(platform, "power_off", graceful=False)

    messages = [each.message for each in logs.records if each.message.endswith(" s left")]
    assert re.match(
        r"power_off: 1 of 2 done \(50%\) after [5-9] s, about [5-9] s left", messages[0]
    )
    assert 5 <= len(messages) <= 11


def test_nothing_is_said_to_be_left_when_all_are_done(platform, logs):
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, does(seconds=5))

    run(platform, "power_off", graceful=False)

    assert logs.messages
    assert [each for each in logs.messages if each.endswith(" s left")] == []


def test_an_estimate_that_was_wrong_is_not_repeated(platform, logs):
    for number in range(10):
        platform.add(f"web-{number}")
    platform.on("web-0", PowerCommand.POWER_OFF, does(seconds=60))

    run(platform, "power_off", graceful=False)

    messages = [each.message for each in logs.records if each.message.endswith(" s left")]
    assert len(messages) > 2
    assert all("9 of 10 done" in each and "at most" in each for each in messages)


def test_a_fallback_of_many_is_one_line(platform, logs):
    for number in range(5):
        platform.add(f"web-{number}")
        platform.on(f"web-{number}", PowerCommand.SHUTDOWN_GUEST, ignores())

    run(platform, "power_off", graceful=True, on_timeout="hard")

    (message,) = [each for each in logs.messages if "cutting its power" in each]
    assert message.startswith(
        "'web-0' (vm-1), 'web-1' (vm-2), 'web-2' (vm-3) and 2 more: the guest"
    )


def test_an_outage_is_logged_as_often_as_progress(platform, logs):
    platform.add("web")
    platform.on("web", PowerCommand.POWER_OFF, does(seconds=60))
    platform.trouble_watching(*[NO_CONNECTION] * 40, None)

    assert run_one(platform, "power_off", graceful=False).error is None

    messages = [each for each in logs.records if "watching was interrupted" in each.message]
    assert 4 <= sum(each.levelname == "WARNING" for each in messages) <= 6


# Platforms without reset ---------------------------------------------------------------

NO_RESET = NotSupported("reset needs a newer cluster")


@pytest.mark.parametrize("tracked", [True, False])
def test_without_reset_a_vm_is_stopped_and_started(platform, tracked):
    platform.add("web")
    platform.on("web", PowerCommand.RESET, refuses(NO_RESET))
    platform.on("web", PowerCommand.POWER_OFF, does(tracked=tracked))
    platform.on("web", PowerCommand.POWER_ON, does(tracked=tracked))

    outcome = run_one(platform, "reboot", graceful=False)

    assert (outcome.before, outcome.after, outcome.changed) == (ON, ON, True)
    assert (outcome.how, outcome.error) == (How.HARD, None)
    assert "reset is not supported" in outcome.detail
    assert platform.steps("web") == [
        PowerCommand.RESET,
        PowerCommand.POWER_OFF,
        PowerCommand.POWER_ON,
    ]


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("lost", [PowerCommand.POWER_OFF, PowerCommand.POWER_ON])
def test_a_restart_gets_over_a_lost_answer(platform, lost, done):
    platform.add("web")
    platform.on("web", PowerCommand.RESET, refuses(NO_RESET))
    platform.on("web", lost, loses_answer(done), does())

    outcome = run_one(platform, "reboot", graceful=False)

    assert (outcome.after, outcome.changed, outcome.error) == (ON, True, None)
    assert platform.steps("web").count(lost) == (1 if done else 2)


@pytest.mark.parametrize(
    ("refused", "state"), [(PowerCommand.POWER_OFF, OFF), (PowerCommand.POWER_ON, ON)]
)
def test_a_restart_continues_after_an_external_power_off(platform, refused, state):
    platform.add("web")
    platform.on("web", PowerCommand.RESET, refuses(NO_RESET))

    def already(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.change("web", state=state)
        raise InWrongState(f"the VM is {state}", state)

    platform.on("web", refused, already)

    outcome = run_one(platform, "reboot", graceful=False)

    assert (outcome.after, outcome.changed, outcome.error) == (ON, True, None)


def test_a_restart_that_does_not_come_back_says_so(platform):
    platform.add("web")
    platform.on("web", PowerCommand.RESET, refuses(NO_RESET))
    platform.on("web", PowerCommand.POWER_ON, ignores(tracked=False))

    outcome = run_one(platform, "reboot", graceful=False, timeout=20)

    assert "is powered_off after 20 s" in outcome.error
    assert outcome.after is OFF


@pytest.mark.parametrize("reaction", [refuses(BUSY), refuses(CommandFailed("no host is free"))])
def test_a_restart_that_could_not_be_started_again_was_stopped_by_us(platform, reaction):
    platform.add("web")
    platform.on("web", PowerCommand.RESET, refuses(NO_RESET))
    platform.on("web", PowerCommand.POWER_ON, reaction)

    outcome = run_one(platform, "reboot", graceful=False, timeout=20)

    assert outcome.failed
    assert "not touched" not in outcome.error
    assert (outcome.before, outcome.after) == (ON, OFF)
    assert (outcome.changed, outcome.how) == (True, How.HARD)
