"""HTTP with the engine: bounded in time, read as it arrives, and never sent twice unasked.

libcurl repeats a request by itself when a connection that it had used before
turns out to be dead. So reading uses connections again, and whatever changes
something goes over a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pycurl

from chaosvm import __version__
from chaosvm.olvm.faults import curl_error
from chaosvm.olvm.settings import OLVMSettings, address_of
from chaosvm.runtime import Deadline, rehearsal

__all__ = ["HttpChannel", "api_headers", "configured", "perform", "post"]

# Signals reach us between two looks at the connection.
_LOOK_EVERY = 0.25
# How much of an answer that is not streamed is looked at.
_LONGEST_ANSWER = 1_048_576


def configured(
    settings: OLVMSettings,
    url: str,
    headers: list[str],
    deadline: Deadline,
    at_least: float = 0.0,
) -> Any:
    """A request that ends by the deadline, whatever happens.

    It may take ``olvm_timeout`` seconds, or ``at_least`` so many.
    """
    rehearsal.require_allowed(*address_of(url))
    seconds = min(max(settings.timeout, at_least), deadline.remaining)
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.HTTPHEADER, headers)
    curl.setopt(pycurl.TIMEOUT_MS, max(1, int(seconds * 1000)))
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.SSL_VERIFYPEER, 0 if settings.insecure else 1)
    curl.setopt(pycurl.SSL_VERIFYHOST, 0 if settings.insecure else 2)
    if settings.ca_file is not None:
        curl.setopt(pycurl.CAINFO, settings.ca_file)
    return curl


def perform(multi: Any, curl: Any, address: str) -> None:
    """Raises what became of the connection, as this package's errors."""
    multi.add_handle(curl)
    try:
        _, running = multi.perform()
        while running:
            multi.select(_LOOK_EVERY)
            _, running = multi.perform()
        _, _, failed = multi.info_read()
        for _, code, message in failed:
            raise curl_error(code, message, address, sent=curl.getinfo(pycurl.REQUEST_SIZE) > 0)
    finally:
        multi.remove_handle(curl)


def post(
    settings: OLVMSettings,
    url: str,
    headers: list[str],
    body: bytes,
    deadline: Deadline,
    at_least: float = 0.0,
) -> tuple[int, bytes]:
    """Status and body of the answer to a POST that goes out once, over a connection of its own."""
    curl = configured(settings, url, headers, deadline, at_least)
    multi = pycurl.CurlMulti()
    answer = bytearray()
    try:
        curl.setopt(pycurl.FRESH_CONNECT, 1)
        curl.setopt(pycurl.FORBID_REUSE, 1)
        # A stream of HTTP/2 that is refused would be tried again.
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.ENCODING, "gzip")
        curl.setopt(pycurl.WRITEFUNCTION, _keeping(answer))
        perform(multi, curl, settings.address)
        return int(curl.getinfo(pycurl.RESPONSE_CODE)), bytes(answer)
    finally:
        curl.close()
        multi.close()


def _keeping(answer: bytearray) -> Callable[[bytes], None]:
    """Keeps the beginning of an answer, and reads the rest of it all the same."""

    def write(piece: bytes) -> None:
        answer.extend(piece[: _LONGEST_ANSWER - len(answer)])

    return write


class HttpChannel:
    """Connections to the engine that are kept open, for one request at a time."""

    def __init__(self, settings: OLVMSettings) -> None:
        self._settings = settings
        self._multi = pycurl.CurlMulti()
        self._refused: BaseException | None = None
        self._status = 0

    def get(
        self,
        path: str,
        query: dict[str, str],
        token: str,
        feed: Callable[[bytes], None],
        deadline: Deadline,
    ) -> tuple[int, bytes]:
        """The status, and the body of an answer that is not 200.

        The body of one that is goes to ``feed``, piece by piece; what that
        raises ends the request and comes out here.
        """
        found = f"?{urlencode(query)}" if query else ""
        url = f"{self._settings.url}{path and '/'}{path}{found}"
        curl = configured(self._settings, url, api_headers(token), deadline)
        self._status, self._refused = 0, None
        other = bytearray()
        keep = _keeping(other)

        def write(piece: bytes) -> int | None:
            if self._status != 200:
                keep(piece)
                return None
            try:
                feed(piece)
            except BaseException as error:  # noqa: BLE001  # libcurl would only print it
                self._refused = error
                return -1
            return None

        try:
            curl.setopt(pycurl.ENCODING, "gzip")
            curl.setopt(pycurl.HEADERFUNCTION, self._header)
            curl.setopt(pycurl.WRITEFUNCTION, write)
            perform(self._multi, curl, self._settings.address)
        finally:
            curl.close()
            if self._refused is not None:
                raise self._refused
        return self._status, bytes(other)

    def _header(self, line: bytes) -> None:
        """The status has to be known before the body comes."""
        if line.startswith(b"HTTP/"):
            self._status = int(line.split()[1])

    def close(self) -> None:
        self._multi.close()


def api_headers(token: str) -> list[str]:
    """Of each request to the API. The language is fixed: faults are looked at, if as a hint."""
    return [
        f"Authorization: Bearer {token}",
        "Accept: application/xml",
        "Accept-Language: en-US",
        "Version: 4",
        f"User-Agent: chaosvm/{__version__}",
    ]
