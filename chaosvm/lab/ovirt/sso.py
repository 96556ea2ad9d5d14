"""Login and logout: the engine's single sign-on for API clients.

Source: the recordings ``sso-*`` and ``api-*token*``, ``api-basic-auth*``.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import hashlib
import json
import secrets
import uuid
from collections import Counter
from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from chaosvm.lab.credentials import Tokens
from chaosvm.lab.options import Options
from chaosvm.lab.simulation import EventKind, Origin, Role, User, World

__all__ = ["COOKIE", "SAFE", "Sessions", "Unauthorized", "own_id"]

_SCOPE = "ovirt-app-api"
_EXTENSIONS = (
    "ovirt-ext=token-info:authz-search ovirt-ext=token-info:public-authz-search "
    "ovirt-ext=token-info:validate ovirt-ext=token:password-access"
)
# In responses only; a token is extended as long as it is used.
_REPORTED_LIFETIME = dt.timedelta(days=7)
_WRONG = "Unable to log in. Verify your login information or contact the system administrator.."
_LOCKED = (
    "Unable to log in because the user account is disabled or locked. "
    "Contact the system administrator.."
)
_NO_PROFILE = "No valid profile found in credentials.."
_MAX_FAILURES = 5
_LOCKED_SECONDS = 3600.0
SAFE = {
    "X-XSS-PROTECTION": "1; MODE=BLOCK",
    "X-FRAME-OPTIONS": "SAMEORIGIN",
    "X-CONTENT-TYPE-OPTIONS": "NOSNIFF",
}
COOKIE = "locale=en_US; path=/; HttpOnly; Max-Age=2147483647"


class Unauthorized(Exception):
    """No valid login; the text is the reason."""


class Sessions:
    """Logins by password. A token is valid until it is revoked or expires."""

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._tokens = Tokens(world, options)
        self._owners: dict[str, User] = {}
        self._failures: Counter[str] = Counter()
        self._locked_until: dict[str, float] = {}
        self._admin = User(options.username, options.password, Role.ADMIN)
        self.logins = 0
        self.logouts = 0

    @property
    def alive(self) -> int:
        """Number of valid tokens."""
        return self._tokens.alive

    def expire(self) -> None:
        """Invalidate all tokens."""
        self._tokens.clear()

    async def user(self, request: web.Request) -> User:
        """The user of a request, by token or by HTTP basic authentication."""
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            owner = self._owners.get(credentials.strip())
            if owner is None or not self._tokens.is_valid(credentials.strip()):
                raise Unauthorized(
                    "invalid_grant: The provided authorization grant for the auth code has expired."
                )
        elif scheme.lower() == "basic":
            user = await self._check_password(*_decode_basic(credentials))
            if isinstance(user, str):
                raise Unauthorized(f"access_denied: {user}")
            owner = user
        else:
            raise Unauthorized("Unauthorized")
        if owner.role is Role.NONE:
            profile = owner.name.rpartition("@")[2]
            raise Unauthorized(
                f"The user {owner.name}-authz with profile [{profile}] is not authorized to "
                "perform login"
            )
        return owner

    async def token(self, request: web.Request) -> web.Response:
        """POST or GET .../sso/oauth/token, both with a form in the body."""
        form = await _parameters(request)
        if request.headers.get("Accept") != "application/json":
            return _refused("invalid_request", "Missing parameter: 'Accept Header'")
        if form.get("grant_type") != "password":
            return _refused(
                "unsupported_grant_type",
                "The authorization grant type is not supported by the authorization server.",
            )
        user = await self._check_password(form.get("username", ""), form.get("password", ""))
        if isinstance(user, str):
            return _refused("access_denied", user)
        return self._issue_token(user, form.get("scope", ""))

    async def log_out(self, request: web.Request) -> web.Response:
        """POST .../services/sso-logout: the same response for any token."""
        form = await _parameters(request)
        user = self._owners.get(form.get("token", ""))
        if self._tokens.drop(form.get("token", "")) and user is not None:
            self.logouts += 1
            self._record(EventKind.LOGGED_OUT, user, form.get("token", ""))
        headers = {
            "Content-Type": "application/json",
            "Content-Encoding": "identity",
            "Set-Cookie": COOKIE,
        }
        return web.Response(body=b"{ }", headers=headers)

    async def revoke(self, request: web.Request) -> web.Response:
        """POST .../sso/oauth/revoke, which only registered applications may use."""
        return _refused("invalid_request", "Missing parameter: 'client_id'")

    # Accounts ------------------------------------------------------------------------

    async def _check_password(self, username: str, password: str) -> User | str:
        """The user, or an error message, which may be delayed."""
        name, _, profile = username.rpartition("@")
        if not name or profile not in self._profiles():
            full_name = username if name else f"{username}@N/A"
            return f"Cannot authenticate user '{full_name}': {_NO_PROFILE}"
        user = self._user_named(username)
        locked = self._locked_until.get(username, 0.0) > self._world.now
        is_correct = user is not None and secrets.compare_digest(
            password.encode(), user.password.encode()
        )
        if is_correct and not locked and user is not None and not user.disabled:
            del self._failures[username]
            return user
        await asyncio.sleep(self._world.durations.wrong_login)
        if locked or (user is not None and user.disabled):
            return f"Cannot authenticate user '{username}': {_LOCKED}"
        self._count_failure(username)
        self._world.record(EventKind.LOGIN_FAILED, origin=Origin(user=username))
        return f"Cannot authenticate user '{username}': {_WRONG}"

    def _count_failure(self, username: str) -> None:
        """Five failures in a row lock an account for an hour."""
        if self._user_named(username) is None:
            return
        self._failures[username] += 1
        if self._failures[username] >= _MAX_FAILURES:
            del self._failures[username]
            self._locked_until[username] = self._world.now + _LOCKED_SECONDS

    def _user_named(self, username: str) -> User | None:
        return self._admin if username == self._admin.name else self._world.user(username)

    def _profiles(self) -> set[str]:
        names = [self._admin.name, *self._world.user_names, "@internal"]
        return {name.rpartition("@")[2] for name in names}

    def _issue_token(self, user: User, scope: str) -> web.Response:
        token = self._tokens.add(secrets.token_urlsafe(64))
        self._owners[token] = user
        self.logins += 1
        self._record(EventKind.LOGGED_IN, user, token)
        if _SCOPE in scope.split():
            scope = f"{_SCOPE} {_EXTENSIONS}"
        expires = self._world.date_of(self._world.now) + _REPORTED_LIFETIME
        return _answer(
            {
                "access_token": token,
                "scope": scope,
                "exp": str(int(expires.timestamp()) * 1000),
                "token_type": "bearer",
            }
        )

    def _record(self, kind: EventKind, user: User, token: str) -> None:
        """The session in an event's text is no token, and cannot be used as one."""
        session = hashlib.sha256(token.encode()).hexdigest()[:32]
        origin = Origin(user=user.name, correlation_id=own_id())
        self._world.record(kind, origin=origin, detail=session)


def own_id() -> str:
    """A correlation id as the engine generates them for internal commands."""
    return uuid.uuid4().hex[:8]


def _decode_basic(credentials: str) -> tuple[str, str]:
    try:
        username, _, password = base64.b64decode(credentials).decode().partition(":")
    except ValueError:
        return "", ""
    return username, password


async def _parameters(request: web.Request) -> Mapping[str, str]:
    """The parameters of the query and the form. The form takes precedence."""
    body = await request.text()
    is_form = "form" in request.headers.get("Content-Type", "")
    form = dict(parse_qsl(body, keep_blank_values=True)) if is_form else {}
    return {**request.query, **form}


def _refused(code: str, text: str) -> web.Response:
    return _answer({"error_code": code, "error": text}, 400)


def _answer(content: Mapping[str, str], status: int = 200) -> web.Response:
    headers = {
        "Content-Type": "application/json",
        "Content-Encoding": "identity",
        "Set-Cookie": COOKIE,
        **SAFE,
    }
    text = json.dumps(content, separators=(",", ":"))
    return web.Response(status=status, body=text.encode(), headers=headers)
