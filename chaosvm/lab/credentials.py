"""The account of a lab, and the tokens of its logins."""

from __future__ import annotations

import base64
import secrets
import threading

from chaosvm.lab.options import Options
from chaosvm.lab.simulation import World

__all__ = ["Account", "Tokens"]


class Account:
    """The only account of a lab."""

    def __init__(self, options: Options) -> None:
        self.username = options.username
        self._password = options.password

    def matches(self, username: str, password: str) -> bool:
        same_name = secrets.compare_digest(username.encode(), self.username.encode())
        return secrets.compare_digest(password.encode(), self._password.encode()) and same_name

    def matches_basic(self, credentials: str) -> bool:
        """Check credentials in the form of HTTP basic authentication."""
        try:
            username, _, password = base64.b64decode(credentials).decode().partition(":")
        except ValueError:
            return False
        return self.matches(username, password)


class Tokens:
    """Tokens, which are valid until they are dropped, cleared or expired."""

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._seconds = options.token_seconds
        self._lock = threading.Lock()
        self._created: dict[str, float] = {}  # creation times

    def add(self, token: str) -> str:
        with self._lock:
            self._created[token] = self._world.now
        return token

    def is_valid(self, token: str) -> bool:
        with self._lock:
            created = self._created.get(token)
        return created is not None and self._is_fresh(created)

    def drop(self, token: str) -> bool:
        """Remove a token. False if it was unknown."""
        with self._lock:
            return self._created.pop(token, None) is not None

    def clear(self) -> None:
        with self._lock:
            self._created.clear()

    @property
    def alive(self) -> int:
        with self._lock:
            return sum(map(self._is_fresh, self._created.values()))

    def _is_fresh(self, created: float) -> bool:
        return self._seconds is None or self._world.now - created < self._seconds
