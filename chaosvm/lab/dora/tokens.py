"""Who is logged in to Dora."""

from __future__ import annotations

import secrets
import threading

from chaosvm.lab.options import Options
from chaosvm.lab.world import World

__all__ = ["Tokens"]


class Tokens:
    """A token lives until it expires; Dora knows no logout."""

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._account = (options.username, options.password)
        self._seconds = options.token_seconds
        self._lock = threading.Lock()
        self._made: dict[str, float] = {}
        self.logins = 0
        self.logouts = 0

    @property
    def alive(self) -> int:
        with self._lock:
            return sum(self._good(token) for token in self._made)

    def expire(self) -> None:
        """Every token handed out so far is worth nothing from now on."""
        with self._lock:
            self._made.clear()

    def login(self, username: str, password: str) -> str | None:
        """A new token, or None for a wrong name or password."""
        if (username, password) != self._account:
            return None
        # With what has to be encoded in a path.
        token = f"{secrets.token_urlsafe(24)}/+={secrets.token_hex(4)}%"
        with self._lock:
            self._made[token] = self._world.now
            self.logins += 1
        return token

    def knows(self, token: str) -> bool:
        with self._lock:
            return self._good(token)

    def _good(self, token: str) -> bool:
        made = self._made.get(token)
        if made is None:
            return False
        return self._seconds is None or self._world.now - made < self._seconds
