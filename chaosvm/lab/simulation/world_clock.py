"""The clock of a simulated world: it may run faster than ours, and show another time."""

from __future__ import annotations

import datetime as dt
import time

from chaosvm.runtime import Clock

__all__ = ["WorldClock"]


class WorldClock:
    """Simulated seconds: those of a monotonic clock, or ``speed`` times as many.

    offset: seconds by which its dates are ahead of ours.
    """

    def __init__(self, clock: Clock = time, speed: float = 1.0, offset: float = 0.0) -> None:
        self.offset = offset
        self._clock = clock
        self._speed = speed
        self._began = self._began_real = clock.monotonic()
        self._epoch = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=self._began)

    @property
    def seconds(self) -> float:
        real = self._clock.monotonic()
        if self._speed == 1.0 and self._began == self._began_real:
            return real
        return self._began + (real - self._began_real) * self._speed

    @property
    def speed(self) -> float:
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._began, self._began_real = self.seconds, self._clock.monotonic()
        self._speed = speed

    def real_seconds_until(self, moment: float) -> float:
        return (moment - self.seconds) / self._speed

    def date_of(self, seconds: float) -> dt.datetime:
        return self._epoch + dt.timedelta(seconds=seconds + self.offset)
