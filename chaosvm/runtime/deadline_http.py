"""HTTP connections that end with the deadline of the call they serve.

The timeout of a socket is one per operation, so a server that sends a byte now
and then can hold a client for ever. Looking up a name has no timeout at all, and
connecting has one for each address of it. Here each of these may only take what
is left of the calling thread's budget.
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
    """What each thread may still spend; never more than ``longest`` on one operation."""

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self.deadline: Deadline | None = None

    @contextmanager
    def within(self, deadline: Deadline) -> Iterator[None]:
        """Bound all that this thread sends in the block by the deadline."""
        outer = self.deadline
        self.deadline = deadline
        try:
            if deadline.passed:
                raise DeadlinePassed("the time for the call is over")
            yield
        finally:
            self.deadline = outer

    def seconds(self) -> float:
        if self.deadline is None:
            return self.longest
        if self.deadline.passed:
            raise TimeoutError("the time for the call is over")
        return min(self.longest, self.deadline.remaining)

    def connected(self, address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        """What a connection has for ``socket.create_connection``, the name's lookup included.

        Every address of the name gets its share of the time that is left. Raises
        OSError, of which TimeoutError is one.
        """
        found = _resolved(*address, self.seconds())
        for number, one in enumerate(found, 1):
            try:
                return self._connected(one, self.seconds() / (len(found) + 1 - number))
            except OSError:
                if number == len(found):
                    raise
        raise OSError(f"{address[0]} has no address")

    def _connected(self, address: Any, seconds: float) -> socket.socket:
        """To one of those that a lookup found."""
        family, kind, protocol, _, where = address
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(seconds)
            sock.connect(where)
            sock.settimeout(self.seconds())
        except BaseException:
            sock.close()
            raise
        return sock

    def response(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        """What a connection has for a ``response_class``, to read its answers with."""
        bounded: Any = _BoundedSocket(sock, self)
        return http.client.HTTPResponse(bounded, *args, **kwargs)


def _resolved(host: str, port: int, seconds: float) -> list[Any]:
    """The addresses of a name. Nothing can stop a lookup, so it is left behind."""
    if _is_address(host):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found: Future[list[Any]] = Future()

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            found.set_exception(error)

    try:
        threading.Thread(target=look_up, name="chaosvm-lookup", daemon=True).start()
    except RuntimeError as error:  # at exit, Python 3.12 starts none any more
        raise OSError(f"the name {host} cannot be looked up: {error}") from None
    try:
        return found.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"the name {host} was not looked up in time") from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _BoundedSocket:
    """As much of a socket as an HTTPResponse wants: something to read from."""

    def __init__(self, sock: socket.socket, budget: DeadlineBudget) -> None:
        self._sock = sock
        self._budget = budget

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_BoundedReader(self._sock, self._budget), _BUFFER)


class _BoundedReader(io.RawIOBase):
    """Reads from a socket, each time for no longer than the budget allows."""

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
