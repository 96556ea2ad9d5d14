"""From the world to bytes, fast enough for thousands of VMs.

A VM is only written anew when it changed, or its host did. A long list is put
together from pieces that are compressed already.
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
    """A part of a document, plain and as a run of deflate blocks that ends on a byte."""

    __slots__ = ("_last", "_packed", "plain")

    def __init__(self, plain: bytes, last: bool = False) -> None:
        self.plain = plain
        self._last = last
        self._packed: bytes | None = None

    @property
    def packed(self) -> bytes:
        if self._packed is None:
            pack = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            end = zlib.Z_FINISH if self._last else zlib.Z_FULL_FLUSH
            self._packed = pack.compress(self.plain) + pack.flush(end)
        return self._packed


@dataclass(frozen=True, slots=True)
class Document:
    """An answer's body, in pieces."""

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
        return b"".join((header, *(piece.packed for piece in self.pieces), trailer))


def written(xml: str) -> Document:
    return Document([_Piece((DECLARATION + xml).encode(), last=True)])


def document(thing: Node) -> Document:
    """One thing."""
    return written(thing.written())


def documents(things: Sequence[Node], root: str) -> Document:
    """A collection; one that is empty is ``<root/>``."""
    return document(Node(root, children=things))


class VmPages:
    """VMs as XML, kept until they change."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Machine, _Piece]] = {}

    def one(self, vm: Machine, restricted: bool = False) -> Document:
        return written(vm_text(self._world, vm, restricted=restricted))

    def restricted(self, vms: Sequence[Machine]) -> Document:
        """For users with roles of users, who have few."""
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
        kept = self._kept.get(vm.id)
        if kept is not None and kept[0] is vm:
            return kept[1]
        piece = _Piece(vm_text(self._world, vm, depth=1).encode())
        with self._lock:
            self._kept[vm.id] = (vm, piece)
        return piece


@cache
def _opening() -> _Piece:
    return _Piece(f"{DECLARATION}<vms>\n".encode())


@cache
def _closing() -> _Piece:
    return _Piece(b"</vms>\n", last=True)
