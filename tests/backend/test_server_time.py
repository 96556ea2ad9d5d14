"""The server's clock against this machine's, however long its answers take."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from chaosvm.backend import ServerTime, status

START = dt.datetime(2026, 11, 30, 10, tzinfo=dt.UTC)


class Server:
    """An hour ahead; each request takes as long as given, all of it on the way back."""

    def __init__(self, *seconds: float) -> None:
        self._seconds: Iterator[float] = iter(seconds)
        self.now = START

    def read(self) -> dt.datetime:
        answered = self.now + dt.timedelta(hours=1)
        self.now += dt.timedelta(seconds=next(self._seconds))
        return answered


@pytest.mark.parametrize(
    ("seconds", "uncertainty"),
    [((0.1,), 0.05), ((4, 0.1), 0.05), ((4, 3, 0.1), 0.05), ((4, 2, 3), 1), ((2, 4, 3), 1)],
)
def test_the_fastest_of_three_answers_counts(
    monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, ...], uncertainty: float
) -> None:
    server = Server(*seconds)

    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> dt.datetime:
            return server.now

    monkeypatch.setattr(status.dt, "datetime", Clock)
    found = ServerTime.measured(server.read)
    assert found.uncertainty == pytest.approx(uncertainty)
    assert found.offset == pytest.approx(3600 - uncertainty)
    with pytest.raises(StopIteration):  # it has asked no more often than needed
        server.read()
