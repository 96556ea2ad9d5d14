"""Properties of VMs by path: leaves, and data objects assembled from leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.serialization import data_object, leaf_type, typed, value_at
from chaosvm.lab.vcenter.templated_values import Leaf
from chaosvm.lab.vcenter.vm_properties import LEAVES

__all__ = ["TREE", "vm_property"]


def _tree(leaves: Mapping[str, Leaf]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path, leaf in leaves.items():
        *parents, last = path.split(".")
        node = root
        for name in parents:
            node = node.setdefault(name, {})
        node[last] = leaf
    return root


# Nested by the names of a path; the innermost values are leaves.
TREE = _tree(LEAVES)


def vm_property(inventory: Inventory, vm: Machine, path: str) -> Any:
    """The value of a property, None if unset. Raises InvalidPath."""
    leaf_type(vim.VirtualMachine, path)
    node: Any = TREE
    names = path.split(".")
    for position, name in enumerate(names):
        key = name.partition("[")[0]
        node = node.get(key)
        if node is None:
            return None
        if not isinstance(node, dict):
            leaf_path = ".".join([*names[:position], key])
            declared = leaf_type(vim.VirtualMachine, leaf_path)
            value = typed(node(inventory, vm), declared)
            return value_at(value, declared, path[len(leaf_path) :].lstrip("."))
    return _assemble(inventory, vm, path, node)


def _assemble(inventory: Inventory, vm: Machine, path: str, node: Mapping[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for name, child in node.items():
        inner = f"{path}.{name}"
        if isinstance(child, dict):
            values[name] = _assemble(inventory, vm, inner, child)
        else:
            declared = leaf_type(vim.VirtualMachine, inner)
            values[name] = typed(child(inventory, vm), declared)
    return data_object(leaf_type(vim.VirtualMachine, path), **values)
