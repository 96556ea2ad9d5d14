"""A virtual machine as a vCenter tells of it.

``config``, ``runtime``, ``guest`` and ``summary`` are put together of the single
properties when they are asked for as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.managed import Call, Refused, method
from chaosvm.lab.vcenter.power import Powered
from chaosvm.lab.vcenter.properties import LEAVES, Leaf
from chaosvm.lab.vcenter.values import encoded, encoder, leaf_type, made, typed, walked
from chaosvm.lab.world import Machine

if TYPE_CHECKING:
    from chaosvm.lab.vcenter.estate import Estate
    from chaosvm.lab.vcenter.sessions import Session

__all__ = ["VirtualMachine"]


def _tree(leaves: Mapping[str, Leaf]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *above, last = path.split(".")
        node = root
        for name in above:
            node = node.setdefault(name, {})
        node[last] = leaf
    return root


_TREE = _tree(LEAVES)
_Writer = tuple[Leaf, Callable[[str, Any, str], str]]
_WRITERS: dict[str, _Writer] = {}


class VirtualMachine(Powered):
    kind = vim.VirtualMachine

    def __init__(self, estate: Estate, vm: Machine) -> None:
        super().__init__(estate, vm)

    def paths(self) -> list[str]:
        return list(_TREE)

    def get(self, path: str, session: Session | None = None) -> Any:
        return self.told(self.machine, path)

    def told(self, vm: Machine, path: str) -> Any:
        leaf_type(self.kind, path)
        node: Any = _TREE
        names = path.split(".")
        for position, name in enumerate(names):
            bare = name.partition("[")[0]
            node = node.get(bare)
            if node is None:
                return None
            if not isinstance(node, dict):
                so_far = ".".join([*names[:position], bare])
                value = _typed(so_far, node(self.estate, vm))
                return typed(self.kind, path, walked(value, path[len(so_far) :].lstrip(".")))
        return self._assembled(vm, path, node)

    def encode(self, path: str, version: str, session: Session | None) -> str:
        return self.write(self.machine, path, version)

    def write(self, vm: Machine, path: str, version: str) -> str:
        """A property of the machine as it is given, as an element."""
        writer = _WRITERS.get(path) or _writer(path)
        if writer is None:
            value = self.told(vm, path)
            return "" if value is None else encoded("val", value, version)
        leaf, write = writer
        value = leaf(self.estate, vm)
        return "" if value is None else write("val", value, version)

    @method("setCustomValue")
    def set_custom_value(self, call: Call) -> None:
        """By the attribute's name, which has to be known."""
        vm, name = self.machine, call.get("key")
        if not self.estate.fields.knows(name):
            raise Refused(vmodl.fault.InvalidArgument(invalidProperty="key"))
        self.estate.fields.set(vm, name, call.get("value"))

    def _assembled(self, vm: Machine, path: str, node: Mapping[str, Any]) -> Any:
        values: dict[str, Any] = {}
        for name, below in node.items():
            inner = f"{path}.{name}"
            if isinstance(below, dict):
                values[name] = self._assembled(vm, inner, below)
            else:
                values[name] = _typed(inner, below(self.estate, vm))
        return made(leaf_type(self.kind, path), **values)


def _writer(path: str) -> _Writer | None:
    """What tells and writes a leaf; None for what is put together of several."""
    leaf = LEAVES.get(path)
    if leaf is None:
        return None
    return _WRITERS.setdefault(path, (leaf, encoder(leaf_type(vim.VirtualMachine, path))))


def _typed(path: str, value: Any) -> Any:
    declared = leaf_type(vim.VirtualMachine, path)
    if value is None or isinstance(value, declared):
        return value
    return declared(value)
