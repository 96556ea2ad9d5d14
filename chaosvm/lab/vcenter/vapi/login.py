"""Sessions of the vSphere Automation API: tokens in a header or a cookie."""

from __future__ import annotations

import secrets
from typing import Any

from aiohttp import web

from chaosvm.lab.simulation import World
from chaosvm.lab.vcenter.session_manager import Sessions
from chaosvm.lab.vcenter.vapi.errors import VapiError
from chaosvm.lab.vcenter.vapi.structures import Structure, to_plain

__all__ = ["Login"]

_TOKEN = "vmware-api-session-id"


class Login:
    def __init__(self, world: World, sessions: Sessions) -> None:
        self._world = world
        self._sessions = sessions

    def create(self, request: web.Request, legacy: bool) -> web.Response:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or not self._sessions.account.matches_basic(credentials):
            return _unauthenticated(legacy)
        token = self.new_token()
        body = {"value": token} if legacy else token
        response = web.json_response(body, status=200 if legacy else 201)
        response.set_cookie(_TOKEN, token, path="/rest" if legacy else "/api", httponly=True)
        return response

    def describe(self, request: web.Request, legacy: bool) -> web.Response:
        if not self.is_valid(_token(request)):
            return _unauthenticated(legacy)
        info = to_plain(self.info())
        return web.json_response({"value": info} if legacy else info)

    def delete(self, request: web.Request, legacy: bool) -> web.Response:
        if not self.is_valid(_token(request)):
            return _unauthenticated(legacy)
        self.drop(_token(request))
        return web.Response(status=200 if legacy else 204)

    def user_of(self, request: web.Request) -> str:
        """The user of a request's session. Raises VapiError without one."""
        if not self.is_valid(_token(request)):
            raise VapiError("unauthenticated", "Authentication required.")
        return self.user

    # For any protocol ------------------------------------------------------------------

    @property
    def user(self) -> str:
        return self._sessions.account.username

    def matches(self, username: str, password: str) -> bool:
        return self._sessions.account.matches(username, password)

    def new_token(self) -> str:
        return self._sessions.tokens.add(secrets.token_hex(16))

    def is_valid(self, token: str) -> bool:
        return self._sessions.tokens.is_valid(token)

    def drop(self, token: str) -> None:
        self._sessions.tokens.drop(token)

    def info(self) -> Any:
        now = self._world.date_of(self._world.now).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        return Structure(
            "com.vmware.cis.session.info", user=self.user, created_time=now, last_accessed_time=now
        )


def _token(request: web.Request) -> str:
    return request.headers.get(_TOKEN) or request.cookies.get(_TOKEN, "")


def _unauthenticated(legacy: bool) -> web.Response:
    error = VapiError("unauthenticated", "Authentication required.")
    return web.json_response(error.legacy() if legacy else error.plain(), status=error.status)
