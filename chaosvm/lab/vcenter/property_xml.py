"""XML of VM properties, fast enough for thousands of VMs.

Each property is compiled once into pieces: literal text that all VMs share, and
functions that write the rest. pyvmomi's serializer is only used for values that
are neither simple nor built from a template.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pyVmomi import VmomiSupport, vim

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.property_tree import TREE, vm_property
from chaosvm.lab.vcenter.serialization import (
    element_writer,
    leaf_type,
    required_default,
    serialize,
    start_tag,
)
from chaosvm.lab.vcenter.templated_values import Constant, Leaf, TemplatedValue
from chaosvm.lab.vcenter.vm_properties import LEAVES, VOLATILE

__all__ = ["Rendered", "Piece", "fill", "render_pieces", "object_pieces", "property_xml"]

Writer = Callable[[Inventory, Machine], str]
_OPTIONAL = VmomiSupport.F_OPTIONAL


@dataclass(frozen=True, slots=True)
class _Volatile:
    """A piece that is not cached, because it changes even if the machine does not."""

    write: Writer


Piece = str | Writer | _Volatile
# The rendered pieces of a machine, except for volatile ones.
Rendered = tuple[str | _Volatile, ...]


# Rendering -------------------------------------------------------------------------------


def property_xml(inventory: Inventory, vm: Machine, path: str, version: str) -> str:
    """A property as the element ``val``, empty if unset."""
    return fill(render_pieces(_property_pieces(path, version), inventory, vm), inventory, vm)


def render_pieces(pieces: Iterable[Piece], inventory: Inventory, vm: Machine) -> Rendered:
    """Render all pieces of a VM except the volatile ones."""
    parts: list[str | _Volatile] = []
    literals: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            literals.append(piece)
        elif isinstance(piece, _Volatile):
            parts += ("".join(literals), piece)
            literals = []
        else:
            literals.append(piece(inventory, vm))
    return (*parts, "".join(literals))


def fill(rendered: Rendered, inventory: Inventory, vm: Machine) -> str:
    return "".join(
        part if isinstance(part, str) else part.write(inventory, vm) for part in rendered
    )


@lru_cache(maxsize=64)
def object_pieces(paths: tuple[str, ...], version: str) -> tuple[Piece, ...]:
    """The pieces of an object with these properties."""
    pieces: list[Piece] = [
        '<obj type="VirtualMachine">',
        lambda inventory, vm: vm.moid,
        "</obj>",
    ]
    for path in paths:
        before, after = f"<propSet><name>{path}</name>", "</propSet>"
        inner = _property_pieces(path, version)
        if len(inner) == 1 and not isinstance(inner[0], str):
            pieces.append(_wrap(before, inner[0], after))
        elif inner:
            pieces += (before, *inner, after)
    return tuple(_merge_literals(pieces))


def _merge_literals(pieces: Iterable[Piece]) -> Iterator[Piece]:
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


def _wrap(before: str, piece: Writer | _Volatile, after: str) -> Writer | _Volatile:
    """Wrap a piece, unless it renders to nothing."""
    if isinstance(piece, _Volatile):
        wrapped_volatile = _wrap(before, piece.write, after)
        assert not isinstance(wrapped_volatile, _Volatile)
        return _Volatile(wrapped_volatile)
    write = piece

    def wrapped(inventory: Inventory, vm: Machine) -> str:
        text = write(inventory, vm)
        return f"{before}{text}{after}" if text else ""

    return wrapped


# Compiling -------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _property_pieces(path: str, version: str) -> tuple[Piece, ...]:
    """The pieces of the element ``val``; none for a property that is not simulated."""
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
        inner = _member_pieces(declared, node, path, version)
        return tuple(_merge_literals((start_tag("val", kind), *inner, "</val>")))
    if path not in LEAVES:
        return (_nested_value(path, version),)
    return (_leaf_piece("val", declared, node, path, version, with_type=True),)


def _nested_value(path: str, version: str) -> Writer | _Volatile:
    """The piece of a path into the value of a leaf."""

    def write(inventory: Inventory, vm: Machine) -> str:
        value = vm_property(inventory, vm, path)
        return "" if value is None else serialize("val", value, version)

    is_volatile = any(path.startswith((f"{each}.", f"{each}[")) for each in VOLATILE)
    return _Volatile(write) if is_volatile else write


def _member_pieces(kind: Any, node: Mapping[str, Any], path: str, version: str) -> list[Piece]:
    """The pieces of a data object's properties, in pyvmomi's order."""
    pieces: list[Piece] = []
    empty = kind()
    for info in kind._GetPropertyList():
        if not VmomiSupport.IsChildVersion(version, info.version):
            continue
        child_path, child = f"{path}.{info.name}", node.get(info.name)
        if isinstance(child, dict):
            pieces.append(f"<{info.name}>")
            pieces += _member_pieces(info.type, child, child_path, version)
            pieces.append(f"</{info.name}>")
            continue
        default = ""
        if not info.flags & _OPTIONAL:
            value = required_default(info, getattr(empty, info.name))
            default = serialize(info.name, value, version, info.type)
        if child is None:
            pieces.append(default)
        else:
            pieces.append(
                _leaf_piece(info.name, info.type, child, child_path, version, default=default)
            )
    return list(_merge_literals(pieces))


def _leaf_piece(
    tag: str,
    declared: Any,
    leaf: Leaf,
    path: str,
    version: str,
    *,
    with_type: bool = False,
    default: str = "",
) -> Piece:
    """The piece of a leaf, ``with_type`` if the enclosing element does not declare its type."""
    if isinstance(leaf, Constant):
        return element_writer(tag, declared, version, with_type)(leaf.value)
    if isinstance(leaf, TemplatedValue):

        def write(inventory: Inventory, vm: Machine) -> str:
            return leaf.text(inventory, vm, tag, version, declared, with_type) or default

    else:
        text_of = element_writer(tag, declared, version, with_type)

        def write(inventory: Inventory, vm: Machine) -> str:
            value = leaf(inventory, vm)
            return default if value is None else text_of(value)

    return _Volatile(write) if path in VOLATILE else write
