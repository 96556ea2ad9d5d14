"""Answers as they arrive, unpacked: however little was sent, never more than a set size."""

from __future__ import annotations

import http.client
import zlib
from collections.abc import Callable, Iterable, Iterator

from chaosvm.errors import AnswerTooLarge

__all__ = ["MOST_ITEMS", "MOST_STREAMED", "MOST_WHOLE", "Measure", "too_large", "unpacked"]

_MEGABYTE = 1024 * 1024
# Of an answer that is held whole, and of one that is read piece by piece and let go of.
MOST_WHOLE = 64 * _MEGABYTE
MOST_STREAMED = 512 * _MEGABYTE
# In one list: six times what one vCenter can have.
MOST_ITEMS = 250_000

_PIECE = 65_536


class Measure:
    """Adds up what came, and raises AnswerTooLarge for more than ``most`` bytes."""

    def __init__(self, most: int, server: str) -> None:
        self._most, self._server = most, server
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most:
            raise too_large(self._server, f"{self._most // _MEGABYTE} MB")


def too_large(server: str, most: str) -> AnswerTooLarge:
    return AnswerTooLarge(f"{server} answered with more than {most}, and the rest was not read")


def unpacked(
    read: Callable[[int], bytes], packing: str | None, most: int, server: str
) -> Iterator[bytes]:
    """The pieces of an answer, to its end, none much larger than what is read at once.

    ``packing`` is its Content-Encoding. Raises AnswerTooLarge, and zlib.error
    for what is not packed so, or not all of it.
    """
    word = (packing or "identity").strip().lower()
    if word not in ("identity", "gzip"):
        raise http.client.HTTPException(f"an answer packed as {word!r}")
    measure = Measure(most, server)
    arriving = iter(lambda: read(_PIECE), b"")
    for piece in arriving if word == "identity" else _inflated(arriving):
        measure.add(piece)
        yield piece


def _inflated(arriving: Iterable[bytes]) -> Iterator[bytes]:
    unpacker = _unpacker()
    for packed in arriving:
        left: bytes | None = packed
        while left is not None:
            if unpacker.eof:  # one packet can follow another
                unpacker = _unpacker()
            piece = unpacker.decompress(left, _PIECE)
            yield piece
            left = unpacker.unconsumed_tail or unpacker.unused_data or None
            if left is None and len(piece) == _PIECE and not unpacker.eof:
                left = b""  # there may be more of what it took already
    if not unpacker.eof:
        raise zlib.error("the answer ends in the middle")


def _unpacker() -> zlib._Decompress:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)
