"""A login that threads share, and that is renewed when the server has ended the session.

A few wrong passwords lock an account, and would lock out undo as well. So a
refusal applies to every login in this process with the same user name and
password on the same server.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable

from chaosvm.errors import DeadlinePassed, LoginFailed
from chaosvm.runtime.deadline import Clock, Deadline
from chaosvm.runtime.documents import in_quotes

__all__ = ["Login"]

# Seconds before a refused password is tried again. A server in trouble may refuse one that
# it accepted before, so that one is tried sooner. By default, 5 wrong passwords lock an
# account: within 3 minutes on a vCenter, in total on an engine.
_PAUSE_IF_ACCEPTED, _PAUSE = 30.0, 600.0
_BACKOFF = 4.0

_QUOTED = (
    ". The user name or password is in quotes, which were sent too: if they come from a .env "
    "file, remove them"
)

_SALT = secrets.token_bytes(32)


class _Credentials:
    """What a server has answered to one user name and password; ``lock`` serializes logins."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.refusals = 0  # in total
        self.reason = ""
        self._consecutive_refusals = 0
        self._accepted = False
        self._refused_at = 0.0

    def accept(self) -> None:
        self._accepted, self._consecutive_refusals = True, 0

    def refuse(self, reason: str, clock: Clock) -> None:
        self.refusals += 1
        self._consecutive_refusals += 1
        self.reason, self._refused_at = reason, clock.monotonic()

    def pause(self, clock: Clock) -> float:
        """Seconds until they may be tried again."""
        if not self._consecutive_refusals:
            return 0.0
        pause = _PAUSE_IF_ACCEPTED if self._accepted else _PAUSE
        pause *= _BACKOFF ** (self._consecutive_refusals - 1)
        return max(0.0, self._refused_at + pause - clock.monotonic())


_known: dict[bytes, _Credentials] = {}  # by a salted hash, so that no password is kept


def _credentials(address: str, username: str, password: str) -> _Credentials:
    identity = repr((address.lower(), username, password)).encode()
    return _known.setdefault(hashlib.blake2b(identity, key=_SALT).digest(), _Credentials())


class Login:
    """Logs in once for all threads, and counts the logins as ``generation``.

    What a server has created in the session of an earlier generation is gone.
    """

    def __init__(
        self, log_in: Callable[[Deadline], None], address: str, username: str, password: str
    ) -> None:
        self._log_in = log_in
        self._address = address
        self._credentials = _credentials(address, username, password)
        self._hint = _QUOTED if in_quotes(username) or in_quotes(password) else ""
        self.valid = False
        self.generation = 0

    def ensure(self, deadline: Deadline, lost: int = 0) -> int:
        """Log in unless logged in, or if the current generation is ``lost``.

        Returns the current generation. Raises LoginFailed without contacting the
        server if it refused these credentials recently.
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
        credentials, clock = self._credentials, deadline.clock
        if pause := credentials.pause(clock):
            # A thread that waited for the refused login shares its refusal.
            refused_earlier = credentials.refusals == refusals
            raise LoginFailed(credentials.reason + (_retry_note(pause) if refused_earlier else ""))
        try:
            self._log_in(deadline)
        except LoginFailed as error:
            credentials.refuse(f"{error}{self._hint}", clock)
            raise LoginFailed(credentials.reason) from error
        credentials.accept()

    def forget(self) -> None:
        """Have the next call log in again, as the session was closed."""
        self.valid = False


def _retry_note(pause: float) -> str:
    return (
        f" (refused before; not tried again for the next {pause:.0f} s, as wrong passwords lock "
        "an account)"
    )
