"""A server's HTTP response: decompressed while it is read, limited in size and time."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator
from itertools import chain

from chaosvm.runtime.deadline_http import DeadlineBudget
from chaosvm.runtime.unpacking import MOST_STREAMED, MOST_WHOLE, too_large, unpacked

__all__ = ["BoundedResponse"]

# pyvmomi turns every element into an object before it returns any.
_MAX_ELEMENTS = 1_000_000
# pyvmomi rescans an incomplete text node from its start with each chunk.
_MAX_TEXT = 128 * 1024


class BoundedResponse:
    """The part of HTTPResponse that pyvmomi uses."""

    def __init__(
        self, response: http.client.HTTPResponse, server: str, budget: DeadlineBudget
    ) -> None:
        self.status, self.reason = response.status, response.reason
        self._response, self._server, self._budget = response, server, budget
        self._chunks: Iterator[bytes] | None = None
        self._current = io.BytesIO()

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """Hides Content-Encoding: the body is already decompressed."""
        if name.lower() == "content-encoding":
            return default
        return self._response.getheader(name, default)

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, or all. Raises AnswerTooLarge for what is too large to hold."""
        if self._chunks is None:
            self._chunks = self._limit_xml(self._decompress(MOST_WHOLE))
        if size < 0:
            return self._current.read() + b"".join(self._chunks)
        while not (data := self._current.read(size)):
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._current = io.BytesIO(chunk)
        return data

    def stream(self) -> Iterator[bytes]:
        """The whole body chunk by chunk, for callers that do not keep the chunks."""
        return self._decompress(MOST_STREAMED)

    def _decompress(self, max_bytes: int) -> Iterator[bytes]:
        encoding = self._response.getheader("Content-Encoding")
        for chunk in unpacked(self._response.read, encoding, max_bytes, self._server):
            self._budget.seconds()  # raises if the caller took too long over the last chunk
            yield chunk

    def _limit_xml(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Raises AnswerTooLarge for XML with more elements or text than pyvmomi can handle."""
        first = next(chunks, b"")
        if not first.lstrip().startswith(b"<"):
            yield first
            yield from chunks
            return
        elements = text = 0
        for chunk in chain([first], chunks):
            elements += chunk.count(b"</") + chunk.count(b"/>")
            last_tag = chunk.rfind(b"<")
            text = len(chunk) - last_tag if last_tag >= 0 else text + len(chunk)
            if elements > _MAX_ELEMENTS:
                raise too_large(self._server, f"{_MAX_ELEMENTS:,} elements")
            if text > _MAX_TEXT:
                raise too_large(self._server, f"{_MAX_TEXT // 1024} KB in one element")
            yield chunk
