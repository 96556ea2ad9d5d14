"""How long a call may take: one deadline, made once and handed down."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "Deadline"]

# Signals and Chaos Toolkit's own interruptions reach a thread between two
# steps of a sleep, so no step is long.
_LONGEST_SLEEP = 0.5


class Clock(Protocol):
    """What the time module offers; tests bring their own."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


class Deadline:
    """A moment on the monotonic clock, ``seconds`` from its making."""

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

    def share(self, parts: int) -> Deadline:
        """A deadline for the first of so many parts that have to get by with the time left."""
        return Deadline(self.remaining / parts, self.clock)

    def sleep(self, seconds: float) -> None:
        """Sleep so long, in short steps, but never past the deadline."""
        until = self.clock.monotonic() + min(seconds, self.remaining)
        while (left := until - self.clock.monotonic()) > 0:
            self.clock.sleep(min(left, _LONGEST_SLEEP))

    def __repr__(self) -> str:
        return f"Deadline({self.seconds:g} s, {self.remaining:.1f} s left)"
