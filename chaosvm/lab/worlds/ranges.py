"""Many of a kind in one line: "web-{01..12}" is twelve names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chaosvm.errors import InvalidValue

__all__ = ["spread", "spread_entry"]

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST = 100_000


def spread(key: str, text: str) -> list[str]:
    """The texts that a text with a range means; without one, itself."""
    found = _RANGE.search(text)
    if found is None:
        return [text]
    first, last = int(found[1]), int(found[2])
    if last < first or last - first >= _MOST:
        raise InvalidValue(
            f"{key} is {text!r}, whose range cannot be used: expected the lower number first, "
            f"and at most {_MOST} of them"
        )
    width = len(found[1])
    before, after = text[: found.start()], text[found.end() :]
    return [f"{before}{number:0{width}}{after}" for number in range(first, last + 1)]


def spread_entry(place: str, entry: Mapping[str, Any], by: str = "name") -> list[dict[str, Any]]:
    """The entries that one with a range in its name means.

    Ranges in other values of the entry go along, and have to be as long.
    """
    names = spread(f"{place}.{by}", entry[by]) if isinstance(entry.get(by), str) else [None]
    if len(names) == 1:
        return [dict(entry)]
    columns = {key: _along(f"{place}.{key}", value, len(names)) for key, value in entry.items()}
    return [{key: column[row] for key, column in columns.items()} for row in range(len(names))]


def _along(key: str, value: Any, length: int) -> list[Any]:
    if isinstance(value, list):
        columns = [_along(key, item, length) for item in value]
        return [[column[row] for column in columns] for row in range(length)]
    if not isinstance(value, str) or not _RANGE.search(value):
        return [value] * length
    texts = spread(key, value)
    if len(texts) != length:
        raise InvalidValue(
            f"{key} is {value!r}, a range of {len(texts)}, but the name has one of {length}"
        )
    return texts
