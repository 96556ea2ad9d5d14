"""HTTP routes of Dora's two ports.

Names, passwords and tokens are path segments. Routes are counted and logged without
them, and so are requests that match no route.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import unquote

from aiohttp import web

from chaosvm.lab.dora.datacenter_mapping import Coordinates, DatacenterMapping
from chaosvm.lab.dora.inventory_snapshots import InventorySnapshots
from chaosvm.lab.dora.item_writer import ItemWriter, list_body
from chaosvm.lab.dora.sessions import Sessions
from chaosvm.lab.fault_injection import page
from chaosvm.lab.fault_rules import Rule
from chaosvm.lab.http_server import Handler, Route
from chaosvm.lab.options import Options
from chaosvm.lab.simulation import World

__all__ = ["InventoryServer", "LoginServer"]

_MIN_GZIP_BYTES = 500
# The fastest level: clients are on the same machine.
_GZIP_LEVEL = 1
# A segment may be empty or contain characters that aiohttp's default pattern excludes.
_ANY_SEGMENT = "[^/]*"


class _DoraServer:
    """Base class of both ports."""

    def __init__(self, options: Options) -> None:
        self.tls = options.dora_tls
        self._options = options

    def route_path(self, path: str) -> str:
        return path

    def about(self, request: web.Request) -> frozenset[str]:
        """No VM: lists are not about single VMs."""
        return frozenset()

    async def unrouted(self, request: web.Request, code: int) -> web.Response:
        return page(code)

    def refusal(self, request: web.Request, rule: Rule) -> web.Response:
        return _error(rule.code or 409, rule.message)

    def _address(self, address: str, port_variable: str, ca_file: str) -> dict[str, str]:
        host, _, port = address.rpartition(":")
        variables = {
            "DORA_HOST": host,
            port_variable: port,
            "DORA_SCHEME": "https" if self.tls else "http",
        }
        return variables | ({"DORA_CA_FILE": ca_file} if self.tls else {})


class LoginServer(_DoraServer):
    """The login port."""

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
        return [_route("GetLoginToken", ("user", "password"), self._login, "login"), _catch_all()]

    async def _login(self, request: web.Request) -> web.Response:
        token = self.sessions.login(*_path_segments(request))
        if token is None:
            return _error(401, "the user or the password is not known")
        return web.json_response({"token": token})


class InventoryServer(_DoraServer):
    """The port of the lists."""

    sessions = None  # reported by the login port

    def __init__(self, world: World, sessions: Sessions, options: Options) -> None:
        super().__init__(options)
        self._sessions = sessions
        self._snapshots = InventorySnapshots(world, options.dora_lag)
        self._mapping = DatacenterMapping(world, options.dora_estates)
        self._writer = ItemWriter(world)

    def environment(self, address: str, ca_file: str) -> dict[str, str]:
        return self._address(address, "DORA_API_PORT", ca_file)

    def routes(self) -> Sequence[Route]:
        return [
            _route(
                "GetHypervisors",
                ("token", "vcenter", "pattern"),
                partial(self._list, self._hypervisors),
                "hypervisors",
            ),
            _route(
                "GetVirtualMachines",
                ("token", "vcenter", "vm_path"),
                partial(self._list, self._vms),
                "vms",
            ),
            _catch_all(),
        ]

    async def _list(
        self, read_items: Callable[[Coordinates], list[bytes]], request: web.Request
    ) -> web.Response:
        token, vcenter, path = _path_segments(request)
        if not self._sessions.is_valid(token):
            return _error(401, "the token is not known, or too old")
        coordinates = Coordinates(vcenter, path, request.query.get("host_filter", ""))
        # In a thread, so that long lists do not block other requests.
        return await asyncio.to_thread(lambda: self._answer(request, read_items(coordinates)))

    def _hypervisors(self, coordinates: Coordinates) -> list[bytes]:
        snapshot = self._snapshots.latest()
        return self._writer.hypervisors(self._mapping.hosts(snapshot, coordinates), snapshot)

    def _vms(self, coordinates: Coordinates) -> list[bytes]:
        snapshot = self._snapshots.latest()
        return self._writer.vms(self._mapping.vms(snapshot, coordinates), snapshot)

    def _answer(self, request: web.Request, items: list[bytes]) -> web.Response:
        body = list_body(items, self._options.dora_bare)
        if not _accepts_gzip(request) or len(body) < _MIN_GZIP_BYTES:
            return _json(body)
        return _json(gzip.compress(body, _GZIP_LEVEL), headers={"Content-Encoding": "gzip"})


# Paths -----------------------------------------------------------------------------------


def _route(call: str, segments: Sequence[str], handler: Handler, verb: str) -> Route:
    name = f"/v1/{call}" + "".join(f"/{{{segment}}}" for segment in segments)
    path = f"/v1/{call}" + "".join(f"/{{{segment}:{_ANY_SEGMENT}}}" for segment in segments)
    return Route("GET", path, handler, name, verb)


def _path_segments(request: web.Request) -> list[str]:
    """The path segments after the name of the call.

    Split before decoding, because aiohttp's handling of %2F and %25 differs between
    versions.
    """
    return [unquote(segment) for segment in request.rel_url.raw_path.split("/")[3:]]


def _catch_all() -> Route:
    """A route for unknown paths, which would otherwise be counted with secrets in their path."""

    async def refuse(request: web.Request) -> web.Response:
        return _error(404, "there is no such call")

    return Route("*", "/{unknown:(?s:.*)}", refuse, "/{unknown}")


# Answers ---------------------------------------------------------------------------------


def _accepts_gzip(request: web.Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "").lower()


def _error(code: int, message: str) -> web.Response:
    return _json(json.dumps({"error": message}).encode(), code)


def _json(body: bytes, code: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=code, body=body, content_type="application/json", headers=headers)
