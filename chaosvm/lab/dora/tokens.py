"""Who may ask: the one account, and the tokens that were handed out to it."""

from __future__ import annotations

import secrets
import threading

from chaosvm.lab.options import Options
from chaosvm.lab.world import World

__all__ = ["Tokens"]

# Every token is as odd as some may be, so that a client that does not encode
# them always fails here, instead of once in a while elsewhere.
_ODD = "/+%2F="


class Tokens:
    """A token lives until it is expired or too old: nobody can log out.

    The world's events are not told: they are the vCenter's or the engine's, to
    which a user of Dora is unknown.
    """

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._username = options.username
        self._password = options.password
        self._seconds = options.token_seconds
        self._lock = threading.Lock()
        self._made: dict[str, float] = {}
        self.logins = 0
        self.logouts = 0

    @property
    def alive(self) -> int:
        now = self._world.now
        with self._lock:
            return sum(1 for made in self._made.values() if self._young(made, now))

    def expire(self) -> None:
        with self._lock:
            self._made.clear()

    def hand_out(self, username: str, password: str) -> str | None:
        """None for anybody but the one account."""
        if not self._knows(username, password):
            return None
        token, now = secrets.token_urlsafe(32) + _ODD, self._world.now
        with self._lock:
            self._made[token] = now
            self.logins += 1
        return token

    def good(self, token: str) -> bool:
        now = self._world.now
        with self._lock:
            made = self._made.get(token)
        return made is not None and self._young(made, now)

    def _young(self, made: float, now: float) -> bool:
        return self._seconds is None or now - made < self._seconds

    def _knows(self, username: str, password: str) -> bool:
        same_name = secrets.compare_digest(username.encode(), self._username.encode())
        return secrets.compare_digest(password.encode(), self._password.encode()) and same_name
