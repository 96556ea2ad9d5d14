"""Sessions of requests that keep to the deadline of the call."""

from __future__ import annotations

import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from chaosvm.runtime.deadline_http import DeadlineBudget

__all__ = ["deadline_session"]

_CONNECTIONS = 32


def deadline_session(budget: DeadlineBudget) -> requests.Session:
    """Return a session that threads may share, with up to 32 connections to each server.

    It follows no redirects, and takes nothing from the environment.
    """
    session = _Session()
    # Proxies would see the credentials, and .netrc would replace them.
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(budget))
    return session


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, as requests parses the target even of a redirect that it does not follow."""


class _Adapter(HTTPAdapter):
    def __init__(self, budget: DeadlineBudget) -> None:
        self._budget = budget
        super().__init__(pool_connections=4, pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _bounded_pool(HTTPConnectionPool, HTTPConnection, self._budget),
            "https": _bounded_pool(HTTPSConnectionPool, HTTPSConnection, self._budget),
        }


def _bounded_pool(pool: Any, base: Any, budget: DeadlineBudget) -> Any:
    """Return a pool class whose connections time out with the budget of the calling thread."""

    class BoundedConnection(base):  # type: ignore[misc]  # either of two bases
        response_class = staticmethod(budget.response)

        def connect(self) -> None:
            self.timeout = budget.seconds()
            super().connect()

        def _new_conn(self) -> socket.socket:
            return budget.create_connection((self.host, self.port))

    return type(pool.__name__, (pool,), {"ConnectionCls": BoundedConnection})
