"""Dora's two ports: which path is answered how.

Names, passwords and tokens are parts of paths, each encoded as a whole. The
routes are shown without them, and so is what no route fits.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import unquote

from aiohttp import web

from chaosvm.lab.dora.estates import Coordinates, Estates
from chaosvm.lab.dora.items import Items, listed
from chaosvm.lab.dora.readings import Readings
from chaosvm.lab.dora.sessions import Sessions
from chaosvm.lab.faults import Rule
from chaosvm.lab.options import Options
from chaosvm.lab.server import Handler, Route, page
from chaosvm.lab.world import World

__all__ = ["InventoryFace", "LoginFace"]

_SMALLEST_TO_COMPRESS = 500
# Quick: the clients are on the same machine.
_LEVEL = 1
# A part of a path may be empty, and may hold what aiohttp's own pattern does not take.
_ANY = "[^/]*"


class _DoraFace:
    """What both ports have in common."""

    def __init__(self, options: Options) -> None:
        self.tls = options.dora_tls
        self._options = options

    def about(self, request: web.Request) -> frozenset[str]:
        """A list is about no VM more than about others."""
        return frozenset()

    async def unserved(self, request: web.Request, code: int) -> web.Response:
        return page(code)

    def refusal(self, request: web.Request, rule: Rule) -> web.Response:
        return _refused(rule.code or 409, rule.message)

    def _address(self, address: str, port: str, ca_file: str) -> dict[str, str]:
        host, _, number = address.rpartition(":")
        found = {
            "DORA_HOST": host,
            port: number,
            "DORA_SCHEME": "https" if self.tls else "http",
        }
        return found | ({"DORA_CA_FILE": ca_file} if self.tls else {})


class LoginFace(_DoraFace):
    """The port that hands out tokens."""

    def __init__(self, sessions: Sessions, options: Options) -> None:
        super().__init__(options)
        self.sessions = sessions

    def environment(self, address: str, ca_file: str) -> dict[str, str]:
        return {
            **self._address(address, "DORA_AUTH_PORT", ca_file),
            "DORA_USERNAME": self._options.username,
            "DORA_PASSWORD": self._options.password,
        }

    def routes(self) -> Sequence[Route]:
        return [_route("GetLoginToken", ("user", "password"), self._log_in, "login"), _nowhere()]

    async def _log_in(self, request: web.Request) -> web.Response:
        token = self.sessions.hand_out(*_parts(request))
        if token is None:
            return _refused(401, "the user or the password is not known")
        return web.json_response({"token": token})


class InventoryFace(_DoraFace):
    """The port that tells what there is."""

    sessions = None  # they are told of by the other

    def __init__(self, world: World, sessions: Sessions, options: Options) -> None:
        super().__init__(options)
        self._sessions = sessions
        self._readings = Readings(world, options.dora_lag)
        self._estates = Estates(world, options.dora_estates)
        self._items = Items(world)

    def environment(self, address: str, ca_file: str) -> dict[str, str]:
        return self._address(address, "DORA_API_PORT", ca_file)

    def routes(self) -> Sequence[Route]:
        return [
            _route(
                "GetHypervisors",
                ("token", "vcenter", "pattern"),
                partial(self._tell, self._hypervisors),
                "hypervisors",
            ),
            _route(
                "GetVirtualMachines",
                ("token", "vcenter", "vm_path"),
                partial(self._tell, self._vms),
                "vms",
            ),
            _nowhere(),
        ]

    async def _tell(
        self, found: Callable[[Coordinates], list[bytes]], request: web.Request
    ) -> web.Response:
        token, vcenter, path = _parts(request)
        if not self._sessions.good(token):
            return _refused(401, "the token is not known, or too old")
        where = Coordinates(vcenter, path, request.query.get("host_filter", ""))
        # Long lists take their time, in which others are served.
        return await asyncio.to_thread(lambda: self._answer(request, found(where)))

    def _hypervisors(self, where: Coordinates) -> list[bytes]:
        reading = self._readings.latest()
        return self._items.hypervisors(self._estates.hosts(reading, where), reading)

    def _vms(self, where: Coordinates) -> list[bytes]:
        reading = self._readings.latest()
        return self._items.vms(self._estates.vms(reading, where), reading)

    def _answer(self, request: web.Request, items: list[bytes]) -> web.Response:
        body = listed(items, self._options.dora_bare)
        if not _takes_gzip(request) or len(body) < _SMALLEST_TO_COMPRESS:
            return _json(body)
        return _json(gzip.compress(body, _LEVEL), headers={"Content-Encoding": "gzip"})


# Paths -----------------------------------------------------------------------------------


def _route(call: str, parts: Sequence[str], handler: Handler, verb: str) -> Route:
    shown = f"/v1/{call}" + "".join(f"/{{{part}}}" for part in parts)
    path = f"/v1/{call}" + "".join(f"/{{{part}:{_ANY}}}" for part in parts)
    return Route("GET", path, handler, shown, verb)


def _parts(request: web.Request) -> list[str]:
    """What stands after the call's name.

    Cut before it is decoded: what aiohttp makes of %2F and %25 differs between
    its versions.
    """
    return [unquote(part) for part in request.rel_url.raw_path.split("/")[3:]]


def _nowhere() -> Route:
    """For all the rest, which would be counted with the secrets in its path otherwise."""

    async def refuse(request: web.Request) -> web.Response:
        return _refused(404, "there is no such call")

    return Route("*", "/{unknown:(?s:.*)}", refuse, "/{unknown}")


# Answers ---------------------------------------------------------------------------------


def _takes_gzip(request: web.Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "").lower()


def _refused(code: int, message: str) -> web.Response:
    return _json(json.dumps({"error": message}).encode(), code)


def _json(body: bytes, code: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=code, body=body, content_type="application/json", headers=headers)
