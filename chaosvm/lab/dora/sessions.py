"""Logging in, and the tokens that were handed out."""

from __future__ import annotations

import secrets

from chaosvm.lab.credentials import Account, Tokens
from chaosvm.lab.options import Options
from chaosvm.lab.world import World

__all__ = ["Sessions"]

# Every token is as odd as some may be, so that a client that does not encode
# them always fails here, instead of once in a while elsewhere.
_ODD = "/+%2F="


class Sessions:
    """A token lives until it is expired or too old: nobody can log out.

    The world's events are not told: they are the vCenter's or the engine's, to
    which a user of Dora is unknown.
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

    def hand_out(self, username: str, password: str) -> str | None:
        """None for anybody but the one account."""
        if not self._account.knows(username, password):
            return None
        self.logins += 1
        return self._tokens.add(secrets.token_urlsafe(32) + _ODD)

    def good(self, token: str) -> bool:
        return self._tokens.good(token)
