"""Values that are the same for all VMs, and complex ones that differ only in details.

pyvmomi serializes one value with markers in place of the details. The result is a
template, which later values only fill in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.serialization import element_writer, escape_text, format_datetime

__all__ = ["Constant", "Details", "Leaf", "Overridable", "TemplatedValue"]

Leaf = Callable[[Inventory, Machine], Any]
# Values that select the template, which must be hashable, and values to fill in.
Details = tuple[tuple[Any, ...], tuple[Any, ...]]


_MAX_TEMPLATES = 1000


class Constant:
    """A leaf that has the same value for all VMs."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, inventory: Inventory, vm: Machine) -> Any:
        return self.value


class TemplatedValue:
    """A leaf: ``details`` reads the details of a VM, from which ``build`` builds the value."""

    def __init__(
        self,
        build: Callable[..., Any],
        details: Callable[[Inventory, Machine], Details | None],
    ) -> None:
        self._build = build
        self._details = details
        self._templates: dict[tuple[Any, ...], str] = {}

    def __call__(self, inventory: Inventory, vm: Machine) -> Any:
        details = self._details(inventory, vm)
        return None if details is None else self._build(*details[0], *details[1])

    def text(
        self,
        inventory: Inventory,
        vm: Machine,
        tag: str,
        version: str,
        declared: Any,
        with_type: bool,
    ) -> str:
        """The value as an XML element, with or without its type; empty if unset."""
        details = self._details(inventory, vm)
        if details is None:
            return ""
        fixed, variable = details
        key = (tag, version, declared, with_type, fixed, len(variable))
        template = self._templates.get(key)
        if template is None:
            if len(self._templates) >= _MAX_TEMPLATES:
                self._templates.clear()
            markers = [_marker(number, type(value)) for number, value in enumerate(variable)]
            write = element_writer(tag, declared, version, with_type)
            template = self._templates[key] = _to_format_string(
                write(self._build(*fixed, *markers)), markers
            )
        return template.format(*map(_text, variable))


class Overridable(TemplatedValue):
    """A leaf with its usual value, except for VMs for which ``override`` returns another."""

    def __init__(
        self, usual: TemplatedValue, override: Callable[[Inventory, Machine], Any]
    ) -> None:
        super().__init__(usual._build, usual._details)
        self._override = override

    @classmethod
    def of_constant(cls, value: Any, override: Callable[[Inventory, Machine], Any]) -> Overridable:
        return cls(TemplatedValue(lambda: value, lambda inventory, vm: ((), ())), override)

    def __call__(self, inventory: Inventory, vm: Machine) -> Any:
        own = self._override(inventory, vm) if vm.platform_data else None
        return super().__call__(inventory, vm) if own is None else own

    def text(
        self,
        inventory: Inventory,
        vm: Machine,
        tag: str,
        version: str,
        declared: Any,
        with_type: bool,
    ) -> str:
        own = self._override(inventory, vm) if vm.platform_data else None
        if own is None:
            return super().text(inventory, vm, tag, version, declared, with_type)
        return element_writer(tag, declared, version, with_type)(own)


def _to_format_string(text: str, markers: Sequence[Any]) -> str:
    """Convert text with markers to a template for str.format."""
    text = text.replace("{", "{{").replace("}", "}}")
    for number, marker in enumerate(markers):
        text = text.replace(_text(marker), f"{{{number}}}")
    return text


def _marker(number: int, kind: type) -> Any:
    """A value of this type that occurs nowhere else."""
    if issubclass(kind, dt.datetime):
        return dt.datetime(1900 + number, 1, 1, tzinfo=dt.UTC)
    return f"\ue000{number}\ue001"


def _text(value: Any) -> str:
    return format_datetime(value) if isinstance(value, dt.datetime) else escape_text(value)
