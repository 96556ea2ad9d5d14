"""Lost answers followed by refusals: the outcome stays unknown."""

from __future__ import annotations

import pytest

from chaosvm.backend import CommandHandle, Observation, PowerCommand
from chaosvm.errors import AnswerLost, Busy, InWrongState, PlatformError
from chaosvm.outcome import How
from chaosvm.power.job import Job
from chaosvm.power.request import Answer
from chaosvm.vm import PowerState
from tests.fakes import OFF, ON, FakeClock
from tests.power.test_job import is_seen, running, send


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def busy(clock: FakeClock) -> Job:
    """The answer to the first power off was lost; the second was refused as busy."""
    job = running("power_off", clock, graceful=False)
    send(job)
    job.on_answer(Answer(PowerCommand.POWER_OFF, error=AnswerLost("the answer was lost")))
    job.decide()
    clock.sleep(2)
    is_seen(job, power_state=ON)
    send(job)
    job.on_answer(Answer(PowerCommand.POWER_OFF, error=Busy("another task is running")))
    job.decide()
    return job


def test_a_vm_that_is_busy_may_be_so_with_what_was_sent_before(busy: Job, clock: FakeClock) -> None:
    clock.sleep(60)
    busy.on_deadline()
    assert busy.outcome.after is PowerState.UNKNOWN
    assert "the outcome is unknown" in (busy.outcome.error or "")


def test_what_happened_while_it_was_busy_was_ours(busy: Job) -> None:
    send(busy)
    busy.on_answer(Answer(PowerCommand.POWER_OFF, error=InWrongState("it is off", OFF)))
    busy.decide()
    assert (busy.outcome.changed, busy.outcome.error) == (True, None)


def test_a_vm_that_was_only_ever_busy_was_not_touched(clock: FakeClock) -> None:
    job = running("power_off", clock, graceful=False)
    send(job)
    job.on_answer(Answer(PowerCommand.POWER_OFF, error=Busy("another task is running")))
    job.decide()
    clock.sleep(60)
    job.on_deadline()
    assert job.outcome.after is ON
    assert "was not touched" in (job.outcome.error or "")


def lost(clock: FakeClock) -> Job:
    """The answer to the power off was lost."""
    job = running("power_off", clock, graceful=False)
    send(job)
    job.on_answer(Answer(PowerCommand.POWER_OFF, error=AnswerLost("the answer was lost")))
    job.decide()
    return job


def test_what_has_no_answer_is_sent_four_times_at_most(clock: FakeClock) -> None:
    job = lost(clock)
    sent = 1
    for _ in range(10):
        clock.sleep(3)
        is_seen(job, power_state=ON)
        if job.scheduled is None:
            break
        send(job)
        sent += 1
        job.on_answer(Answer(PowerCommand.POWER_OFF, error=AnswerLost("the answer was lost")))
        job.decide()
    assert sent == 4


def test_where_it_can_be_followed_no_more_what_was_sent_may_still_happen(clock: FakeClock) -> None:
    job = running("power_off", clock, graceful=False)
    send(job)
    job.on_answer(Answer(PowerCommand.POWER_OFF, handle=CommandHandle("vm-1")))
    job.on_watch_lost(PlatformError("the session was ended"))
    assert job.pending
    assert job.outcome.after is PowerState.UNKNOWN
    assert job.outcome.error == (
        "could not be followed, its outcome is unknown: the session was ended"
    )


def test_where_it_can_be_followed_no_more_and_nothing_was_sent(clock: FakeClock) -> None:
    job = running("power_off", clock, graceful=False)
    job.on_watch_lost(PlatformError("the session was ended"))
    assert not job.pending
    assert job.outcome.after is ON
    assert job.outcome.error == "could not be followed, it was not touched: the session was ended"


def test_a_power_cut_whose_answer_was_lost_is_what_did_it(clock: FakeClock) -> None:
    job = running("power_off", clock, graceful=True, on_timeout="hard")
    send(job)
    job.on_answer(Answer(PowerCommand.SHUTDOWN_GUEST, handle=CommandHandle("vm-1")))
    clock.sleep(50)
    job.decide()
    send(job)
    job.on_answer(Answer(PowerCommand.POWER_OFF, error=AnswerLost("the answer was lost")))
    job.observe(Observation(vm_id="vm-1", power_state=OFF))
    clock.sleep(10)
    job.on_deadline()
    assert (job.outcome.how, job.outcome.changed) == (How.FALLBACK_HARD, True)
