"""HTTP with the engine where the SDK does not do: bounded in time, and read as it arrives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pycurl

from chaosvm import __version__, rehearsal
from chaosvm.deadline import Deadline
from chaosvm.olvm.faults import curl_error
from chaosvm.olvm.settings import OLVMSettings, address_of

__all__ = ["Line", "configured", "perform"]

# Signals reach us between two looks at the connection.
_LOOK_EVERY = 0.25
# How much of an answer that is an error is looked at.
_MOST_OF_AN_ERROR = 65_536


def configured(settings: OLVMSettings, url: str, headers: list[str], deadline: Deadline) -> Any:
    """A request that ends by the deadline, whatever happens."""
    rehearsal.permit(*address_of(url))
    seconds = min(settings.timeout, deadline.remaining)
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
            raise curl_error(code, message, address)
    finally:
        multi.remove_handle(curl)


class Line:
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
        headers = [
            f"Authorization: Bearer {token}",
            "Accept: application/xml",
            "Version: 4",
            f"User-Agent: chaosvm/{__version__}",
        ]
        curl = configured(self._settings, f"{self._settings.url}/{path}{found}", headers, deadline)
        self._status, self._refused = 0, None
        other = bytearray()

        def write(piece: bytes) -> int | None:
            if self._status != 200:
                other.extend(piece[: _MOST_OF_AN_ERROR - len(other)])
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
