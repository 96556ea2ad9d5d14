"""The properties of VMs as XML, single or whole, fast enough for thousands of VMs.

A property is taken apart once: into text that is the same for every VM, and
into what writes the rest. pyvmomi's serializer writes only what is neither
plain nor much the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pyVmomi import VmomiSupport, vim

from chaosvm.lab.vcenter.interfaces import Estate
from chaosvm.lab.vcenter.properties import FLEETING, LEAVES, Leaf
from chaosvm.lab.vcenter.shaped import Shaped
from chaosvm.lab.vcenter.tree import TREE, told
from chaosvm.lab.vcenter.values import encoded, harmless, leaf_type, opening, text_writer
from chaosvm.lab.world import Machine

__all__ = ["Kept", "Piece", "filled", "kept", "page", "written"]

Writer = Callable[["Estate", Machine], str]
_OPTIONAL = VmomiSupport.F_OPTIONAL


@dataclass(frozen=True, slots=True)
class _Fleeting:
    """What changes without a change of the machine, and is written each time."""

    write: Writer


Piece = str | Writer | _Fleeting
# A machine as it was written, but for what is fleeting.
Kept = tuple[str | _Fleeting, ...]


# Writing ---------------------------------------------------------------------------------


def written(estate: Estate, vm: Machine, path: str, version: str) -> str:
    """One property as the element ``val``; nothing where it is not set."""
    return filled(kept(_property(path, version), estate, vm), estate, vm)


def kept(pieces: Iterable[Piece], estate: Estate, vm: Machine) -> Kept:
    """What these pieces say of a VM."""
    found: list[str | _Fleeting] = []
    texts: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            texts.append(piece)
        elif isinstance(piece, _Fleeting):
            found += ("".join(texts), piece)
            texts = []
        else:
            texts.append(piece(estate, vm))
    return (*found, "".join(texts))


def filled(text: Kept, estate: Estate, vm: Machine) -> str:
    return "".join(part if isinstance(part, str) else part.write(estate, vm) for part in text)


@lru_cache(maxsize=64)
def page(paths: tuple[str, ...], version: str) -> tuple[Piece, ...]:
    """What writes VMs with these properties."""
    pieces: list[Piece] = [
        '<obj type="VirtualMachine">',
        lambda estate, vm: vm.moid,
        "</obj>",
    ]
    for path in paths:
        before, after = f"<propSet><name>{path}</name>", "</propSet>"
        inner = _property(path, version)
        if len(inner) == 1 and not isinstance(inner[0], str):
            pieces.append(_around(before, inner[0], after))
        elif inner:
            pieces += (before, *inner, after)
    return tuple(_joined(pieces))


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    text = ""
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
            continue
        if text:
            yield text
        yield piece
        text = ""
    if text:
        yield text


def _around(before: str, piece: Writer | _Fleeting, after: str) -> Writer | _Fleeting:
    """Nothing at all where there is nothing in it."""
    if isinstance(piece, _Fleeting):
        inner = _around(before, piece.write, after)
        assert not isinstance(inner, _Fleeting)
        return _Fleeting(inner)
    write = piece

    def around(estate: Estate, vm: Machine) -> str:
        text = write(estate, vm)
        return f"{before}{text}{after}" if text else ""

    return around


# Taking apart ----------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _property(path: str, version: str) -> tuple[Piece, ...]:
    """What writes it as the element ``val``; empty if nothing is known of it."""
    declared = leaf_type(vim.VirtualMachine, path)
    node: Any = TREE
    for name in path.split("."):
        node = node.get(name.partition("[")[0])
        if node is None:
            return ()
        if not isinstance(node, dict):
            break
    if isinstance(node, dict):
        kind = VmomiSupport.GetCompatibleType(declared, version)
        inner = _members(declared, node, path, version)
        return tuple(_joined((opening("val", kind), *inner, "</val>")))
    if path not in LEAVES:
        return (_further(path, version),)
    return (_leaf("val", declared, node, path, version, telling=True),)


def _further(path: str, version: str) -> Writer | _Fleeting:
    """What writes something within the value of a leaf."""

    def write(estate: Estate, vm: Machine) -> str:
        value = told(estate, vm, path)
        return "" if value is None else encoded("val", value, version)

    fleeting = any(path.startswith((f"{each}.", f"{each}[")) for each in FLEETING)
    return _Fleeting(write) if fleeting else write


def _members(kind: Any, node: Mapping[str, Any], path: str, version: str) -> list[Piece]:
    """What a data object has, in the order in which pyvmomi writes it."""
    pieces: list[Piece] = []
    blank = kind()
    for info in kind._GetPropertyList():
        if not VmomiSupport.IsChildVersion(version, info.version):
            continue
        inner, below = f"{path}.{info.name}", node.get(info.name)
        if isinstance(below, dict):
            pieces.append(f"<{info.name}>")
            pieces += _members(info.type, below, inner, version)
            pieces.append(f"</{info.name}>")
            continue
        instead = ""
        if not info.flags & _OPTIONAL:
            value = harmless(info, getattr(blank, info.name))
            instead = encoded(info.name, value, version, info.type)
        if below is None:
            pieces.append(instead)
        else:
            pieces.append(_leaf(info.name, info.type, below, inner, version, instead=instead))
    return list(_joined(pieces))


def _leaf(
    tag: str,
    declared: Any,
    leaf: Leaf,
    path: str,
    version: str,
    *,
    telling: bool = False,
    instead: str = "",
) -> Writer | _Fleeting:
    """What writes a leaf; ``telling`` its type if what is around it does not say."""
    if isinstance(leaf, Shaped):

        def write(estate: Estate, vm: Machine) -> str:
            return leaf.text(estate, vm, tag, version, declared, telling) or instead

    else:
        text_of = text_writer(tag, declared, version, telling)

        def write(estate: Estate, vm: Machine) -> str:
            value = leaf(estate, vm)
            return instead if value is None else text_of(value)

    return _Fleeting(write) if path in FLEETING else write
