"""Response bodies, fast enough for thousands of VMs.

The XML of a VM is cached until the VM changes, plain and compressed, and a list is
concatenated from the cached pieces.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from chaosvm.lab.ovirt.markup import DECLARATION, Node
from chaosvm.lab.ovirt.vm_text import vm_text
from chaosvm.lab.simulation import Machine, World

__all__ = ["Document", "VmPages", "document", "documents", "written"]

_LEVEL = 6


class _Piece:
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

    pieces: Sequence[_Piece]

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
    return Document([_Piece((DECLARATION + xml).encode(), last=True)])


def document(node: Node) -> Document:
    """One object."""
    return written(node.written())


def documents(nodes: Sequence[Node], root: str) -> Document:
    """A collection; ``<root/>`` if it is empty."""
    return document(Node(root, children=nodes))


class VmPages:
    """The XML of VMs, cached until they change."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[Machine, _Piece]] = {}

    def one(self, vm: Machine, restricted: bool = False) -> Document:
        return written(vm_text(self._world, vm, restricted=restricted))

    def restricted(self, vms: Sequence[Machine]) -> Document:
        """VMs for users with user roles, who have few; not cached."""
        if not vms:
            return documents((), "vms")
        inner = "".join(vm_text(self._world, vm, depth=1, restricted=True) for vm in vms)
        return written(f"<vms>\n{inner}</vms>\n")

    def many(self, vms: Sequence[Machine]) -> Document:
        if not vms:
            return documents((), "vms")
        pieces = [self._piece(vm) for vm in vms]
        return Document([_opening(), *pieces, _closing()])

    def _piece(self, vm: Machine) -> _Piece:
        cached = self._cache.get(vm.id)
        if cached is not None and cached[0] is vm:
            return cached[1]
        piece = _Piece(vm_text(self._world, vm, depth=1).encode())
        with self._lock:
            self._cache[vm.id] = (vm, piece)
        return piece


@cache
def _opening() -> _Piece:
    return _Piece(f"{DECLARATION}<vms>\n".encode())


@cache
def _closing() -> _Piece:
    return _Piece(b"</vms>\n", last=True)
