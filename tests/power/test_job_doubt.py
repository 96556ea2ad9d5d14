"""Lost answers followed by refusals: the outcome stays unknown."""

from __future__ import annotations

import pytest

from chaosvm.backend import PowerCommand
from chaosvm.errors import AnswerLost, Busy, InWrongState
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
