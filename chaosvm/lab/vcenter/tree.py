"""The properties of VMs by their paths: single ones, and what is put together of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.interfaces import Estate
from chaosvm.lab.vcenter.properties import LEAVES, Leaf
from chaosvm.lab.vcenter.values import leaf_type, made, typed, walked
from chaosvm.lab.world import Machine

__all__ = ["TREE", "told"]


def _tree(leaves: Mapping[str, Leaf]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *above, last = path.split(".")
        node = root
        for name in above:
            node = node.setdefault(name, {})
        node[last] = leaf
    return root


# By each name of a path; at the ends there are leaves.
TREE = _tree(LEAVES)


def told(estate: Estate, vm: Machine, path: str) -> Any:
    """The value of a property; None where it is not set. Raises InvalidPath."""
    leaf_type(vim.VirtualMachine, path)
    node: Any = TREE
    names = path.split(".")
    for position, name in enumerate(names):
        bare = name.partition("[")[0]
        node = node.get(bare)
        if node is None:
            return None
        if not isinstance(node, dict):
            so_far = ".".join([*names[:position], bare])
            value = _typed(so_far, node(estate, vm))
            return typed(vim.VirtualMachine, path, walked(value, path[len(so_far) :].lstrip(".")))
    return _assembled(estate, vm, path, node)


def _assembled(estate: Estate, vm: Machine, path: str, node: Mapping[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for name, below in node.items():
        inner = f"{path}.{name}"
        if isinstance(below, dict):
            values[name] = _assembled(estate, vm, inner, below)
        else:
            values[name] = _typed(inner, below(estate, vm))
    return made(leaf_type(vim.VirtualMachine, path), **values)


def _typed(path: str, value: Any) -> Any:
    declared = leaf_type(vim.VirtualMachine, path)
    if value is None or isinstance(value, declared):
        return value
    return declared(value)
