"""Custom attributes that protect a VM."""

from __future__ import annotations

from chaosvm.errors import PlatformError
from chaosvm.guards import disables_protection
from chaosvm.selection import folded
from chaosvm.vm import VM

__all__ = ["protection_reason"]


def protection_reason(vm: VM, attribute_name: str) -> str | None:
    """Why the custom attribute protects the VM: any value but "no" and the like does.

    Raises PlatformError if the VM has attributes whose names could not be read.
    """
    for attribute, value in vm.metadata.get("custom_attributes", {}).items():
        if folded(attribute) == folded(attribute_name) and not disables_protection(value):
            return f"has the custom attribute {attribute!r} = {value!r}"
    if vm.metadata.get("nameless_attributes"):
        raise PlatformError(
            f"the vCenter does not return the names of the custom attributes of {vm}"
        )
    return None
