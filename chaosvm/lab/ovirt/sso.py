"""Logging in and out: the engine's single sign-on, as far as API clients use it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from aiohttp import web

from chaosvm.lab.credentials import Account, Tokens
from chaosvm.lab.options import Options
from chaosvm.lab.world import Asked, EventKind, World

__all__ = ["Sessions"]

_API_SCOPE = "ovirt-app-api"
# The engine says so whatever the real life of a token: it means nothing.
_MEANINGLESS_EXPIRY = "9223372036854775807"


class Sessions:
    """A token lives until revoked, expired or too old."""

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._account = Account(options)
        self._tokens = Tokens(world, options)
        self.logins = 0
        self.logouts = 0

    @property
    def alive(self) -> int:
        """How many tokens are good."""
        return self._tokens.alive

    def expire(self) -> None:
        """Every token handed out so far is worth nothing from now on."""
        self._tokens.clear()

    def user(self, request: web.Request) -> str | None:
        """Who asks, by a token or, as curl -u does, by name and password; None if unknown."""
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            good = self._tokens.good(credentials.strip())
        else:
            good = scheme.lower() == "basic" and self._account.knows_basic(credentials)
        return self._account.username if good else None

    async def token(self, request: web.Request) -> web.Response:
        """POST .../sso/oauth/token."""
        given = await _parameters(request)
        if request.headers.get("Accept") != "application/json":
            return _refused("invalid_request", "Missing parameter: 'Accept Header'")
        if given.get("grant_type") != "password":
            return _refused("unsupported_grant_type", "Unsupported grant type")
        if _API_SCOPE not in given.get("scope", "").split():
            return _refused("invalid_scope", f"Invalid scope: {given.get('scope', '')!r}")
        username, password = given.get("username", ""), given.get("password", "")
        if "@" not in username:
            return _refused(
                "access_denied",
                "Cannot authenticate user No valid profile found in credentials..",
            )
        if not self._account.knows(username, password):
            self._world.record(EventKind.LOGIN_FAILED, asked=Asked(user=username))
            return _refused(
                "access_denied",
                f"Cannot authenticate user '{username}': Unable to log in. "
                "Verify your login information or contact the system administrator..",
            )
        return self._welcome(given["scope"])

    async def revoke(self, request: web.Request) -> web.Response:
        """POST .../services/sso-logout and .../sso/oauth/revoke."""
        given = await _parameters(request)
        if self._tokens.drop(given.get("token", "")):
            self.logouts += 1
            self._world.record(EventKind.LOGGED_OUT, asked=Asked(user=self._account.username))
        return web.json_response({})

    def _welcome(self, scope: str) -> web.Response:
        token = self._tokens.add(secrets.token_urlsafe(64))
        self.logins += 1
        self._world.record(EventKind.LOGGED_IN, asked=Asked(user=self._account.username))
        return web.json_response(
            {
                "access_token": token,
                "scope": scope,
                "exp": _MEANINGLESS_EXPIRY,
                "token_type": "bearer",
            }
        )


async def _parameters(request: web.Request) -> Mapping[str, str]:
    """Of the query and the form, the form's first."""
    form = {key: str(value) for key, value in (await request.post()).items()}
    return {**request.query, **form}


def _refused(code: str, text: str) -> web.Response:
    return web.json_response({"error_code": code, "error": text}, status=400)
