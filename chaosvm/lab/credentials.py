"""Who may log in to a face, and the tokens that show that somebody has."""

from __future__ import annotations

import base64
import secrets
import threading

from chaosvm.lab.options import Options
from chaosvm.lab.world import World

__all__ = ["Account", "Tokens"]


class Account:
    """The one account that a lab has."""

    def __init__(self, options: Options) -> None:
        self.username = options.username
        self._password = options.password

    def knows(self, username: str, password: str) -> bool:
        same_name = secrets.compare_digest(username.encode(), self.username.encode())
        return secrets.compare_digest(password.encode(), self._password.encode()) and same_name

    def knows_basic(self, credentials: str) -> bool:
        """Name and password as HTTP's basic authentication packs them."""
        try:
            username, _, password = base64.b64decode(credentials).decode().partition(":")
        except ValueError:
            return False
        return self.knows(username, password)


class Tokens:
    """Each is good until it is dropped, cleared away or too old."""

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._seconds = options.token_seconds
        self._lock = threading.Lock()
        self._made: dict[str, float] = {}  # when

    def add(self, token: str) -> str:
        with self._lock:
            self._made[token] = self._world.now
        return token

    def good(self, token: str) -> bool:
        with self._lock:
            made = self._made.get(token)
        return made is not None and self._young(made)

    def drop(self, token: str) -> bool:
        """Was it there?"""
        with self._lock:
            return self._made.pop(token, None) is not None

    def clear(self) -> None:
        with self._lock:
            self._made.clear()

    @property
    def alive(self) -> int:
        with self._lock:
            return sum(map(self._young, self._made.values()))

    def _young(self, made: float) -> bool:
        return self._seconds is None or self._world.now - made < self._seconds
