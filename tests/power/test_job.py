"""Answers and observations in an order that no platform can be made to produce."""

from __future__ import annotations

from typing import Any

import pytest

from chaosvm.backend import CommandHandle, Observation, PowerCommand
from chaosvm.errors import (
    AnswerLost,
    Busy,
    CommandFailed,
    GuestUnavailable,
    InWrongState,
    NotSupported,
)
from chaosvm.outcome import How, Verified
from chaosvm.power.job import Job
from chaosvm.power.request import Answer
from chaosvm.runtime import Deadline
from chaosvm.service.orders import checked_order
from chaosvm.vm import VM, PowerState
from tests.fakes import OFF, ON, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def restart(clock: FakeClock) -> Job:
    """A reset that was not supported: a power off is scheduled instead."""
    job = running("reboot", clock, graceful=False)
    send(job)
    job.on_answer(Answer(PowerCommand.RESET, error=NotSupported("reset needs a newer cluster")))
    return job


def running(operation: str, clock: FakeClock, **options: Any) -> Job:
    """A job for a running VM, with 60 seconds."""
    order = checked_order(operation, 60, **options)
    vm = VM(name="web", id="vm-1", platform="fake", power_state=ON, status="up")
    job = Job(vm, order, Deadline(60, clock), lambda vm, order: None)
    job.on_initial_state(Observation(vm_id="vm-1", power_state=ON))
    return job


def send(job: Job) -> None:
    queue(job)
    assert job.queued is not None
    job.mark_sent(job.queued)


def queue(job: Job) -> None:
    """Its command is due, and waits for a worker."""
    assert job.scheduled is not None
    job.queue(job.scheduled.command)


def is_seen(job: Job, **what: Any) -> None:
    job.observe(Observation(vm_id="vm-1", **what))
    job.decide()


# Alarms ----------------------------------------------------------------------------------


def test_the_end_of_a_guests_time_is_awaited_only_where_it_can_be_given_up(clock):
    asked = running("power_off", clock, graceful=True, on_timeout="hard")
    send(asked)
    assert asked.order.guest_seconds in asked.alarms
    order = checked_order("power_off", 60, graceful=True, on_timeout="hard")
    paused = VM(
        name="db", id="vm-2", platform="fake", power_state=PowerState.PAUSED, status="paused"
    )
    cut = Job(paused, order, Deadline(60, clock), lambda vm, order: None)
    cut.on_initial_state(Observation(vm_id="vm-2", power_state=PowerState.PAUSED))
    send(cut)
    assert cut.command is PowerCommand.POWER_OFF
    assert cut.alarms == []


def test_a_reset_that_ends_as_not_supported_is_not_taken_for_the_stop_in_its_place(clock):
    job = running("reboot", clock, graceful=False)
    send(job)
    handle = CommandHandle("vm-1", tracked=True)
    job.on_answer(Answer(PowerCommand.RESET, handle=handle))
    is_seen(job, power_state=ON, ended=handle, error=NotSupported("not on this host"))
    queue(job)
    is_seen(job, power_state=ON)
    assert job.open
    assert job.queued is PowerCommand.POWER_OFF


@pytest.mark.parametrize("again", [False, True])
def test_a_vm_that_goes_down_by_itself_in_the_queue_is_not_asked(clock, again):
    """To an engine, a second shutdown is a request to cut the power."""
    job = running("power_off", clock, graceful=True)
    if again:
        send(job)
        job.on_answer(Answer(PowerCommand.SHUTDOWN_GUEST, error=Busy("the VM is locked")))
    queue(job)
    is_seen(job, power_state=PowerState.TRANSITIONING)
    assert not job.may_send()
    assert (job.open, job.queued, job.scheduled) == (True, None, None)
    is_seen(job, power_state=OFF)
    assert (job.outcome.changed, job.outcome.how, job.outcome.error) == (False, How.NONE, None)
    assert job.outcome.detail == "became powered_off by itself"


def test_a_vm_that_stays_on_after_all_is_asked(clock):
    job = running("power_off", clock, graceful=True)
    queue(job)
    is_seen(job, power_state=PowerState.TRANSITIONING)
    assert not job.may_send()
    is_seen(job, power_state=ON)
    assert job.scheduled is not None
    assert job.scheduled.command is PowerCommand.SHUTDOWN_GUEST
    assert job.may_send()


# An answer that has not come by the deadline ---------------------------------------------


def test_a_vm_that_is_on_at_the_deadline_is_not_waited_for(clock):
    order = checked_order("power_on", 60, wait_for="tools")
    vm = VM(name="web", id="vm-1", platform="fake", power_state=OFF, status="down")
    job = Job(vm, order, Deadline(60, clock), lambda vm, order: None)
    job.on_initial_state(Observation(vm_id="vm-1", power_state=OFF))
    send(job)
    is_seen(job, power_state=ON)
    clock.sleep(60)

    job.on_deadline()

    assert job.outcome.error == (
        "is powered_on after 60 s, and no time was left to wait for 'tools'"
    )
    assert (job.outcome.after, job.outcome.missing, job.outcome.changed) == (ON, "tools", True)


