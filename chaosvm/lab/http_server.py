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
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from functools import cache, partial
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol

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
        for path, group in groupby(self.protocol.routes(), attrgetter("path")):
            routes = tuple(group)
            resource = _resource(path, tuple(route.method for route in routes))
            application.router.register_resource(resource)
            self._routes |= zip(map(id, resource), routes, strict=True)
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
                body = await request.read()  # aiohttp keeps it: the client may leave later
                route = self._routes.get(id(request.match_info.route))
                call = self._call(route, request, body)
                with self._lock:
                    self._requests[call.name] += 1
                handle = route.handler if route else handler
                response = await self._respond(call, request, handle)
                response.headers.setdefault("Date", format_datetime(self._date(), usegmt=True))
                return response
            except ConnectionError:  # the client left
                return web.Response()

        return middleware

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

    def _call(self, route: Route | None, request: web.Request, body: bytes) -> Call:
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


@cache
def _resource(path: str, methods: tuple[str, ...]) -> web.Resource:
    """What matches a path; for all labs of a process, as its regular expression takes long.

    The handlers are those of the lab that is asked, and not here.
    """
    resource = web.UrlDispatcher().add_resource(path)
    for method in methods:
        resource.add_route(method, _not_here)
    return resource


async def _not_here(_: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound


def _log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Only for debugging: clients may distrust the certificate, or leave early."""
    _logger.debug("lab server: %s: %s", context.get("message"), context.get("exception"))
