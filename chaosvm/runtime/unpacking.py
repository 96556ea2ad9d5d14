"""Decompresses responses as they arrive, and limits the size of the result."""

from __future__ import annotations

import http.client
import zlib
from collections.abc import Callable, Iterable, Iterator

from chaosvm.errors import AnswerTooLarge

__all__ = ["MOST_ITEMS", "MOST_STREAMED", "MOST_WHOLE", "Measure", "too_large", "unpacked"]

_MEGABYTE = 1024 * 1024
# For a response that is kept whole, and for one that is read in pieces and discarded.
MOST_WHOLE = 64 * _MEGABYTE
MOST_STREAMED = 512 * _MEGABYTE
# In one list: six times the most VMs that a vCenter supports.
MOST_ITEMS = 250_000

_CHUNK = 65_536


class Measure:
    """Adds up the size of a response, and raises AnswerTooLarge above ``most`` bytes."""

    def __init__(self, most: int, server: str) -> None:
        self._most, self._server = most, server
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._most:
            raise too_large(self._server, f"{self._most // _MEGABYTE} MB")


def too_large(server: str, most: str) -> AnswerTooLarge:
    return AnswerTooLarge(f"{server} answered with more than {most}, and the rest was not read")


def unpacked(
    read: Callable[[int], bytes], encoding: str | None, most: int, server: str
) -> Iterator[bytes]:
    """Yield the decompressed chunks of a response, none much larger than one read.

    ``encoding`` is its Content-Encoding. Raises AnswerTooLarge, and zlib.error if
    the response is not encoded so, or incomplete.
    """
    name = (encoding or "identity").strip().lower()
    if name not in ("identity", "gzip"):
        raise http.client.HTTPException(f"unsupported Content-Encoding {name!r}")
    measure = Measure(most, server)
    received = iter(lambda: read(_CHUNK), b"")
    for chunk in received if name == "identity" else _inflated(received):
        measure.add(chunk)
        yield chunk


def _inflated(compressed: Iterable[bytes]) -> Iterator[bytes]:
    decompressor = _gzip_decompressor()
    for block in compressed:
        left: bytes | None = block
        while left is not None:
            if decompressor.eof:  # another gzip member follows
                decompressor = _gzip_decompressor()
            chunk = decompressor.decompress(left, _CHUNK)
            yield chunk
            left = decompressor.unconsumed_tail or decompressor.unused_data or None
            if left is None and len(chunk) == _CHUNK and not decompressor.eof:
                left = b""  # the decompressor may still hold output
    if not decompressor.eof:
        raise zlib.error("the compressed response is incomplete")


def _gzip_decompressor() -> zlib._Decompress:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)
