"""Connections that the activities of one experiment share.

Logging in for each activity would be slow, and would fill the server's list of
sessions. So there is one connection for the same settings, shared by all threads,
which is closed when the process exits.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar, cast

from chaosvm.runtime import Deadline, supervision
from chaosvm.settings import Settings

__all__ = ["Connection", "close_all", "listen", "shared_connection", "unlisten"]


class Connection(Protocol):
    """A shared connection: a platform, or an inventory."""

    @property
    def name(self) -> str: ...

    def close(self, deadline: Deadline) -> None:
        """Log out; never raises for what the server does."""


C = TypeVar("C", bound=Connection)

# For all logouts together: a dead server must not delay the end of an experiment.
_CLOSING_SECONDS = 10.0

_open: dict[tuple[Settings, ...], Connection] = {}
_listeners: list[Callable[[Connection], None]] = []
_lock = threading.Lock()


def shared_connection(make: Callable[..., C], *settings: Settings) -> C:
    """The connection for these settings, created on first use."""
    supervision.begin()
    with _lock:
        is_new = settings not in _open
        if is_new:
            _open[settings] = make(*settings)
        connection = _open[settings]
    for listener in tuple(_listeners) if is_new else ():
        listener(connection)
    return cast("C", connection)


def listen(listener: Callable[[Connection], None]) -> None:
    """Call it with each connection: existing ones, and new ones before they are used."""
    with _lock:
        _listeners.append(listener)
        existing = list(_open.values())
    for connection in existing:
        listener(connection)


def unlisten(listener: Callable[[Connection], None]) -> None:
    """Stop calling it."""
    with _lock:
        _listeners.remove(listener)


def close_all() -> None:
    """Log out everywhere, in ten seconds at most; called at exit."""
    with _lock:
        connections = list(_open.values())
        _open.clear()
    deadline = Deadline(_CLOSING_SECONDS)
    # Each has its share of the time, so that one dead server does not use it all. Not in
    # parallel: Python 3.12 starts no threads at exit.
    for number, connection in enumerate(connections):
        connection.close(deadline.share(len(connections) - number))


atexit.register(close_all)
