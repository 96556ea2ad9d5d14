"""GET requests to Dora: bounded, tried again, and silent about what is in their paths.

Dora takes user name, password and token as parts of the path. urllib3 writes
paths to its log, and the errors of requests carry the whole URL; so the log is
rewritten, and no error of theirs is shown or chained.
"""

from __future__ import annotations

import http.client
import logging
import re
import socket
import ssl
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from chaosvm.dora.settings import DoraSettings
from chaosvm.errors import (
    CertificateRejected,
    ConnectionFailed,
    DeadlinePassed,
    InvalidValue,
    PlatformError,
    ProtocolError,
)
from chaosvm.runtime import Deadline, rehearsal
from chaosvm.runtime.deadline_http import DeadlineBudget
from chaosvm.runtime.unpacking import MOST_WHOLE, unpacked

__all__ = ["Answer", "Transport"]

logger = logging.getLogger("chaostoolkit")

_TRIES = 4
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 3.0
_CONNECTIONS = 32

_BROKEN = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,  # an address that is none, a redirect to nowhere
    zlib.error,
)

_CUT = (
    http.client.IncompleteRead,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    zlib.error,
)

_SECRET_PATH = re.compile(r"/v1/(Get\w+)/[^\s\"'?]*")
_LOGGERS = (
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
)


class _HidePaths(logging.Filter):
    """Leaves of Dora's paths nothing but what was asked."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if _SECRET_PATH.search(text):
            record.msg, record.args = _SECRET_PATH.sub(r"/v1/\1/***", text), ()
            # Where headers cannot be read, the error quotes them: they may repeat the path.
            record.exc_info = record.exc_text = None
        return True


_hide_paths = _HidePaths()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content: bytes
    location: str | None = None


def _bounded_pool(pool: Any, base: Any, budget: DeadlineBudget) -> Any:
    """A pool whose connections end with the budget of the thread that uses them."""

    class BoundedConnection(base):  # type: ignore[misc]  # either of two bases
        response_class = staticmethod(budget.response)

        def connect(self) -> None:
            self.timeout = budget.seconds()
            super().connect()

        def _new_conn(self) -> socket.socket:
            return budget.create_connection((self.host, self.port))

    return type(pool.__name__, (pool,), {"ConnectionCls": BoundedConnection})


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


class Transport:
    """Sends GET requests from any thread, over connections that are kept."""

    def __init__(self, settings: DoraSettings) -> None:
        self._settings = settings
        self._budget = DeadlineBudget(settings.timeout)
        self._session = self._opened()
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_hide_paths)
        if settings.scheme == "http" and not rehearsal.is_on():
            logger.warning(
                f"Dora at {settings.host} is asked over plain HTTP: user name and password "
                "travel in the clear. Set dora_scheme to https if it can do that"
            )

    def get(
        self,
        port: int,
        path: Sequence[str],
        deadline: Deadline,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to /v1/<path>, each part of which may hold any character.

        Tried again after connection errors and 5xx answers, while there is
        time. Raises ConnectionFailed, DeadlinePassed, CertificateRejected.
        """
        url = f"{self._settings.scheme}://{_bracketed(self._settings.host)}:{port}/v1/"
        url += "/".join(_quoted(part) for part in path)
        what = f"{self._settings.host}:{port} ({path[0]})"
        trying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            stop=lambda state: state.attempt_number >= _TRIES or deadline.passed,
            wait=tenacity.wait_exponential(_FIRST_PAUSE, _LONGEST_PAUSE),
            sleep=deadline.sleep,
            reraise=True,
        )
        return trying(self._once, port, url, query, what, deadline)

    def close(self) -> None:
        self._session.close()

    def _opened(self) -> requests.Session:
        session = requests.Session()
        # Neither proxies nor .netrc may get at the credentials.
        session.trust_env = False
        # requests would look at where a redirect leads, even if it is not to follow it.
        session.get_redirect_target = lambda response: None  # type: ignore
        session.verify = self._settings.ca_file or True
        session.headers["Accept"] = "application/json"
        session.headers["Accept-Encoding"] = "gzip"
        session.mount(f"{self._settings.scheme}://", _Adapter(self._budget))
        return session

    def _once(
        self, port: int, url: str, query: Mapping[str, str] | None, what: str, deadline: Deadline
    ) -> Answer:
        rehearsal.require_allowed(self._settings.host, port)
        with self._budget.within(deadline):
            seconds = max(0.01, self._budget.seconds())
            try:
                with self._session.get(
                    url, params=query, timeout=seconds, allow_redirects=False, stream=True
                ) as response:
                    return _answered(response, what, deadline)
            except _BROKEN as error:
                failure = _failure(error, what, deadline)
        # Out here the error with the URL in it is not this one's context.
        raise failure


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ConnectionFailed) and not isinstance(error, DeadlinePassed)


