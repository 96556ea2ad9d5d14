"""Logging in and out: the engine's single sign-on, as far as API clients use it."""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Mapping

from aiohttp import web

from chaosvm.lab.options import Options
from chaosvm.lab.world import Asked, EventKind, World

__all__ = ["Sessions"]

_API_SCOPE = "ovirt-app-api"
# The engine says so whatever the real life of a token: it means nothing.
_MEANINGLESS_EXPIRY = "9223372036854775807"


class Sessions:
    """Tokens and the one account. A token lives until revoked, expired or too old."""

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._username = options.username
        self._password = options.password
        self._seconds = options.token_seconds
        self._lock = threading.Lock()
        self._tokens: dict[str, float] = {}  # and when each was made
        self.logins = 0
        self.logouts = 0

    @property
    def alive(self) -> int:
        """How many tokens are good."""
        with self._lock:
            return sum(1 for token in list(self._tokens) if self._good(token))

    def expire(self) -> None:
        """Every token handed out so far is worth nothing from now on."""
        with self._lock:
            self._tokens.clear()

    def user(self, request: web.Request) -> str | None:
        """Who asks, by a token or, as curl -u does, by name and password; None if unknown."""
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        with self._lock:
            if scheme.lower() == "bearer" and self._good(credentials.strip()):
                return self._username
        if scheme.lower() == "basic" and self._knows(*_unpacked(credentials)):
            return self._username
        return None

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
        if not self._knows(username, password):
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
        with self._lock:
            known = self._tokens.pop(given.get("token", ""), None) is not None
            self.logouts += known
        if known:
            self._world.record(EventKind.LOGGED_OUT, asked=Asked(user=self._username))
        return web.json_response({})

    def _welcome(self, scope: str) -> web.Response:
        token = secrets.token_urlsafe(64)
        with self._lock:
            self._tokens[token] = self._world.now
            self.logins += 1
        self._world.record(EventKind.LOGGED_IN, asked=Asked(user=self._username))
        return web.json_response(
            {
                "access_token": token,
                "scope": scope,
                "exp": _MEANINGLESS_EXPIRY,
                "token_type": "bearer",
            }
        )

    def _knows(self, username: str, password: str) -> bool:
        same_name = secrets.compare_digest(username.encode(), self._username.encode())
        return secrets.compare_digest(password.encode(), self._password.encode()) and same_name

    def _good(self, token: str) -> bool:
        made = self._tokens.get(token)
        if made is None:
            return False
        return self._seconds is None or self._world.now - made < self._seconds


async def _parameters(request: web.Request) -> Mapping[str, str]:
    """Of the query and the form, the form's first."""
    form = {key: str(value) for key, value in (await request.post()).items()}
    return {**request.query, **form}


def _refused(code: str, text: str) -> web.Response:
    return web.json_response({"error_code": code, "error": text}, status=400)


def _unpacked(credentials: str) -> tuple[str, str]:
    try:
        username, _, password = base64.b64decode(credentials).decode().partition(":")
    except ValueError:
        return "", ""
    return username, password
