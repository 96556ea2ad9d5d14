"""An HTTP server, mostly with TLS, in a thread of its own, which can be made to misbehave.

It knows no protocol: the faces bring routes. It counts requests and
connections, and what is asked of it by rules is done here, to the answer that
a face gave.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from aiohttp import web

from chaosvm.lab.faults import Call, Faults, Rule

__all__ = ["IGNORED", "TASK_RULE", "ProtocolServer", "Route", "Server", "Sessions", "page"]

Handler = Callable[[web.Request], Awaitable[web.Response]]

# True while a request is served that is to be answered, but not to be carried out.
IGNORED: ContextVar[bool] = ContextVar("IGNORED", default=False)
# The rule about the task that the request that is served begins, if there is one.
TASK_RULE: ContextVar[Rule | None] = ContextVar("TASK_RULE", default=None)

_DRIP_SECONDS = 0.2
_LOOK_EVERY = 0.05
_LONGEST_BODY = 64 * 2**20
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """``name`` is the path as it is counted and shown, with its variable parts in braces.

    Where one path leads to many verbs, ``told_apart`` finds the verb in the
    request and its body; it is shown as well.
    """

    method: str
    path: str
    handler: Handler
    name: str
    verb: str = ""
    told_apart: Callable[[web.Request, bytes], str] | None = None
    # What of a request's path is not shown; by default what ``path`` has before ``name``.
    prefix: str | None = None


class Sessions(Protocol):
    """Who is logged in, and how often that was done."""

    logins: int
    logouts: int

    @property
    def alive(self) -> int: ...

    def expire(self) -> None: ...


class ProtocolServer(Protocol):
    """One protocol over the world, on one port.

    A platform may have several; one of them keeps the ``sessions``.
    """

    tls: bool

    @property
    def sessions(self) -> Sessions | None: ...

    def environment(self, address: str, ca_file: str) -> dict[str, str]:
        """The variables by which chaosvm finds it at this host:port."""

    def routes(self) -> Sequence[Route]: ...

    def about(self, request: web.Request) -> frozenset[str]:
        """Ids and names of the VMs that the request is about."""

    def refusal(self, request: web.Request, rule: Rule) -> web.Response:
        """The protocol's way to say that it was not done, as the rule wants it."""

    async def unserved(self, request: web.Request, code: int) -> web.Response:
        """What comes where no route leads (404), or not by this method (405)."""


