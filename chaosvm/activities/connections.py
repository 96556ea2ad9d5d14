"""Connections that the activities of one experiment share.

Activities come and go, from several threads; logging in for each would be slow
and would fill the server's list of sessions. So the first activity with some
settings connects, the others use what is there, and the end of the process
logs out.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from chaosvm.runtime import Deadline, supervision
from chaosvm.settings import Settings

__all__ = ["close_all", "shared_connection"]

logger = logging.getLogger("chaostoolkit")


class Connection(Protocol):
    """What is shared: a platform, or an inventory."""

    @property
    def name(self) -> str: ...

    def close(self, deadline: Deadline) -> None:
        """Log out; never raises for what the server does."""


C = TypeVar("C", bound=Connection)

# All logouts together: the end of an experiment must not hang on a dead server.
_CLOSING_SECONDS = 10.0

_open: dict[tuple[Settings, ...], Connection] = {}
_lock = threading.Lock()


def shared_connection(make: Callable[..., C], *settings: Settings) -> C:
    """The connection for these settings, made of them on first use."""
    supervision.begin()
    with _lock:
        if settings not in _open:
            _open[settings] = make(*settings)
        return _open[settings]  # type: ignore[return-value]


def close_all() -> None:
    """Log out everywhere, in ten seconds at most; happens by itself at exit."""
    with _lock:
        connections = list(_open.values())
        _open.clear()
    deadline = Deadline(_CLOSING_SECONDS)
    # Each has its share, which one that does not answer cannot overdraw. Not side by
    # side: at exit, Python 3.12 starts no thread any more.
    for number, connection in enumerate(connections):
        connection.close(deadline.share(len(connections) - number))


atexit.register(close_all)
