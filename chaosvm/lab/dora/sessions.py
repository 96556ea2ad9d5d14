"""Login and tokens."""

from __future__ import annotations

import secrets

from chaosvm.lab.credentials import Account, Tokens
from chaosvm.lab.options import Options
from chaosvm.lab.simulation import World

__all__ = ["Sessions"]

# Appended to every token, so that a client that does not encode it fails every time.
_SPECIAL_CHARACTERS = "/+%2F="


class Sessions:
    """Tokens are valid until they expire: there is no logout.

    Logins are not recorded as events, because those are the vCenter's or engine's,
    which do not know Dora's users.
    """

    def __init__(self, world: World, options: Options) -> None:
        self._account = Account(options)
        self._tokens = Tokens(world, options)
        self.logins = 0
        self.logouts = 0

    @property
    def alive(self) -> int:
        return self._tokens.alive

    def expire(self) -> None:
        self._tokens.clear()

    def login(self, username: str, password: str) -> str | None:
        """A new token, None if the credentials are wrong."""
        if not self._account.matches(username, password):
            return None
        self.logins += 1
        return self._tokens.add(secrets.token_urlsafe(32) + _SPECIAL_CHARACTERS)

    def is_valid(self, token: str) -> bool:
        return self._tokens.is_valid(token)
