"""Base class of the objects that a host's configManager refers to."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, TypeVar

from pyVmomi import vim

from chaosvm.lab.simulation import Host
from chaosvm.lab.vcenter.managed_object import ManagedObject, SoapFault

__all__ = ["HostPart", "find", "object_key"]

Value = TypeVar("Value")


class HostPart(ManagedObject):
    """The object of one property of the configManager, for one host.

    Its type is the property's. What it does not model has the default of its type. What
    clients change is kept in ``settings``, which outlive it.
    """

    def __init__(
        self, name: str, number: int, host: Host, settings: MutableMapping[str, Any]
    ) -> None:
        super().__init__(f"{name}-{number}")
        self.kind = vim.host.ConfigManager._GetPropertyInfo(name).type  # type: ignore[misc]
        self.number = number
        self.host = host
        self.settings = settings

    def setting(self, name: str, default: Callable[[], Value]) -> Value:
        """What is kept under this name, the default at first."""
        if name not in self.settings:
            self.settings[name] = default()
        kept: Value = self.settings[name]
        return kept


def find(values: MutableMapping[str, Value], key: str, what: str) -> Value:
    """Raises SoapFault if there is none."""
    if key not in values:
        raise SoapFault(vim.fault.NotFound(), f"The {what} {key} could not be found.")
    return values[key]


def object_key(kind: Any, name: str) -> str:
    """The key of a host's device or port group, which says its type."""
    return f"key-{kind.__name__}-{name}"
