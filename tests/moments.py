"""Moments at which a test does something, so that none has to guess how long a thing takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chaosvm.service import VMService

__all__ = ["ForwardClock", "once", "once_sent"]


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


def once_sent(platform: VMService, do: Callable[[], object]) -> None:
    """Do it as soon as the first step that the platform sends has been answered."""
    send = platform.backend.send
    done = threading.Lock()

    def send_and_do(*arguments: Any, **options: Any) -> Any:
        ticket = send(*arguments, **options)
        if done.acquire(blocking=False):
            do()
        return ticket

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
