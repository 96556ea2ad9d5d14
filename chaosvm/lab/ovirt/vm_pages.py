"""VMs as XML, fast enough for thousands of them.

The XML of a VM is cached until the VM changes, plain and compressed, and a list is
concatenated from the cached pieces.
"""

from __future__ import annotations

import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from functools import cache

from chaosvm.lab.ovirt.documents import Document, Piece, documents, written
from chaosvm.lab.ovirt.markup import DECLARATION, from_element
from chaosvm.lab.ovirt.overlay import Overlay
from chaosvm.lab.ovirt.vm_text import vm_text
from chaosvm.lab.simulation import Machine, World

__all__ = ["VmPages"]


class VmPages:
    """The XML of VMs, cached until they change."""

    def __init__(self, world: World, overlay: Overlay) -> None:
        self._world = world
        self._overlay = overlay
        self._lock = threading.Lock()
        self._cache: dict[str, tuple[Machine, Piece]] = {}

    def one(self, vm: Machine, restricted: bool = False) -> Document:
        return written(self._text(vm, 0, restricted))

    def restricted(self, vms: Sequence[Machine]) -> Document:
        """VMs for users with user roles, who have few; not cached."""
        if not vms:
            return documents((), "vms")
        inner = "".join(self._text(vm, 1, restricted=True) for vm in vms)
        return written(f"<vms>\n{inner}</vms>\n")

    def many(self, vms: Sequence[Machine]) -> Document:
        if not vms:
            return documents((), "vms")
        pieces = [self._piece(vm) for vm in vms]
        return Document([_opening(), *pieces, _closing()])

    def _piece(self, vm: Machine) -> Piece:
        cached = self._cache.get(vm.id)
        if cached is not None and cached[0] is vm:
            return cached[1]
        piece = Piece(self._text(vm, 1).encode())
        with self._lock:
            self._cache[vm.id] = (vm, piece)
        return piece

    def _text(self, vm: Machine, depth: int, restricted: bool = False) -> str:
        text = vm_text(self._world, vm, depth, restricted=restricted)
        if not self._overlay.has(vm.id):
            return text
        shown = from_element(ElementTree.fromstring(text))
        return self._overlay.applied(vm.id, shown).written(depth)


@cache
def _opening() -> Piece:
    return Piece(f"{DECLARATION}<vms>\n".encode())


@cache
def _closing() -> Piece:
    return Piece(b"</vms>\n", last=True)