def test_a_guest_that_is_left_as_it_is_is_not_waited_for(clock):
    """It has not rebooted, so it is not asked whether it is ready again."""
    job = running("reboot", clock, graceful=True, on_timeout="leave", wait_for="tools")
    send(job)
    job.on_answer(Answer(PowerCommand.REBOOT_GUEST, error=GuestUnavailable("no agent")))
    clock.sleep(60)
    job.on_deadline()
    assert (job.outcome.verified, job.outcome.error) == (Verified.NOT_REBOOTED, None)


def test_an_unanswered_reboot_may_have_been_done(clock):
    job = running("reboot", clock, graceful=True)
    send(job)
    clock.sleep(60)

    job.on_deadline()

    assert "it is unknown whether it rebooted" in job.outcome.error
    assert (job.outcome.verified, job.outcome.changed) == (Verified.UNVERIFIED, False)
    assert job.outcome.after is PowerState.UNKNOWN


def test_an_unanswered_command_that_was_done_is_a_success(clock):
    job = running("power_off", clock, graceful=False)
    send(job)
    is_seen(job, power_state=OFF)
    assert job.open, "the answer may still tell that somebody else did it"
    clock.sleep(60)

    job.on_deadline()

    assert (job.outcome.changed, job.outcome.how, job.outcome.error) == (True, How.HARD, None)
    assert job.outcome.after is OFF


def test_an_unanswered_power_cut_is_not_reported_as_the_cause(clock):
    job = running("power_off", clock, graceful=True, on_timeout="hard")
    send(job)
    job.on_answer(Answer(PowerCommand.SHUTDOWN_GUEST, handle=CommandHandle("vm-1")))
    clock.sleep(50)
    job.decide()
    send(job)
    is_seen(job, power_state=OFF)
    clock.sleep(10)

    job.on_deadline()

    assert (job.outcome.changed, job.outcome.how, job.outcome.error) == (True, How.GUEST, None)
    assert "did not shut down in 50 s, but then did" in job.outcome.detail


@pytest.mark.parametrize("on_timeout", ["fail", "leave"])
def test_a_guest_shutdown_that_was_never_answered_may_still_be_done(clock, on_timeout):
    job = running("power_off", clock, graceful=True, on_timeout=on_timeout)
    send(job)
    clock.sleep(60)

    job.on_deadline()

    assert "the guest did not shut down in 60 s" in (job.outcome.error or job.outcome.detail)
    assert job.outcome.failed is (on_timeout == "fail")
    assert (job.outcome.after, job.outcome.changed) == (ON, False)
    assert job.pending


@pytest.mark.parametrize("on_timeout", ["fail", "leave"])
@pytest.mark.parametrize("end", ["decide", "on_deadline"])
def test_a_guest_that_is_seen_off_has_shut_down_also_without_an_answer(clock, on_timeout, end):
    job = running("power_off", clock, graceful=True, on_timeout=on_timeout)
    send(job)
    is_seen(job, power_state=OFF)
    clock.sleep(60)

    getattr(job, end)()

    outcome = job.outcome
    assert (outcome.changed, outcome.how, outcome.after) == (True, How.GUEST, OFF)
    assert (outcome.error, outcome.detail) == (None, None)


@pytest.mark.parametrize("on_timeout", ["fail", "leave", "hard"])
def test_a_guest_that_went_off_before_it_could_be_asked_was_not_stopped_by_us(clock, on_timeout):
    job = running("power_off", clock, graceful=True, on_timeout=on_timeout)
    send(job)
    is_seen(job, power_state=OFF)

    job.on_answer(
        Answer(PowerCommand.SHUTDOWN_GUEST, error=GuestUnavailable("the tools are stopped"))
    )

    assert (job.outcome.changed, job.outcome.how, job.outcome.error) == (False, How.NONE, None)
    assert job.outcome.detail == "had become powered_off by itself"


def test_an_unwatched_guest_is_not_reported_as_still_running(clock):
    job = running("power_off", clock, graceful=True, on_timeout="fail")
    send(job)
    job.on_answer(Answer(PowerCommand.SHUTDOWN_GUEST, handle=CommandHandle("vm-1")))
    job.watch_lost = True
    clock.sleep(60)

    job.on_deadline()

    assert job.outcome.after is PowerState.UNKNOWN
    assert "was powered_on when last seen" in job.outcome.error
    assert "the outcome is unknown" in job.outcome.error


def test_a_vm_that_could_not_be_sent_anything_nor_watched_is_in_an_unknown_state(clock):
    job = running("power_off", clock, graceful=False)
    send(job)
    job.on_answer(Answer(PowerCommand.POWER_OFF, error=Busy("too much to do")))
    job.watch_lost = True
    clock.sleep(60)

    job.on_deadline()

    assert job.outcome.after is PowerState.UNKNOWN
    assert "was not touched, and was powered_on when last seen" in job.outcome.error


