"""An answer of the server: unpacked as it is read, and bounded in size and in time."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator
from itertools import chain

from chaosvm.runtime.deadline_http import DeadlineBudget
from chaosvm.runtime.unpacking import MOST_STREAMED, MOST_WHOLE, too_large, unpacked

__all__ = ["Answer"]

# pyvmomi makes objects of all of them before anybody sees one.
_MOST_ELEMENTS = 1_000_000
# It looks at what is not complete again with each piece, from its beginning.
_LONGEST_TEXT = 128 * 1024


class Answer:
    """As much of an HTTPResponse as pyvmomi uses."""

    def __init__(
        self, response: http.client.HTTPResponse, server: str, budget: DeadlineBudget
    ) -> None:
        self.status, self.reason = response.status, response.reason
        self._response, self._server, self._budget = response, server, budget
        self._whole: Iterator[bytes] | None = None
        self._piece = io.BytesIO()

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """That it was packed is nobody's business any more."""
        if name.lower() == "content-encoding":
            return default
        return self._response.getheader(name, default)

    def read(self, size: int = -1) -> bytes:
        """So many bytes at the most, or all; never more of an answer than can be held whole."""
        if self._whole is None:
            self._whole = self._counted(self._pieces(MOST_WHOLE))
        if size < 0:
            return self._piece.read() + b"".join(self._whole)
        while not (piece := self._piece.read(size)):
            following = next(self._whole, None)
            if following is None:
                break
            self._piece = io.BytesIO(following)
        return piece

    def stream(self) -> Iterator[bytes]:
        """All of it, piece by piece, for who lets go of them."""
        return self._pieces(MOST_STREAMED)

    def _pieces(self, most: int) -> Iterator[bytes]:
        packing = self._response.getheader("Content-Encoding")
        for piece in unpacked(self._response.read, packing, most, self._server):
            self._budget.seconds()  # raises if what was read so far took too long to look at
            yield piece

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """What is XML has no more elements, and none with more text, than pyvmomi can take."""
        first = next(pieces, b"")
        if not first.lstrip().startswith(b"<"):
            yield first
            yield from pieces
            return
        elements = text = 0
        for piece in chain([first], pieces):
            elements += piece.count(b"</") + piece.count(b"/>")
            begins = piece.rfind(b"<")
            text = len(piece) - begins if begins >= 0 else text + len(piece)
            if elements > _MOST_ELEMENTS:
                raise too_large(self._server, f"{_MOST_ELEMENTS:,} elements")
            if text > _LONGEST_TEXT:
                raise too_large(self._server, f"{_LONGEST_TEXT // 1024} KB in one element")
            yield piece
