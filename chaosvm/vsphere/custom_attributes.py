"""Custom attributes of VMs that mean something to this package."""

from __future__ import annotations

from chaosvm.errors import PlatformError
from chaosvm.guards import disables_protection
from chaosvm.selection import folded
from chaosvm.vm import VM

__all__ = ["marked_by_attribute"]


def marked_by_attribute(vm: VM, name: str) -> str | None:
    """How an attribute of this name marks a VM: set to anything but "no" and its like.

    Raises PlatformError where the VM has attributes whose names cannot be read.
    """
    for attribute, value in vm.metadata.get("custom_attributes", {}).items():
        if folded(attribute) == folded(name) and not disables_protection(value):
            return f"has the custom attribute {attribute!r} = {value!r}"
    if vm.metadata.get("nameless_attributes"):
        raise PlatformError(f"{vm} has custom attributes whose names the vCenter does not tell")
    return None
