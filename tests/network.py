"""A network on which connections break, between a client and a server that know nothing of it.

    with Network(server_port, {0: Fault("answer", 5000, "reset")}) as network:
        ...connect to network.port instead...

It passes bytes on as they are, TLS included, so that what breaks may be in the middle of anything:
of a handshake, a request or an answer.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self

from chaosvm.errors import ChaosVMError, OperationFailed
from chaosvm.outcome import Outcome

__all__ = ["KINDS", "Fault", "Network", "attempt"]

HOST = "127.0.0.1"
KINDS = ("close", "reset", "stall", "delay", "corrupt")
_NOW = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset


@dataclass(frozen=True)
class Fault:
    """What happens on one connection, after so many bytes of requests or of answers."""

    side: Literal["request", "answer"]
    after: int
    kind: str
    seconds: float = 0.0  # of a delay


class Network:
    def __init__(self, server: int, faults: Mapping[int, Fault]) -> None:
        """``faults`` by the number of the connection, from 0."""
        self._server = server
        self._faults = faults
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def drain(self, seconds: float) -> bool:
        """Take no more connections, and wait until nothing is on the way any more.

        True if by then the client, too, has closed all connections.
        """
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Break what is still open."""
        self._listener.close()
        for each in self._sockets:
            _break(each, "close")
        self.drain(10)
        for each in self._sockets:
            each.close()

    def _start(self, run: object, *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            fault = self._faults.get(number)
            number += 1
            try:
                server = socket.create_connection((HOST, self._server))
            except OSError:
                client.close()
                continue
            self._sockets.append(server)
            self._start(_pass_on, client, server, _at(fault, "request"))
            self._start(_pass_on, server, client, _at(fault, "answer"))


def _at(fault: Fault | None, side: str) -> Fault | None:
    return fault if fault is not None and fault.side == side else None


def _pass_on(source: socket.socket, sink: socket.socket, fault: Fault | None) -> None:
    """What arrives from one side to the other, until it ends or breaks."""
    passed = 0
    while data := _received(source):
        if fault is None or passed + len(data) < fault.after:
            passed += len(data)
            _send(sink, data)
            continue
        begin, rest = data[: fault.after - passed], data[fault.after - passed :]
        _send(sink, begin)
        if fault.kind in ("close", "reset"):
            _break(source, fault.kind)
            _break(sink, fault.kind)
            return
        if fault.kind == "stall":
            while _received(source):
                pass
            break
        if fault.kind == "delay":
            threading.Event().wait(fault.seconds)
        _send(sink, bytes(each ^ 0x55 for each in rest) if fault.kind == "corrupt" else rest)
        fault = None
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(65_536)
    except OSError:
        return b""


def _send(sink: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        sink.sendall(data)


def _break(end: socket.socket, kind: str) -> None:
    with suppress(OSError):
        if kind == "reset":
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOW)
            end.shutdown(socket.SHUT_RD)  # wakes up who still reads from it
            end.close()
        else:
            end.shutdown(socket.SHUT_RDWR)


def attempt(act: Callable[[], Outcome]) -> tuple[Outcome | None, str]:
    """The outcome of an action if it has one, and its error if it failed."""
    try:
        return act(), ""
    except OperationFailed as failure:
        return failure.outcomes[0], str(failure)
    except ChaosVMError as failure:
        return None, str(failure)
