"""GET requests to Dora: with deadlines and retries, and without leaking their paths.

Dora takes user name, password and token as parts of the path. urllib3 logs paths,
and the errors of requests contain the whole URL, so log records are rewritten,
and errors of these libraries are neither quoted nor chained.
"""

from __future__ import annotations

import http.client
import logging
import re
import ssl
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests
import urllib3

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
from chaosvm.runtime.deadline_requests import deadline_session
from chaosvm.runtime.unpacking import MOST_WHOLE, unpacked

__all__ = ["Response", "Transport"]

logger = logging.getLogger("chaostoolkit")

Query = Mapping[str, str]

# Seconds before each retry.
_RETRY_DELAYS = (0.2, 0.4, 0.8)

_HTTP_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,  # an invalid address or redirect
    zlib.error,
)

_TRUNCATED = (
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
    """Removes all but the command from Dora's paths."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if _SECRET_PATH.search(text):
            record.msg, record.args = _SECRET_PATH.sub(r"/v1/\1/***", text), ()
            # The error about unreadable headers quotes them, and they may repeat the path.
            record.exc_info = record.exc_text = None
        return True


_hide_paths = _HidePaths()


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    content: bytes
    location: str | None = None


class Transport:
    """Sends GET requests from any thread, over pooled connections."""

    def __init__(self, settings: DoraSettings) -> None:
        self._settings = settings
        self._budget = DeadlineBudget(settings.timeout)
        self._session = self._new_session()
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_hide_paths)
        if settings.scheme == "http" and not rehearsal.is_on():
            logger.warning(
                f"Dora at {settings.host} is read over plain HTTP: user name and password are sent "
                "unencrypted. Set dora_scheme to https if the server supports it"
            )

    def get(
        self, port: int, path: Sequence[str], deadline: Deadline, query: Query | None = None
    ) -> Response:
        """Return the response to /v1/<path>, whose parts may contain any character.

        Retries after connection errors and 5xx responses until the deadline. Raises
        ConnectionFailed, DeadlinePassed, CertificateRejected.
        """
        url = f"{self._settings.scheme}://{_bracketed(self._settings.host)}:{port}/v1/"
        url += "/".join(_quoted(part) for part in path)
        endpoint = f"{self._settings.host}:{port} ({path[0]})"
        for delay in _RETRY_DELAYS:
            try:
                return self._send(port, url, query, endpoint, deadline)
            except ConnectionFailed as error:
                if isinstance(error, DeadlinePassed) or deadline.passed:
                    raise
            deadline.sleep(delay)
        return self._send(port, url, query, endpoint, deadline)

    def close(self) -> None:
        self._session.close()

    def _new_session(self) -> requests.Session:
        session = deadline_session(self._budget)
        session.verify = self._settings.ca_file or True
        session.headers["Accept"] = "application/json"
        session.headers["Accept-Encoding"] = "gzip"
        return session

    def _send(
        self, port: int, url: str, query: Query | None, endpoint: str, deadline: Deadline
    ) -> Response:
        rehearsal.require_allowed(self._settings.host, port)
        with self._budget.within(deadline):
            seconds = max(0.01, self._budget.seconds())
            try:
                with self._session.get(
                    url, params=query, timeout=seconds, allow_redirects=False, stream=True
                ) as response:
                    return _read(response, endpoint, deadline)
            except _HTTP_ERRORS as error:
                failure = _translate(error, endpoint, deadline)
        # Raised outside of except, so that the error with the URL is not its context.
        raise failure


def _read(response: requests.Response, endpoint: str, deadline: Deadline) -> Response:
    if response.status_code >= 500:
        raise ConnectionFailed(f"{endpoint} returned status {response.status_code}")
    content = bytearray()
    encoding = response.headers.get("Content-Encoding")
    for chunk in unpacked(lambda size: _read_raw(response, size), encoding, MOST_WHOLE, endpoint):
        if deadline.passed:
            raise TimeoutError
        content += chunk
    location = _origin(response.headers.get("Location", ""))
    return Response(response.status_code, bytes(content), location)


def _read_raw(response: requests.Response, size: int) -> bytes:
    """Read the encoded bytes: requests and urllib3 decompress without a limit."""
    chunk: bytes = response.raw.read(size, decode_content=False)
    return chunk


def _origin(location: str) -> str | None:
    """Return scheme and host of a redirect; its path may contain the token."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return None
    scheme = f"{parts.scheme}:" if parts.scheme else ""
    return f"{scheme}//{parts.netloc.rpartition('@')[2]}" if parts.netloc else None


def _translate(error: BaseException, endpoint: str, deadline: Deadline) -> PlatformError:
    """Translate an error of the HTTP libraries, without any text that may contain a path."""
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateRejected(
                f"the certificate of {endpoint} is not trusted ({cause.verify_message}): "
                "dora_ca_file must contain the certificate of the CA that issued it, and dora_host "
                "be a name that is in it"
            )
    if any(isinstance(cause, TimeoutError | requests.Timeout) for cause in causes):
        return DeadlinePassed(f"{endpoint} did not respond in {deadline.elapsed:.1f} s")
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return ProtocolError(
                f"TLS with {endpoint} failed ({cause.reason or 'no reason given'}): is dora_scheme "
                "right?"
            )
    if any(isinstance(cause, _TRUNCATED) for cause in causes):
        return ConnectionFailed(f"{endpoint} closed the connection within a response")
    if any(isinstance(cause, http.client.RemoteDisconnected) for cause in causes):
        return ConnectionFailed(
            f"{endpoint} closed the connection without a response: are the port and dora_scheme "
            "right?"
        )
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return ConnectionFailed(
                f"no connection to {endpoint}: {cause.strerror}. Are dora_host, dora_api_port and "
                "dora_auth_port right?"
            )
    return ConnectionFailed(f"{endpoint} did not return an HTTP response: is dora_scheme right?")


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and all errors within: requests and urllib3 wrap them in several ways."""
    causes: list[BaseException] = []
    queue: list[Any] = [error]
    while queue:
        each = queue.pop(0)
        if isinstance(each, BaseException) and each not in causes:
            causes.append(each)
            queue += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
    return causes


def _quoted(part: str) -> str:
    if part in ("", ".", ".."):
        raise InvalidValue(
            "a part of Dora's path (user name, password, token or a coordinate) is empty, '.' or "
            "'..', which a URL cannot contain"
        )
    try:
        # Python represents undecodable bytes of environment variables as surrogates.
        return quote(part, safe="", errors="surrogateescape")
    except UnicodeEncodeError:
        pass
    # Raised outside of except, so that the error with the string is not its context.
    raise InvalidValue("a part of Dora's path cannot be encoded as UTF-8")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
