"""Stands between a client and a server, and spoils one of the answers."""

from __future__ import annotations

import gzip
import http.client
import random
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Answer", "Proxy", "spoilt", "standing_between"]

_DROPPED = {"connection", "content-length", "keep-alive", "transfer-encoding"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Proxy:
    """``spoil`` gets the answer with the number ``which``, counted from ``begin``."""

    port: int = 0
    which: int = -1
    spoil: Callable[[Answer], Answer] = lambda answer: answer
    asked: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def begin(self, which: int, spoil: Callable[[Answer], Answer]) -> None:
        with self.lock:
            self.asked, self.which, self.spoil = 0, which, spoil

    def passed_on(self, answer: Answer) -> Answer:
        with self.lock:
            number, self.asked = self.asked, self.asked + 1
        return self.spoil(answer) if number == self.which else answer


@contextmanager
def standing_between(
    host: str, port: int, tls: ssl.SSLContext | None, upstream: ssl.SSLContext | None
) -> Iterator[Proxy]:
    proxy = Proxy()
    kept = threading.local()

    def ask(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        connection = getattr(kept, "connection", None)
        if connection is None:
            connection = (
                http.client.HTTPSConnection(host, port, timeout=20, context=upstream)
                if upstream is not None
                else http.client.HTTPConnection(host, port, timeout=20)
            )
            kept.connection = connection
        connection.request(method, path, body, headers)
        found = connection.getresponse()
        told = {name: value for name, value in found.getheaders() if name.lower() not in _DROPPED}
        return Answer(found.status, told, found.read())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _DROPPED}
            try:
                answer = proxy.passed_on(ask(self.command, self.path, body, headers))
            except (OSError, http.client.HTTPException):
                kept.connection = None
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_DELETE = handle_any

        def finish(self) -> None:
            if connection := getattr(kept, "connection", None):
                connection.close()
                kept.connection = None
            super().finish()

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: Any) -> None:
            """A client that hangs up is none."""

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    proxy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    yield proxy
    server.shutdown()
    server.server_close()
    thread.join()


# What can be wrong with an answer ---------------------------------------------------------

_ODD = [
    *(b"", b"\0", b"<", b">", b"&", b'"', b"\xff", b"]]>", b"<!--", b"<![CDATA[", b"&#0;", b"{"),
    *(b"[", b"null", b"true", b"-1", b"1e999", b"NaN", b"9" * 5_000, b"\\ud800", b"&lol;", b"<a/>"),
    *(
        b"<a>" * 20_000,
        b"[" * 20_000,
        b'{"a":' * 20_000,
        "\u202e\U0001f600".encode(),
        b"x" * 70_000,
    ),
]
_WHOLE = [
    *(b"", b" ", b"null", b"[]", b"{}", b'""', b"0", b"[null]", b'{"items": null}', b"<html/>"),
    *(b"<html><body>Bad gateway</body></html>", b"[" * 50_000, b"<a>" * 50_000, b'{"value":[1]}'),
    *(
        b'<?xml version="1.0" encoding="no-such"?><vms><vm id="1"></vm></vms>',
        b"\xef\xbb\xbf<vms/>",
    ),
    *(b'<?xml version="1.0" encoding="utf-16"?><vms/>', b"<vms>", b"<fault/>", b"\x1f\x8b"),
    *(b"<action><fault><reason>no</reason></fault></action>", b"<vms><vm/></vms>"),
]
_STATUS = [200, 201, 204, 301, 400, 401, 403, 404, 409, 429, 500, 502, 503]
_VALUE = re.compile(rb">([^<>]*)<|\"([^\"]*)\"|\b(\d+|true|false|null)\b")
_ELEMENT = re.compile(rb"<(\w+)[^<>]*>[^<>]*</\1>|<\w+[^<>]*/>|\{[^{}]*\}")


def spoilt(seed: int) -> Callable[[Answer], Answer]:
    """One way to spoil an answer, always the same for a seed."""

    def spoil(answer: Answer) -> Answer:
        draw = random.Random(seed)
        way = draw.choice([_cut, _flip, _insert, _value, _value, _element, _element, _whole, _odd])
        status = draw.choice(_STATUS) if draw.random() < 0.2 else answer.status
        body = way(draw, answer.body)
        headers = dict(answer.headers)
        packing = draw.random()
        if packing < 0.04:
            headers["Content-Encoding"] = draw.choice(["gzip", "br", "gzip, gzip", "x"])
        elif packing < 0.08 and "Content-Encoding" not in headers:
            headers["Content-Encoding"], body = "gzip", gzip.compress(body)
        return Answer(status, headers, body)

    return spoil


def _cut(draw: random.Random, body: bytes) -> bytes:
    return body[: draw.randrange(len(body) + 1)]


def _flip(draw: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(draw.choice([1, 1, 3, 20])):
        if changed:
            changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _insert(draw: random.Random, body: bytes) -> bytes:
    at = draw.randrange(len(body) + 1)
    return body[:at] + draw.choice(_ODD) + body[at + draw.choice([0, 0, 1, 50]) :]


def _value(draw: random.Random, body: bytes) -> bytes:
    """Something else in the place of a text or a number."""
    found = list(_VALUE.finditer(body))
    if not found:
        return body
    chosen = draw.choice(found)
    group = next(number for number in (1, 2, 3) if chosen[number] is not None)
    other = draw.choice([*_ODD, chosen[group] + b"x", draw.choice(found)[0]])
    return body[: chosen.start(group)] + other + body[chosen.end(group) :]


def _element(draw: random.Random, body: bytes) -> bytes:
    """Without one of its elements, with one twice, or with one in the place of another."""
    found = list(_ELEMENT.finditer(body))
    if not found:
        return body
    chosen = draw.choice(found)
    other = draw.choice([b"", chosen[0] * 2, draw.choice(found)[0], b"<a/>", b"null"])
    return body[: chosen.start()] + other + body[chosen.end() :]


def _whole(draw: random.Random, body: bytes) -> bytes:
    return draw.choice(_WHOLE)


def _odd(draw: random.Random, body: bytes) -> bytes:
    return bytes(draw.randrange(256) for _ in range(draw.randrange(200)))
