"""HTTP with the engine: bounded in time, streamed, and never repeated silently.

libcurl repeats a request by itself when a reused connection turns out to be
dead. So only reads reuse connections; every request that changes something
gets a new one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pycurl

from chaosvm import __version__
from chaosvm.olvm.faults import curl_error
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.runtime import Deadline, rehearsal
from chaosvm.settings.addresses import address_of

__all__ = ["HttpChannel", "api_headers", "close", "new_request", "perform", "post"]

# Python handles signals between two calls of select.
_SELECT_SECONDS = 0.25
# Bytes kept of an answer that is not streamed.
_MAX_ANSWER = 1_048_576
# libcurl cannot stop a DNS lookup, and waits for its end, past any deadline. From 7.87 on this
# option, for which pycurl has no name, prevents that, but not when a multi handle is closed.
_QUICK_EXIT = 322
_HAS_QUICK_EXIT = pycurl.version_info()[2] >= 0x075700


def new_request(
    settings: OLVMSettings,
    url: str,
    headers: list[str],
    deadline: Deadline,
    min_seconds: float = 0.0,
) -> Any:
    """A curl handle whose request ends by the deadline.

    It may take ``olvm_timeout`` seconds, or ``min_seconds`` if that is more.
    """
    rehearsal.require_allowed(*address_of(url))
    seconds = min(max(settings.timeout, min_seconds), deadline.remaining)
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.HTTPHEADER, headers)
    curl.setopt(pycurl.TIMEOUT_MS, max(1, int(seconds * 1000)))
    curl.setopt(pycurl.NOSIGNAL, 1)
    if _HAS_QUICK_EXIT:
        curl.setopt(_QUICK_EXIT, 1)
    curl.setopt(pycurl.SSL_VERIFYPEER, 0 if settings.insecure else 1)
    curl.setopt(pycurl.SSL_VERIFYHOST, 0 if settings.insecure else 2)
    if settings.ca_file is not None:
        curl.setopt(pycurl.CAINFO, settings.ca_file)
        curl.unsetopt(pycurl.CAPATH)  # the system's CAs, which Debian's libcurl trusts as well
    return curl


def perform(multi: Any, curl: Any, settings: OLVMSettings) -> None:
    """Send the request and read its answer; raises a PlatformError if the connection fails."""
    multi.add_handle(curl)
    try:
        _, running = multi.perform()
        while running:
            _wait(multi)
            _, running = multi.perform()
        _, _, failed = multi.info_read()
        for _, code, message in failed:
            raise curl_error(code, message, settings, sent=curl.getinfo(pycurl.REQUEST_SIZE) > 0)
    finally:
        multi.remove_handle(curl)


def _wait(multi: Any) -> None:
    """Wait for data, or until libcurl has something to do without, as with data it has buffered."""
    milliseconds = multi.timeout()  # negative if it has not
    due = milliseconds / 1000 if milliseconds >= 0 else _SELECT_SECONDS
    multi.select(min(due, _SELECT_SECONDS))


def close(curl: Any, multi: Any) -> None:
    """Close the handle of a request and that of its connections."""
    looked_up = _is_looked_up(curl)
    curl.close()
    _close_multi(multi, looked_up)


def _is_looked_up(curl: Any) -> bool:
    """False if a DNS lookup for the request may not have ended."""
    return bool(curl.getinfo(pycurl.NAMELOOKUP_TIME) or curl.getinfo(pycurl.PRIMARY_IP))


def _close_multi(multi: Any, looked_up: bool) -> None:
    if looked_up:
        multi.close()
        return
    try:
        threading.Thread(target=multi.close, name="chaosvm-lookup", daemon=True).start()
    except RuntimeError:  # Python 3.12 starts no thread during interpreter exit
        multi.close()


def post(
    settings: OLVMSettings,
    url: str,
    headers: list[str],
    body: bytes,
    deadline: Deadline,
    min_seconds: float = 0.0,
) -> tuple[int, bytes]:
    """Send a POST once, over a new connection; return status and body of the answer."""
    curl = new_request(settings, url, headers, deadline, min_seconds)
    multi = pycurl.CurlMulti()
    answer = bytearray()
    try:
        curl.setopt(pycurl.FRESH_CONNECT, 1)
        curl.setopt(pycurl.FORBID_REUSE, 1)
        # libcurl retries a refused HTTP/2 stream.
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.ENCODING, "gzip")
        curl.setopt(pycurl.WRITEFUNCTION, _append_to(answer))
        perform(multi, curl, settings)
        return int(curl.getinfo(pycurl.RESPONSE_CODE)), bytes(answer)
    finally:
        close(curl, multi)


def _append_to(answer: bytearray) -> Callable[[bytes], None]:
    """A write callback that keeps the first ``_MAX_ANSWER`` bytes and drops the rest."""

    def write(chunk: bytes) -> None:
        answer.extend(chunk[: _MAX_ANSWER - len(answer)])

    return write


class HttpChannel:
    """Keeps connections to the engine open, for one request at a time."""

    def __init__(self, settings: OLVMSettings) -> None:
        self._settings = settings
        self._multi = pycurl.CurlMulti()
        self._looked_up = True
        self._feed_error: BaseException | None = None
        self._status = 0

    def get(
        self,
        path: str,
        query: dict[str, str],
        token: str,
        feed: Callable[[bytes], None],
        deadline: Deadline,
    ) -> tuple[int, bytes]:
        """Return the status, and the body unless the status is 200.

        The body of a 200 goes to ``feed``, chunk by chunk. An exception in
        ``feed`` ends the request and is raised from here.
        """
        query_string = f"?{urlencode(query)}" if query else ""
        url = f"{self._settings.url}{path and '/'}{path}{query_string}"
        curl = new_request(self._settings, url, api_headers(token), deadline)
        self._status, self._feed_error = 0, None
        error_body = bytearray()
        append = _append_to(error_body)

        def write(chunk: bytes) -> int | None:
            if self._status != 200:
                append(chunk)
                return None
            try:
                feed(chunk)
            except BaseException as error:  # noqa: BLE001  # libcurl would only print it
                self._feed_error = error
                return -1
            return None

        try:
            curl.setopt(pycurl.ENCODING, "gzip")
            curl.setopt(pycurl.HEADERFUNCTION, self._read_header)
            curl.setopt(pycurl.WRITEFUNCTION, write)
            perform(self._multi, curl, self._settings)
        finally:
            self._looked_up = _is_looked_up(curl)
            curl.close()
            if self._feed_error is not None:
                raise self._feed_error
        return self._status, bytes(error_body)

    def _read_header(self, line: bytes) -> None:
        """The status decides where the body goes."""
        if line.startswith(b"HTTP/"):
            self._status = int(line.split()[1])

    def close(self) -> None:
        _close_multi(self._multi, self._looked_up)


def api_headers(token: str) -> list[str]:
    """The headers of every API request. English, because the texts of faults serve as hints."""
    return [
        f"Authorization: Bearer {token}",
        "Accept: application/xml",
        "Accept-Language: en-US",
        "Version: 4",
        f"User-Agent: chaosvm/{__version__}",
    ]