def _answered(response: requests.Response, what: str, deadline: Deadline) -> Answer:
    if response.status_code >= 500:
        raise ConnectionFailed(f"{what} answered with the error {response.status_code}")
    content = bytearray()
    packing = response.headers.get("Content-Encoding")
    for piece in unpacked(lambda size: _raw(response, size), packing, MOST_WHOLE, what):
        if deadline.passed:
            raise TimeoutError
        content += piece
    return Answer(
        response.status_code, bytes(content), _origin(response.headers.get("Location", ""))
    )


def _raw(response: requests.Response, size: int) -> bytes:
    """Not by way of requests or urllib3, which would unpack without a limit."""
    piece: bytes = response.raw.read(size, decode_content=False)
    return piece


def _origin(location: str) -> str | None:
    """Where a redirect leads, without the path, where the token may be."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return None
    scheme = f"{parts.scheme}:" if parts.scheme else ""
    return f"{scheme}//{parts.netloc.rpartition('@')[2]}" if parts.netloc else None


def _failure(error: BaseException, what: str, deadline: Deadline) -> PlatformError:
    """Ours for theirs, with nothing of their text that may hold a path."""
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateRejected(
                f"the certificate of {what} cannot be trusted ({cause.verify_message}): give the "
                "CA's certificate as dora_ca_file, and the host by a name that is in its "
                "certificate"
            )
    if any(isinstance(cause, TimeoutError | requests.Timeout) for cause in causes):
        return DeadlinePassed(f"{what} did not answer in {deadline.elapsed:.1f} s")
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return ProtocolError(
                f"{what} does not speak TLS as it should ({cause.reason or 'no reason given'}): "
                "is dora_scheme right?"
            )
    if any(isinstance(cause, _CUT) for cause in causes):
        return ConnectionFailed(f"{what} broke off in the middle of its answer")
    if any(isinstance(cause, http.client.RemoteDisconnected) for cause in causes):
        return ConnectionFailed(f"{what} closed the connection instead of answering")
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return ConnectionFailed(
                f"no connection to {what}: {cause.strerror}. Are dora_host, dora_api_port and "
                "dora_auth_port right?"
            )
    return ConnectionFailed(f"{what} did not answer as a web server does: is dora_scheme right?")


def _causes(error: BaseException) -> list[BaseException]:
    """An error and all that it was made of: requests and urllib3 wrap in several ways."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None)]
            waiting += list(each.args)
    return found


def _quoted(part: str) -> str:
    if part in ("", ".", ".."):
        raise InvalidValue(
            "a part of Dora's path (user name, password, token or a coordinate) is empty or only "
            "dots, which a path cannot hold"
        )
    try:
        # As an environment variable that is not UTF-8 holds it, byte by byte.
        return quote(part, safe="", errors="surrogateescape")
    except UnicodeEncodeError:
        pass
    # Out here the error with the text in it is not this one's context.
    raise InvalidValue("a part of Dora's path cannot be sent: expected a text that UTF-8 can hold")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
