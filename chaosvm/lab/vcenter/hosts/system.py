"""Base class of the objects that a host's configManager refers to."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Host
from chaosvm.lab.vcenter.managed_object import ManagedObject

__all__ = ["HostPart", "object_key"]


class HostPart(ManagedObject):
    """The object of one property of the configManager, for one host.

    Its type is the property's. What it does not model has the default of its type.
    """

    def __init__(self, name: str, number: int, host: Host) -> None:
        super().__init__(f"{name}-{number}")
        self.kind = vim.host.ConfigManager._GetPropertyInfo(name).type  # type: ignore[misc]
        self.number = number
        self.host = host


def object_key(kind: Any, name: str) -> str:
    """The key of a host's device or port group, which says its type."""
    return f"key-{kind.__name__}-{name}"