class Server:
    """Serves a face on a port of 127.0.0.1, until it is stopped."""

    host = "127.0.0.1"

    def __init__(self, face: ProtocolServer, faults: Faults, tls: ssl.SSLContext | None) -> None:
        self.port = 0
        self.latency = 0.0
        self.face = face
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
            raise RuntimeError("the lab's server did not start") from self._failure

    def stop(self) -> None:
        if self._loop is not None and self._stopping is not None:
            # The loop may just have ended by itself.
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
        except OSError as error:  # told to whoever waits in start()
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        loop.set_exception_handler(_note)
        self._stopping = asyncio.Event()
        # A client that leaves does not undo what it asked for, here as in reality.
        runner = web.AppRunner(
            self._application(), access_log=None, handler_cancellation=False, shutdown_timeout=0.1
        )
        await runner.setup()
        self._web = runner.server
        listening = await loop.create_server(
            self._accept,
            self.host,
            0,
            ssl=self._tls,
            ssl_shutdown_timeout=1 if self._tls else None,
            backlog=1024,
        )
        self.port = listening.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            await self._stopping.wait()
        finally:
            listening.close()
            self._abort_all()
            await runner.cleanup()
            # Transports of TLS connections close in the next rounds of the loop.
            await asyncio.sleep(0.01)

    def _application(self) -> web.Application:
        application = web.Application(
            middlewares=[self._middleware()], client_max_size=_LONGEST_BODY
        )
        for route in self.face.routes():
            added = application.router.add_route(route.method, route.path, route.handler)
            self._routes[id(added)] = route
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
        async def front(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                body = await request.read()  # it is kept; later the client may be gone
                call = self._call(request, body)
                with self._lock:
                    self._requests[call.name] += 1
                return await self._treat(call, request, handler)
            except ConnectionError:  # the client left in the middle
                return web.Response()

        return front

    async def _treat(
        self, call: Call, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        await self._faults.arrived(call)
        if self.latency:
            await asyncio.sleep(self.latency)
        if (rule := self._faults.pick(call)) is None:
            return await self._answer(request, handler)
        return await self._misbehave(rule, request, handler)

    def _call(self, request: web.Request, body: bytes) -> Call:
        route = self._routes.get(id(request.match_info.route))
        if route is None:
            shown = f"{request.method} {request.path}"
            return Call(shown, shown, "")
        # "/ovirt-engine/api/vms/1" is shown as "/api/vms/1".
        hidden = route.path.removesuffix(route.name) if route.prefix is None else route.prefix
        verb = route.told_apart(request, body) if route.told_apart else route.verb
        shown = f" {verb}" if route.told_apart and verb else ""
        return Call(
            name=f"{request.method} {route.name}{shown}",
            path=f"{request.method} {request.path.removeprefix(hidden)}{shown}",
            verb=verb,
            about=self.face.about(request),
        )

    async def _misbehave(
        self, rule: Rule, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        match rule.action:
            case "delay":
                await asyncio.sleep(rule.seconds)
                return await self._answer(request, handler)
            case "ignore":
                ignored = IGNORED.set(True)
                try:
                    return await self._answer(request, handler)
                finally:
                    IGNORED.reset(ignored)
            case "slow_task" | "stuck_task" | "failed_task":
                about_task = TASK_RULE.set(rule)
                try:
                    return await self._answer(request, handler)
                finally:
                    TASK_RULE.reset(about_task)
            case "fault":
                return self.face.refusal(request, rule)
            case "status" | "html":
                return page(rule.code or 200, rule.message)
            case "empty":
                return web.Response(content_type="application/xml")
            case "silent":
                return await _until_client_leaves(request)
            case "drop_before":
                return _hang_up(request)
        done = await self._answer(request, handler)
        match rule.action:
            case "silent_after":
                return await _until_client_leaves(request)
            case "cut":
                return await _send_half(request, done)
            case "drip":
                return await _drip(request, done, rule.seconds or _DRIP_SECONDS)
        return _hang_up(request)

    async def _answer(self, request: web.Request, handler: Handler) -> web.Response:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return await self.face.unserved(request, error.status)


def page(code: int, message: str = "") -> web.Response:
    """What a web server in front of a platform says by itself."""
    title = f"{code} {HTTPStatus(code).phrase}"
    text = (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>"
        f"<body><h1>{title}</h1><p>{message}<br></body></html>\n"
    )
    return web.Response(status=code, text=text, content_type="text/html")


async def _until_client_leaves(request: web.Request) -> web.Response:
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(_LOOK_EVERY)
    return web.Response()


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def _begin(request: web.Request, done: web.Response) -> tuple[web.StreamResponse, bytes]:
    """Send the whole header, and return what would follow."""
    body = bytes(done.body) if isinstance(done.body, (bytes, bytearray)) else b""
    begun = web.StreamResponse(status=done.status, headers=done.headers)
    begun.content_length = len(body)
    await begun.prepare(request)
    return begun, body


async def _send_half(request: web.Request, done: web.Response) -> web.StreamResponse:
    begun, body = await _begin(request, done)
    await begun.write(body[: len(body) // 2])
    _hang_up(request)
    return begun


async def _drip(request: web.Request, done: web.Response, pause: float) -> web.StreamResponse:
    begun, body = await _begin(request, done)
    for position in range(len(body)):
        await asyncio.sleep(pause)
        await begun.write(body[position : position + 1])
    return begun


def _note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Clients that do not trust the certificate, or leave early, are no error here."""
    _logger.debug("lab server: %s: %s", context.get("message"), context.get("exception"))
