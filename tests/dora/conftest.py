"""A Dora server for the tests, whose responses can be scripted one by one."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from chaosvm.dora.client import DoraClient
from tests.fakes import FakeClock

USER = "köbes/1@example"
PASSWORD = "g%h#e? im/&ü;'\"x"

LOGIN, VMS, HOSTS = "GetLoginToken", "GetVirtualMachines", "GetHypervisors"

# Handles one request, possibly without a response.
Responder = Callable[[Any], None]


@dataclass(frozen=True)
class Request:
    kind: str
    parts: tuple[str, ...]
    query: dict[str, list[str]]


def vm(name: str = "web-01", moid: str | None = "vm-101", **fields: Any) -> dict[str, Any]:
    defaults = {
        "name": name,
        "path": f"/ORA-DEV/ORA-DEV/{name}",
        "host": "/ORA-DEV/host/cluster-1/esx-1.example.com",
        "os": "AlmaLinux:8.10",
        "cpus": 4,
        "memMb": 8192,
        "state": "poweredOn",
        "managedObjRef": moid,
        "cpuUsagePerc": 12.5,
        "memUsagePerc": 40,
    }
    return {**defaults, **fields}


def host(name: str = "esx-1.example.com", **fields: Any) -> dict[str, Any]:
    defaults = {
        "name": name,
        "address": "10.0.0.1",
        "type": "ESXi",
        "connectionStatus": "connected",
    }
    return {**defaults, **fields}


def status(code: int, body: bytes = b"", **headers: str) -> Responder:
    def respond(handler: Any) -> None:
        handler.answer(code, body, headers)

    return respond


def ok(value: Any) -> Responder:
    return status(200, json.dumps(value).encode())


def drop(handler: Any) -> None:
    """Close the connection without a response."""
    handler.close_connection = True


def raw(content: bytes) -> Responder:
    def respond(handler: Any) -> None:
        handler.wfile.write(content)
        handler.close_connection = True

    return respond


def silent(handler: Any) -> None:
    handler.server.dora.over.wait(20)
    handler.close_connection = True


def drip(start: bytes, piece: bytes) -> Responder:
    """Send a piece every 30 ms, without end."""

    def respond(handler: Any) -> None:
        handler.close_connection = True
        try:
            handler.wfile.write(start)
            while not handler.server.dora.over.wait(0.03):
                handler.wfile.write(piece)
        except OSError:
            pass

    return respond


@dataclass
class Dora:
    """The state of the server, and the requests it has received."""

    port: int = 0
    vms: Any = field(default_factory=lambda: {"items": [vm()]})
    hosts: Any = field(default_factory=lambda: {"items": [host()]})
    # Replaces vms and hosts for some vcenters.
    of: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    valid: str = ""
    tokens: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.scripts: dict[str, list[Responder]] = defaultdict(list)
        self.always: dict[str, Responder] = {}

    def count(self, kind: str) -> int:
        return sum(request.kind == kind for request in self.requests)

    def then(self, kind: str, *responders: Responder) -> None:
        """Set the next responses to a kind of request; after them come the default ones."""
        self.scripts[kind] += responders

    def settings(self, **more: Any) -> dict[str, Any]:
        defaults = {"host": "127.0.0.1", "api_port": self.port, "auth_port": self.port}
        return {**defaults, **more}

    def configuration(self, **more: Any) -> dict[str, Any]:
        return {f"dora_{key}": value for key, value in self.settings(**more).items()}

    @property
    def secrets(self) -> dict[str, Any]:
        return {"dora_username": USER, "dora_password": PASSWORD}

    def responder(self, request: Request) -> Responder:
        with self.lock:
            self.requests.append(request)
            if self.scripts[request.kind]:
                return self.scripts[request.kind].pop(0)
            if request.kind in self.always:
                return self.always[request.kind]
            if request.kind == LOGIN:
                if request.parts != (USER, PASSWORD):
                    return status(401)
                self.tokens += 1
                self.valid = f"T/ök%en {self.tokens}"
                return ok({"token": self.valid})
            token, vcenter, _ = request.parts
            if token != self.valid:
                return status(401)
            kind = "vms" if request.kind == VMS else "hosts"
            answer = self.of.get(vcenter, {}).get(kind, getattr(self, kind))
            return answer if callable(answer) else ok(answer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        version, kind, *parts = split.path.removeprefix("/").split("/")
        assert version == "v1"
        query = parse_qs(split.query, keep_blank_values=True)
        request = Request(kind, tuple(unquote(part) for part in parts), query)
        self.server.dora.responder(request)(self)  # type: ignore[attr-defined]

    def answer(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *args: Any) -> None:
        """Ignore clients that close the connection."""


@pytest.fixture
def dora() -> Iterator[Dora]:
    server = _Server(("127.0.0.1", 0), _Handler)
    state = Dora(port=server.server_address[1])
    server.dora = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    yield state
    state.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client_of(dora: Dora) -> Iterator[Callable[..., DoraClient]]:
    """Clients of that server, with a fake clock by default."""
    made: list[DoraClient] = []

    def make(own_clock: bool = True, **settings: Any) -> DoraClient:
        arguments = {"username": USER, "password": PASSWORD, **dora.settings(**settings)}
        client = DoraClient(**arguments)
        if own_clock:
            client.clock = FakeClock()
        made.append(client)
        return client

    yield make
    for client in made:
        client.disconnect()


@pytest.fixture
def client(client_of: Callable[..., DoraClient]) -> DoraClient:
    return client_of()
