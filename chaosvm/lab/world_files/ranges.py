"""Ranges in names: "web-{01..12}" is twelve names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chaosvm.errors import InvalidValue

__all__ = ["expand_entry"]

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MAX_LENGTH = 100_000


def _expand_range(key: str, text: str) -> list[str]:
    """Expand the range in a string; without a range, the string itself."""
    match = _RANGE.search(text)
    if match is None:
        return [text]
    first, last = int(match[1]), int(match[2])
    if last < first or last - first >= _MAX_LENGTH:
        raise InvalidValue(
            f"{key} is {text!r}, whose range is invalid: expected the lower number first, "
            f"and at most {_MAX_LENGTH} numbers"
        )
    width = len(match[1])
    before, after = text[: match.start()], text[match.end() :]
    return [f"{before}{number:0{width}}{after}" for number in range(first, last + 1)]


def expand_entry(place: str, entry: Mapping[str, Any], by: str = "name") -> list[dict[str, Any]]:
    """Expand an entry with a range in its name.

    Ranges in other values are expanded in parallel and must have the same length.
    """
    name = entry.get(by)
    if not isinstance(name, str) or not _RANGE.search(name):
        return [dict(entry)]
    names = _expand_range(f"{place}.{by}", name)
    columns = {
        key: _expand_value(f"{place}.{key}", value, len(names)) for key, value in entry.items()
    }
    return [{key: column[row] for key, column in columns.items()} for row in range(len(names))]


def _expand_value(key: str, value: Any, length: int) -> list[Any]:
    if isinstance(value, list):
        columns = [_expand_value(key, item, length) for item in value]
        return [[column[row] for column in columns] for row in range(length)]
    if not isinstance(value, str) or not _RANGE.search(value):
        return [value] * length
    expanded = _expand_range(key, value)
    if len(expanded) != length:
        raise InvalidValue(
            f"{key} is {value!r}, a range of {len(expanded)}, but the name has one of {length}"
        )
    return expanded
