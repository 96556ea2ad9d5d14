"""Moments at which a test does something, so that none has to guess how long a thing takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from chaosvm.backend import Observation, Watch
from chaosvm.runtime import Deadline
from chaosvm.service import VMService

__all__ = [
    "ForwardClock",
    "HeldClock",
    "SkippingClock",
    "count_from_sending",
    "eventually",
    "hold_clock",
    "once",
    "once_sent",
    "running_time",
    "skip_waits",
]


Service = TypeVar("Service", bound=VMService)


class ForwardClock:
    """The real clock, which can be put forward: a long wait is over, with time left behind it."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float, /) -> None:
        time.sleep(seconds)

    def put_forward(self, seconds: float) -> None:
        self._ahead += seconds


class HeldClock(ForwardClock):
    """The real clock, but until it is released only its sleeps take time."""

    def __init__(self) -> None:
        super().__init__()
        self._held_at: float | None = time.monotonic()

    def monotonic(self) -> float:
        return super().monotonic() if self._held_at is None else self._held_at

    def sleep(self, seconds: float, /) -> None:
        super().sleep(seconds)
        if self._held_at is not None:
            self._held_at += seconds

    def release(self) -> None:
        if self._held_at is not None:
            self.put_forward(self._held_at - time.monotonic())
            self._held_at = None


def count_from_sending(platform: Service) -> Service:
    """Count the timeouts of its calls from the first request to change something.

    However slow the machine is, a short timeout is not over before that.
    """
    send, clock = platform.backend.send, hold_clock(platform)

    def release_and_send(*arguments: Any, **options: Any) -> Any:
        clock.release()
        return send(*arguments, **options)

    platform.backend.send = release_and_send  # type: ignore[method-assign]
    return platform


class SkippingClock(ForwardClock):
    """The real clock, but its sleeps are skipped."""

    sleep = ForwardClock.put_forward


def skip_waits(platform: Service) -> Service:
    """Put the clock forward instead of waiting for changes: none take any time."""
    watch_vms = platform.backend.watch
    platform.backend.clock = clock = SkippingClock()

    def watch(*arguments: Any) -> Watch:
        made = watch_vms(*arguments)
        poll = made.poll

        def poll_and_skip(seconds: float, deadline: Deadline) -> list[Observation]:
            seen = poll(0, deadline)
            clock.put_forward(seconds)
            return seen

        made.poll = poll_and_skip  # type: ignore[method-assign]
        return made

    platform.backend.watch = watch  # type: ignore[method-assign]
    return platform


def hold_clock(platform: VMService) -> HeldClock:
    """Hold the clock of its timeouts, until the returned one is released."""
    platform.backend.clock = clock = HeldClock()
    return clock


def once_sent(platform: VMService, do: Callable[[], object]) -> None:
    """Do it as soon as the first command that the platform sends has been answered."""
    send = platform.backend.send
    done = threading.Lock()

    def send_and_do(*arguments: Any, **options: Any) -> Any:
        handle = send(*arguments, **options)
        if done.acquire(blocking=False):
            do()
        return handle

    platform.backend.send = send_and_do  # type: ignore[method-assign]


@contextmanager
def once(holds: Callable[[], object], do: Callable[[], object]) -> Iterator[None]:
    """Do it in another thread as soon as something holds; it has to before the block ends."""
    over = threading.Event()
    done: list[object] = []

    def wait_and_do() -> None:
        while not over.wait(0.02):
            if holds():
                done.append(do())
                return

    waiting = threading.Thread(target=wait_and_do)
    waiting.start()
    try:
        yield
    finally:
        over.set()
        waiting.join()
    assert done, "it never came about"


def eventually(holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)


@contextmanager
def running_time() -> Iterator[Callable[[], float]]:
    """Gives the seconds since then, without those in which the machine let nothing run."""
    tick, most = 0.02, 0.2
    over = threading.Event()
    counted = 0.0

    def count() -> None:
        nonlocal counted
        last = time.monotonic()
        while not over.wait(tick):
            now = time.monotonic()
            counted += min(now - last, most)
            last = now

    counting = threading.Thread(target=count)
    counting.start()
    try:
        yield lambda: counted
    finally:
        over.set()
        counting.join()
