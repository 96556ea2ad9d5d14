"""The order of news for one VM that no platform can be made to keep: a step of a
restart that is answered, or fails, after the VM was seen where it was to bring it."""

from __future__ import annotations

import pytest

from chaosvm.deadline import Deadline
from chaosvm.errors import Busy, InWrongState, NoAnswer, NotSupported, StepFailed
from chaosvm.job import Job
from chaosvm.order import Order
from chaosvm.platform import Sighting, Step, Ticket
from chaosvm.request import Answer
from chaosvm.vm import VM
from tests.fakes import OFF, ON, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def restart(clock: FakeClock) -> Job:
    """A reset that was not supported: the power off in its place is planned."""
    order = Order.checked("reboot", 60, graceful=False)
    vm = VM(name="web", id="vm-1", platform="fake", power_state=ON, status="up")
    job = Job(vm, order, Deadline(60, clock), lambda vm, order: None)
    job.first_seen(Sighting(vm_id="vm-1", power_state=ON))
    send(job)
    job.answered(Answer(Step.RESET, error=NotSupported("reset needs a newer cluster")))
    return job


def send(job: Job) -> None:
    queue(job)
    assert job.queued is not None
    job.sending(job.queued)


def queue(job: Job) -> None:
    """Its step is due, and waits for a worker."""
    assert job.planned is not None
    job.queue(job.planned.step)


def is_seen(job: Job, **what: object) -> None:
    job.saw(Sighting(vm_id="vm-1", **what))
    job.decide()


def goes_on_to_power_on(job: Job) -> bool:
    return job.open and job.planned is None and job.queued is Step.POWER_ON


@pytest.mark.parametrize(
    "late", [StepFailed("a late word"), Busy("too much to do"), InWrongState("it is off", OFF)]
)
def test_a_late_answer_to_the_stop_does_not_keep_a_vm_from_being_started(restart, clock, late):
    send(restart)
    restart.answered(Answer(Step.POWER_OFF, error=NoAnswer("the answer was lost")))
    clock.sleep(2)
    restart.decide()
    send(restart)  # once more, and this answer is slow
    is_seen(restart, power_state=OFF)
    queue(restart)

    restart.answered(Answer(Step.POWER_OFF, error=late))

    assert goes_on_to_power_on(restart)


def test_a_stop_whose_task_fails_in_the_end_is_not_repeated(restart):
    ticket = Ticket("vm-1", tracked=True)
    send(restart)
    restart.answered(Answer(Step.POWER_OFF, ticket=ticket))
    is_seen(restart, power_state=OFF)
    queue(restart)

    is_seen(restart, power_state=OFF, ended=ticket, error=Busy("too much to do"))

    assert goes_on_to_power_on(restart)


def test_a_stop_whose_answer_was_lost_is_not_repeated_once_it_was_seen(restart, clock):
    send(restart)
    restart.answered(Answer(Step.POWER_OFF, error=NoAnswer("the answer was lost")))
    is_seen(restart, power_state=OFF)
    queue(restart)
    clock.sleep(3)

    is_seen(restart, power_state=ON)  # others were faster

    assert goes_on_to_power_on(restart)
