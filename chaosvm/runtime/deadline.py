"""The deadline of a call: made once and passed down to everything that takes time."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "Deadline"]

# Chaos Toolkit interrupts a thread only between two steps of a sleep.
_MAX_SLEEP = 0.5


class Clock(Protocol):
    """The part of the time module that is used here, so that tests can replace it."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


class Deadline:
    """A moment on the monotonic clock, ``seconds`` after it is created."""

    def __init__(self, seconds: float, clock: Clock = time) -> None:
        self.seconds = seconds
        self.clock = clock
        self._start = clock.monotonic()

    @property
    def elapsed(self) -> float:
        return self.clock.monotonic() - self._start

    @property
    def remaining(self) -> float:
        return max(0.0, self.seconds - self.elapsed)

    @property
    def passed(self) -> bool:
        return self.remaining <= 0

    def end(self) -> None:
        """Let it pass now, for all threads that use it."""
        self.seconds = 0.0

    def share(self, parts: int) -> Deadline:
        """Return a deadline for the first of ``parts`` equal shares of the remaining time."""
        return Deadline(self.remaining / parts, self.clock)

    def sleep(self, seconds: float) -> None:
        """Sleep in short steps, and never past the deadline."""
        end = self.clock.monotonic() + min(seconds, self.remaining)
        while (left := end - self.clock.monotonic()) > 0:
            self.clock.sleep(min(left, _MAX_SLEEP))

    def __repr__(self) -> str:
        return f"Deadline({self.seconds:g} s, {self.remaining:.1f} s left)"
