"""The HTTP server of the lab, and what a protocol server must offer it.

It runs in its own thread, with or without TLS, counts requests and connections, and
applies fault rules to them. The protocol servers provide the routes.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import ssl
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from functools import partial
from typing import Any, Protocol, cast

from aiohttp import web

from chaosvm.errors import InvalidValue
from chaosvm.lab import fault_injection
from chaosvm.lab.fault_rules import Call, Faults, Rule

__all__ = ["Handler", "ProtocolServer", "Route", "Server", "Sessions"]

Handler = Callable[[web.Request], Awaitable[web.Response]]

_MAX_BODY_BYTES = 64 * 2**20
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """A path, and how its requests are counted and matched by rules.

    ``name`` is the path with its variable parts in braces. Where one path serves many
    verbs, ``read_verb`` reads the verb from the request and its body, and the verb is part
    of the request's name.
    """

    method: str
    path: str
    handler: Handler
    name: str
    verb: str = ""
    read_verb: Callable[[web.Request, bytes], str] | None = None
    # The part of the request's path that is omitted; by default what precedes ``name``.
    prefix: str | None = None


class Sessions(Protocol):
    """The logins of a platform."""

    logins: int
    logouts: int

    @property
    def alive(self) -> int: ...

    def expire(self) -> None: ...


class ProtocolServer(Protocol):
    """One protocol on one port.

    A platform may have several; one of them has the ``sessions``.
    """

    tls: bool

    @property
    def sessions(self) -> Sessions | None: ...

    def environment(self, address: str, ca_file: str) -> dict[str, str]:
        """The environment variables that configure chaosvm for it at this host:port."""

    def routes(self) -> Sequence[Route]: ...

    def route_path(self, path: str) -> str:
        """The path that the routes have, without what clients may add, such as a version."""

    def about(self, request: web.Request) -> frozenset[str]:
        """Ids and names of the VMs that the request concerns."""

    def refusal(self, request: web.Request, rule: Rule) -> web.Response:
        """The protocol's fault with the details that the rule has."""

    async def unrouted(self, request: web.Request, code: int) -> web.Response:
        """The response if no route has this path (404) or this method (405)."""


class Server:
    """Serves one protocol on a port of 127.0.0.1, by default a free one.

    date: returns the date that answers carry.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        protocol: ProtocolServer,
        faults: Faults,
        tls: ssl.SSLContext | None,
        *,
        port: int = 0,
        date: Callable[[], dt.datetime],
    ) -> None:
        self.port = 0
        self._wanted_port = port
        self._date = date
        self.latency = 0.0
        self.protocol = protocol
        self._faults = faults
        self._tls = tls
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._connections = 0
        self._routes: dict[int, Route] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._web: web.Server | None = None
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="lab-server", daemon=True)

    # From other threads --------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()
        if self.port == 0:
            reason = self._failure.strerror if self._failure else "it ended at once"
            raise InvalidValue(
                f"the lab cannot listen on port {self._wanted_port} of {self.host}: {reason}"
            ) from self._failure

    def stop(self) -> None:
        if self._loop is not None and self._stopping is not None:
            # The loop may have ended on its own.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread.ident is not None:
            self._thread.join()

    def requests(self) -> dict[str, int]:
        with self._lock:
            return dict(self._requests)

    @property
    def connections(self) -> int:
        """TCP connections accepted."""
        with self._lock:
            return self._connections

    def reset_requests(self) -> None:
        with self._lock:
            self._requests.clear()
            self._connections = 0

    def drop_connections(self) -> None:
        """Close every open connection."""
        if self._loop is not None:
            done = threading.Event()
            self._loop.call_soon_threadsafe(self._abort_all)
            self._loop.call_soon_threadsafe(done.set)
            done.wait()

    # In its own thread -----------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:  # start() raises it
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_exception)
        self._stopping = asyncio.Event()
        # A request is carried out even if its client leaves, as on real servers.
        runner = web.AppRunner(
            self._application(), access_log=None, handler_cancellation=False, shutdown_timeout=0.1
        )
        await runner.setup()
        self._web = runner.server
        listener = await loop.create_server(
            self._accept,
            self.host,
            self._wanted_port,
            ssl=self._tls,
            ssl_shutdown_timeout=1 if self._tls else None,
            backlog=1024,
        )
        self.port = listener.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            await self._stopping.wait()
        finally:
            listener.close()
            self._abort_all()
            await runner.cleanup()
            # TLS transports close in the next iterations of the loop.
            await asyncio.sleep(0.01)

    def _application(self) -> web.Application:
        application = web.Application(
            middlewares=[self._middleware()], client_max_size=_MAX_BODY_BYTES
        )
        by_path: dict[str, list[Route]] = defaultdict(list)
        for route in self.protocol.routes():
            by_path[route.path].append(route)
        for path, routes in by_path.items():
            resource = application.router.add_resource(path)
            for route in routes:
                self._routes[id(resource.add_route(route.method, route.handler))] = route
        return application

    def _accept(self) -> asyncio.Protocol:
        assert self._web is not None
        with self._lock:
            self._connections += 1
        return self._web()

    def _abort_all(self) -> None:
        for connection in list(self._web.connections if self._web else ()):
            if connection.transport is not None:
                connection.transport.abort()

    def _middleware(self) -> Any:
        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                match = await self._match(request)
                body = await request.read()  # aiohttp keeps it: the client may leave later
                call = self._call(request, match.route, body)
                with self._lock:
                    self._requests[call.name] += 1
                response = await self._respond(call, request, cast(Handler, match.handler))
                response.headers.setdefault("Date", format_datetime(self._date(), usegmt=True))
                return response
            except ConnectionError:  # the client left
                return web.Response()

        return middleware

    async def _match(self, request: web.Request) -> web.UrlMappingMatchInfo:
        """The match of the path that the routes have; its variables become the request's."""
        path = request.rel_url.raw_path
        route_path = self.protocol.route_path(path)
        if route_path == path:
            return request.match_info
        url = request.rel_url.with_path(route_path, encoded=True)
        match = await request.app.router.resolve(request.clone(rel_url=url))
        request.match_info.clear()
        request.match_info.update(match)
        return match

    async def _respond(
        self, call: Call, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        await self._faults.run_callbacks(call)
        if self.latency:
            await asyncio.sleep(self.latency)
        handle = partial(self._handle, request, handler)
        if (rule := self._faults.pick(call)) is None:
            return await handle()
        refuse = partial(self.protocol.refusal, request, rule)
        return await fault_injection.respond(rule, request, handle, refuse)

    def _call(self, request: web.Request, matched: web.AbstractRoute, body: bytes) -> Call:
        route = self._routes.get(id(matched))
        if route is None:
            name = f"{request.method} {request.path}"
            return Call(name, name, "")
        # "/ovirt-engine/api/vms/1" becomes "/api/vms/1".
        prefix = route.path.removesuffix(route.name) if route.prefix is None else route.prefix
        verb = route.read_verb(request, body) if route.read_verb else route.verb
        suffix = f" {verb}" if route.read_verb and verb else ""
        return Call(
            name=f"{request.method} {route.name}{suffix}",
            path=f"{request.method} {request.path.removeprefix(prefix)}{suffix}",
            verb=verb,
            about=self.protocol.about(request),
        )

    async def _handle(self, request: web.Request, handler: Handler) -> web.Response:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return await self.protocol.unrouted(request, error.status)


def _log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Only for debugging: clients may distrust the certificate, or leave early."""
    _logger.debug("lab server: %s: %s", context.get("message"), context.get("exception"))
