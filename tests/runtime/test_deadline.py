from __future__ import annotations

import time

import pytest

from chaosvm.runtime import Deadline
from tests.fakes import FakeClock


class RecordingClock(FakeClock):
    def __init__(self) -> None:
        super().__init__()
        self.steps: list[float] = []

    def sleep(self, seconds: float, /) -> None:
        self.steps.append(seconds)
        super().sleep(seconds)


@pytest.fixture
def clock() -> RecordingClock:
    return RecordingClock()


def test_time_goes_by(clock):
    deadline = Deadline(10, clock)
    assert (deadline.elapsed, deadline.remaining, deadline.passed) == (0, 10, False)

    clock.sleep(4)
    assert (deadline.elapsed, deadline.remaining, deadline.passed) == (4, 6, False)


@pytest.mark.parametrize("seconds", [10, 11, 1000])
def test_it_passes_and_stays_passed(clock, seconds):
    deadline = Deadline(10, clock)
    clock.sleep(seconds)
    assert (deadline.elapsed, deadline.remaining, deadline.passed) == (seconds, 0, True)


def test_a_sleep_is_cut_into_short_steps(clock):
    Deadline(100, clock).sleep(3.2)

    assert sum(clock.steps) == pytest.approx(3.2)
    assert max(clock.steps) <= 1


def test_a_sleep_never_goes_past_the_deadline(clock):
    deadline = Deadline(2, clock)
    deadline.sleep(60)
    assert deadline.elapsed == pytest.approx(2)
    assert deadline.passed


@pytest.mark.parametrize("seconds", [0, -5])
def test_no_time_to_sleep_is_no_sleep(clock, seconds):
    Deadline(10, clock).sleep(seconds)
    assert clock.steps == []


def test_without_a_clock_of_its_own_it_takes_the_real_one():
    deadline = Deadline(30)
    start = time.monotonic()

    deadline.sleep(0.01)

    assert time.monotonic() - start >= 0.01
    assert 0.01 <= deadline.elapsed < 30


def test_it_says_how_much_is_left(clock):
    deadline = Deadline(10, clock)
    clock.sleep(2.5)
    assert repr(deadline) == "Deadline(10 s, 7.5 s left)"
