"""Dora's two ports: which path is answered how."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from chaosvm.lab.dora.described import Snapshot
from chaosvm.lab.dora.tokens import Tokens
from chaosvm.lab.faults import Rule
from chaosvm.lab.options import Options
from chaosvm.lab.server import Handler, Route
from chaosvm.lab.world import World

__all__ = ["InventoryFace", "LoginFace"]


class LoginFace:
    def __init__(self, tokens: Tokens, options: Options) -> None:
        self.tls = options.dora_tls
        self.sessions = tokens
        self._options = options

    def environment(self, address: str, ca_file: str) -> dict[str, str]:
        return {
            "DORA_AUTH_PORT": address.rpartition(":")[2],
            "DORA_USERNAME": self._options.username,
            "DORA_PASSWORD": self._options.password,
        }

    def routes(self) -> Sequence[Route]:
        return [_route("GetLoginToken/{user}/{password}", self._login, "login")]

    def about(self, request: web.Request) -> frozenset[str]:
        return frozenset()

    def refusal(self, request: web.Request, rule: Rule) -> web.Response:
        return _error(rule.code or 409, rule.message)

    async def _login(self, request: web.Request) -> web.Response:
        token = self.sessions.login(*_parts(request))
        if token is None:
            return _error(401, "unknown user or wrong password")
        return web.json_response({"token": token})


class InventoryFace:
    sessions = None

    def __init__(self, world: World, tokens: Tokens, options: Options) -> None:
        self.tls = options.dora_tls
        self._tokens = tokens
        self._options = options
        self._snapshot = Snapshot(world, options.dora_lag)

    def environment(self, address: str, ca_file: str) -> dict[str, str]:
        host, _, port = address.rpartition(":")
        found = {"DORA_HOST": host, "DORA_API_PORT": port}
        if self.tls:
            return {**found, "DORA_SCHEME": "https", "DORA_CA_FILE": ca_file}
        return {**found, "DORA_SCHEME": "http"}

    def routes(self) -> Sequence[Route]:
        return [
            _route("GetHypervisors/{token}/{vcenter}/{pattern_path}", self._hosts, "hypervisors"),
            _route("GetVirtualMachines/{token}/{vcenter}/{vm_path}", self._vms, "vms"),
        ]

    def about(self, request: web.Request) -> frozenset[str]:
        return frozenset()

    def refusal(self, request: web.Request, rule: Rule) -> web.Response:
        return _error(rule.code or 409, rule.message)

    async def _hosts(self, request: web.Request) -> web.Response:
        return await self._answer(request, "hypervisors")

    async def _vms(self, request: web.Request) -> web.Response:
        return await self._answer(request, "vms")

    async def _answer(self, request: web.Request, what: str) -> web.Response:
        token, vcenter, path = _parts(request)
        if not self._tokens.knows(token):
            return _error(401, "the token is not valid")
        datacenters = self._datacenters(vcenter, path)
        part = request.query.get("host_filter", "") if self._options.dora_estates else ""
        body = await asyncio.to_thread(self._written, what, datacenters, part)
        return web.Response(body=body, content_type="application/json")

    def _datacenters(self, vcenter: str, path: str) -> Sequence[str] | None:
        """Those that these coordinates mean: None for all of them."""
        if self._options.dora_estates is None:
            return None
        return self._options.dora_estates.get(vcenter, {}).get(path, ())

    def _written(self, what: str, datacenters: Sequence[str] | None, part: str) -> bytes:
        found: list[Any] = [
            item.told
            for item in getattr(self._snapshot.fresh(), what)
            if (datacenters is None or item.datacenter in datacenters) and part in item.host
        ]
        return json.dumps(found if self._options.dora_bare else {"items": found}).encode()


def _route(path: str, handler: Handler, verb: str) -> Route:
    # The parts are read from the raw path, as they may hold encoded slashes.
    command = path.partition("/")[0]
    return Route("GET", f"/v1/{command}/{{rest:.*}}", handler, f"/v1/{path}", verb)


def _parts(request: web.Request) -> list[str]:
    """What follows the command in the path, each part decoded by itself."""
    parts = request.rel_url.raw_path.split("/")[3:]
    wanted = 2 if "GetLoginToken" in request.path else 3
    if len(parts) != wanted:
        raise web.HTTPNotFound
    return [unquote(part) for part in parts]


def _error(code: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=code)
