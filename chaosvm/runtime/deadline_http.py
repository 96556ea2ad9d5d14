"""HTTP connections that keep to the deadline of the call.

A socket's timeout applies to each operation, so a server that sends a byte now
and then can block a client forever. A DNS lookup has no timeout at all, and
connecting has one for each address. Here, none of these takes longer than the
remaining budget of the calling thread.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from chaosvm.errors import DeadlinePassed
from chaosvm.runtime.deadline import Deadline

__all__ = ["DeadlineBudget"]

_BUFFER = 65_536


class DeadlineBudget(threading.local):
    """The time each thread has left; one operation takes ``max_seconds`` at most."""

    def __init__(self, max_seconds: float) -> None:
        self.max_seconds = max_seconds
        self.deadline: Deadline | None = None

    @contextmanager
    def within(self, deadline: Deadline) -> Iterator[None]:
        """Apply the deadline to everything that this thread does in the block."""
        outer = self.deadline
        self.deadline = deadline
        try:
            if deadline.passed:
                raise DeadlinePassed("the deadline of the call has passed")
            yield
        finally:
            self.deadline = outer

    def seconds(self) -> float:
        """Return the timeout for the next operation; raises TimeoutError if no time is left."""
        if self.deadline is None:
            return self.max_seconds
        if self.deadline.passed:
            raise TimeoutError("the deadline of the call has passed")
        return min(self.max_seconds, self.deadline.remaining)

    def create_connection(self, address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        """Replace ``socket.create_connection``, with a bounded DNS lookup.

        Each address of the host gets an equal share of the remaining time. Raises
        OSError, which includes TimeoutError.
        """
        candidates = _resolve(*address, self.seconds())
        for left, candidate in zip(range(len(candidates), 0, -1), candidates, strict=True):
            try:
                return self._connect(candidate, self.seconds() / left)
            except OSError:
                if left == 1:
                    raise
        raise OSError(f"{address[0]} has no address")

    def _connect(self, candidate: Any, seconds: float) -> socket.socket:
        family, kind, protocol, _, address = candidate
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(seconds)
            sock.connect(address)
            sock.settimeout(self.seconds())
        except BaseException:
            sock.close()
            raise
        return sock

    def response(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        """Replace a connection's ``response_class``, to read within the budget."""
        bounded: Any = _BoundedSocket(sock, self)
        return http.client.HTTPResponse(bounded, *args, **kwargs)


def _resolve(host: str, port: int, seconds: float) -> list[Any]:
    """Look up a host in a thread of its own, as a lookup cannot be stopped."""
    if _is_address(host):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    result: Future[list[Any]] = Future()

    def look_up() -> None:
        try:
            result.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:  # noqa: BLE001  # raised in the waiting thread
            result.set_exception(error)

    try:
        threading.Thread(target=look_up, name="chaosvm-lookup", daemon=True).start()
    except RuntimeError as error:  # Python 3.12 starts no thread during interpreter exit
        raise OSError(f"{host} cannot be resolved: {error}") from None
    try:
        return result.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"{host} was not resolved in time") from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _BoundedSocket:
    """The part of a socket that an HTTPResponse needs."""

    def __init__(self, sock: socket.socket, budget: DeadlineBudget) -> None:
        self._sock = sock
        self._budget = budget

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._sock, self._budget), _BUFFER)


class _BoundedReader(io.RawIOBase):
    """Reads from a socket, each time within the budget."""

    def __init__(self, sock: socket.socket, budget: DeadlineBudget) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._budget.seconds())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
