"""A login that threads share, and that is renewed when the server has dropped it.

A few wrong passwords lock an account, and undo would be locked out with it. So
a refusal holds for every login in this process with the same user name and
password on the same server.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable

from chaosvm.errors import DeadlinePassed, LoginFailed
from chaosvm.runtime.deadline import Clock, Deadline

__all__ = ["Login"]

# Seconds before a refused password is tried again. One that was accepted before may be
# refused by a server in trouble, so that is tried sooner. By default, accounts are locked
# after 5 wrong passwords: within 3 minutes on a vCenter, in all on an engine.
_PAUSE_IF_ACCEPTED, _PAUSE = 30.0, 600.0
_GROWTH = 4.0

_SALT = secrets.token_bytes(32)


class _Credentials:
    """What a server has said about one user name and password. ``lock`` guards its logins."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.refusals = 0  # in all
        self.reason = ""
        self._in_a_row = 0
        self._accepted = False
        self._refused_at = 0.0

    def accept(self) -> None:
        self._accepted, self._in_a_row = True, 0

    def refuse(self, reason: str, clock: Clock) -> None:
        self.refusals += 1
        self._in_a_row += 1
        self.reason, self._refused_at = reason, clock.monotonic()

    def pause(self, clock: Clock) -> float:
        """Seconds until they may be tried again."""
        if not self._in_a_row:
            return 0.0
        first = _PAUSE_IF_ACCEPTED if self._accepted else _PAUSE
        until = self._refused_at + first * _GROWTH ** (self._in_a_row - 1)
        return max(0.0, until - clock.monotonic())


_known: dict[bytes, _Credentials] = {}


def _credentials(address: str, username: str, password: str) -> _Credentials:
    shown = repr((address.lower(), username, password)).encode()
    return _known.setdefault(hashlib.blake2b(shown, key=_SALT).digest(), _Credentials())


class Login:
    """Counts its generations: what a server made for an older one is gone."""

    def __init__(
        self, log_in: Callable[[Deadline], None], address: str, username: str, password: str
    ) -> None:
        self._log_in = log_in
        self._address = address
        self._credentials = _credentials(address, username, password)
        self.valid = False
        self.generation = 0

    def ensure(self, deadline: Deadline, lost: int = 0) -> int:
        """Log in if nobody has, or if the login of the generation ``lost`` is the last one.

        Returns the generation that is valid now. Raises LoginFailed, without
        asking the server, where these credentials were refused a moment ago.
        """
        if self.valid and self.generation != lost:
            return self.generation
        refusals = self._credentials.refusals
        if not self._credentials.lock.acquire(timeout=deadline.remaining):
            raise DeadlinePassed(f"{self._address}: another thread was still logging in")
        try:
            if not self.valid or self.generation == lost:
                self.valid = False
                self._try(deadline, refusals)
                self.valid = True
                self.generation += 1
            return self.generation
        finally:
            self._credentials.lock.release()

    def _try(self, deadline: Deadline, refusals: int) -> None:
        known, clock = self._credentials, deadline.clock
        if pause := known.pause(clock):
            # Whoever waited for the login that was refused was refused with it.
            earlier = known.refusals == refusals
            raise LoginFailed(known.reason + (_not_again(pause) if earlier else ""))
        try:
            self._log_in(deadline)
        except LoginFailed as error:
            known.refuse(str(error), clock)
            raise
        known.accept()

    def forget(self) -> None:
        """The session was closed: the next call logs in again."""
        self.valid = False


def _not_again(pause: float) -> str:
    return (
        f" (before; not tried again for the next {pause:.0f} s, as wrong passwords lock an account)"
    )