# Outcomes that are unknown to the platform ------------------------------------------------


@pytest.fixture
def lost(clock: FakeClock) -> Job:
    """A power off that was accepted and whose result is unknown to the platform."""
    job = running("power_off", clock, graceful=False)
    handle = CommandHandle("vm-1", tracked=True)
    send(job)
    job.on_answer(Answer(PowerCommand.POWER_OFF, handle=handle))
    is_seen(job, power_state=ON, ended=handle, error=AnswerLost("the host did not answer"))
    return job


def test_a_task_with_an_unknown_end_is_watched_further(lost):
    is_seen(lost, power_state=OFF)

    assert (lost.outcome.changed, lost.outcome.how, lost.outcome.error) == (True, How.HARD, None)


def test_a_task_with_an_unknown_end_may_still_be_carried_out_later(lost, clock):
    clock.sleep(60)
    lost.on_deadline()

    assert lost.outcome.after is PowerState.UNKNOWN
    assert "the outcome is unknown: the host did not answer" in lost.outcome.error
    assert lost.pending


def test_an_unknown_request_stays_unknown_after_another_one(lost, clock):
    """The first request may still be carried out, whatever the result of the second."""
    clock.sleep(2)
    lost.decide()
    handle = CommandHandle("vm-1", tracked=True)
    send(lost)
    lost.on_answer(Answer(PowerCommand.POWER_OFF, handle=handle))
    is_seen(lost, power_state=ON, ended=handle, error=CommandFailed("no"))

    assert lost.outcome.after is PowerState.UNKNOWN
    assert lost.pending


def test_a_refusal_as_busy_does_not_make_an_unknown_request_certain(lost, clock):
    clock.sleep(2)
    lost.decide()
    send(lost)
    lost.on_answer(Answer(PowerCommand.POWER_OFF, error=Busy("too much to do")))
    clock.sleep(60)
    lost.on_deadline()

    assert lost.outcome.after is PowerState.UNKNOWN
    assert "the outcome is unknown: too much to do" in lost.outcome.error
    assert lost.pending


@pytest.mark.parametrize("retryable", [True, False])
def test_a_platform_says_whether_an_unknown_request_may_be_sent_again(clock, retryable):
    job = running("power_off", clock, graceful=True)
    send(job)
    lost = AnswerLost("it was lost", retryable=retryable)
    job.on_answer(Answer(PowerCommand.SHUTDOWN_GUEST, error=lost))
    clock.sleep(2)
    job.decide()

    assert (job.scheduled is not None) is retryable


def test_a_job_that_has_ended_is_not_moved_by_what_comes_later(clock):
    job = running("power_off", clock, graceful=False)
    send(job)
    clock.sleep(60)
    job.on_deadline()
    outcome = job.outcome

    job.on_answer(Answer(PowerCommand.POWER_OFF, error=Busy("too much to do")))
    is_seen(job, power_state=OFF)

    assert job.outcome is outcome
    assert outcome.failed
    assert job.scheduled is None


# Restarts in place of a reset ------------------------------------------------------------


def goes_on_to_power_on(job: Job) -> bool:
    return job.open and job.scheduled is None and job.queued is PowerCommand.POWER_ON


@pytest.mark.parametrize(
    "late", [CommandFailed("a late word"), Busy("too much to do"), InWrongState("it is off", OFF)]
)
def test_a_late_answer_to_the_stop_does_not_keep_a_vm_from_being_started(restart, clock, late):
    send(restart)
    restart.on_answer(Answer(PowerCommand.POWER_OFF, error=AnswerLost("the answer was lost")))
    clock.sleep(2)
    restart.decide()
    send(restart)  # once more, and this answer is slow
    is_seen(restart, power_state=OFF)
    queue(restart)

    restart.on_answer(Answer(PowerCommand.POWER_OFF, error=late))

    assert goes_on_to_power_on(restart)


def test_a_stop_whose_task_fails_in_the_end_is_not_repeated(restart):
    handle = CommandHandle("vm-1", tracked=True)
    send(restart)
    restart.on_answer(Answer(PowerCommand.POWER_OFF, handle=handle))
    is_seen(restart, power_state=OFF)
    queue(restart)

    is_seen(restart, power_state=OFF, ended=handle, error=Busy("too much to do"))

    assert goes_on_to_power_on(restart)


def test_a_stop_whose_answer_was_lost_is_not_repeated_once_it_was_seen(restart, clock):
    send(restart)
    restart.on_answer(Answer(PowerCommand.POWER_OFF, error=AnswerLost("the answer was lost")))
    is_seen(restart, power_state=OFF)
    queue(restart)
    clock.sleep(3)

    is_seen(restart, power_state=ON)  # others were faster

    assert goes_on_to_power_on(restart)
