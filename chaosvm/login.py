"""A login that threads share, and that is renewed when the server has dropped it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from chaosvm.deadline import Deadline
from chaosvm.errors import DeadlinePassed, LoginFailed

__all__ = ["Login"]


class Login:
    """Counts its generations: what a server made for an older one is gone."""

    def __init__(self, log_in: Callable[[Deadline], None], address: str) -> None:
        self._log_in = log_in
        self._address = address
        self._lock = threading.Lock()
        self._refused: str | None = None
        self.valid = False
        self.generation = 0

    def ensure(self, deadline: Deadline, lost: int = 0) -> int:
        """Log in if nobody has, or if the login of the generation ``lost`` is the last one.

        Returns the generation that is valid now.
        """
        if self.valid and self.generation != lost:
            return self.generation
        if not self._lock.acquire(timeout=deadline.remaining):
            raise DeadlinePassed(f"{self._address}: another thread was still logging in")
        try:
            if not self.valid or self.generation == lost:
                self.valid = False
                self._try(deadline)
                self.valid = True
                self.generation += 1
            return self.generation
        finally:
            self._lock.release()

    def _try(self, deadline: Deadline) -> None:
        """Not again after a refusal: a few wrong passwords lock an account.

        But what was right before may be so again, and rollbacks depend on it.
        """
        if self._refused is not None:
            raise LoginFailed(f"{self._refused} (before, so it is not tried again)")
        try:
            self._log_in(deadline)
        except LoginFailed as error:
            if self.generation == 0:
                self._refused = str(error)
            raise

    def forget(self) -> None:
        self.valid, self._refused = False, None
