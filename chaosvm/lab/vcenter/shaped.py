"""Complex values that are much the same for all VMs.

pyvmomi writes one of each form, with marks where the details stand; after that
only the details are put in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from chaosvm.lab.vcenter.interfaces import Estate
from chaosvm.lab.vcenter.values import moment_text, plain_text, text_writer
from chaosvm.lab.world import Machine

__all__ = ["Details", "Shaped"]

# What makes the form, which has to be hashable, and what only has to be put in.
Details = tuple[tuple[Any, ...], tuple[Any, ...]]


class Shaped:
    """A leaf of a form and details that are told of a VM, of which ``make`` makes the value."""

    def __init__(
        self,
        make: Callable[..., Any],
        details: Callable[[Estate, Machine], Details | None],
    ) -> None:
        self._make = make
        self._details = details
        self._patterns: dict[tuple[Any, ...], str] = {}

    def __call__(self, estate: Estate, vm: Machine) -> Any:
        told = self._details(estate, vm)
        return None if told is None else self._make(*told[0], *told[1])

    def text(
        self, estate: Estate, vm: Machine, tag: str, version: str, declared: Any, telling: bool
    ) -> str:
        """As an element of the declared type, ``telling`` it or not; nothing if it is not set."""
        told = self._details(estate, vm)
        if told is None:
            return ""
        form, details = told
        key = (tag, version, declared, telling, form, len(details))
        pattern = self._patterns.get(key)
        if pattern is None:
            marks = [_mark(number, type(detail)) for number, detail in enumerate(details)]
            write = text_writer(tag, declared, version, telling)
            pattern = self._patterns[key] = _pattern(write(self._make(*form, *marks)), marks)
        return pattern.format(*map(_text, details))


def _pattern(text: str, marks: Sequence[Any]) -> str:
    """For str.format, from text with marks."""
    text = text.replace("{", "{{").replace("}", "}}")
    for number, mark in enumerate(marks):
        text = text.replace(_text(mark), f"{{{number}}}")
    return text


def _mark(number: int, kind: type) -> Any:
    """Something of its type that stands nowhere else."""
    if issubclass(kind, dt.datetime):
        return dt.datetime(1900 + number, 1, 1, tzinfo=dt.UTC)
    return f"\ue000{number}\ue001"


def _text(detail: Any) -> str:
    return moment_text(detail) if isinstance(detail, dt.datetime) else plain_text(detail)
