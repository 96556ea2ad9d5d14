"""Response bodies, concatenated from pieces that are plain or compressed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from chaosvm.lab.ovirt.markup import DECLARATION, Node

__all__ = ["Document", "Piece", "document", "documents", "written"]

_LEVEL = 6


class Piece:
    """A part of a document, plain and as deflate blocks that end on a byte boundary."""

    __slots__ = ("_compressed", "_last", "plain")

    def __init__(self, plain: bytes, last: bool = False) -> None:
        self.plain = plain
        self._last = last
        self._compressed: bytes | None = None

    @property
    def compressed(self) -> bytes:
        if self._compressed is None:
            compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            end = zlib.Z_FINISH if self._last else zlib.Z_FULL_FLUSH
            self._compressed = compressor.compress(self.plain) + compressor.flush(end)
        return self._compressed


@dataclass(frozen=True, slots=True)
class Document:
    """The body of a response, in pieces."""

    pieces: Sequence[Piece]

    def plain(self) -> bytes:
        return b"".join(piece.plain for piece in self.pieces)

    def gzipped(self) -> bytes:
        checksum = size = 0
        for piece in self.pieces:
            checksum = zlib.crc32(piece.plain, checksum)
            size += len(piece.plain)
        header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
        trailer = struct.pack("<II", checksum, size & 0xFFFFFFFF)
        return b"".join((header, *(piece.compressed for piece in self.pieces), trailer))


def written(xml: str) -> Document:
    return Document([Piece((DECLARATION + xml).encode(), last=True)])


def document(node: Node) -> Document:
    """One object."""
    return written(node.written())


def documents(nodes: Sequence[Node], root: str) -> Document:
    """A collection; ``<root/>`` if it is empty."""
    return document(Node(root, children=nodes))
