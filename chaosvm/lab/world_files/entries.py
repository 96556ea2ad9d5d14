"""Entries of a world file: mappings whose names may contain ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.lab.world_files.ranges import expand_entry
from chaosvm.settings import values

__all__ = ["Converters", "Entries", "read_entries"]

Converters = dict[str, Callable[[str, Any], Any]]
# Place in the file, and fields.
Entries = list[tuple[str, dict[str, Any]]]


def read_entries(place: str, item: Any, converters: Converters) -> Entries:
    """The machines or hosts of an entry, with its place in the file."""
    expanded = expand_entry(place, item) if isinstance(item, dict) else [item]
    converted = [
        values.mapping(place, entry, converters, '{"name": "web-01"}') for entry in expanded
    ]
    if "name" not in converted[0]:
        raise InvalidValue(f"{place} is {item!r}, which has no name")
    return [(place, fields) for fields in converted]
