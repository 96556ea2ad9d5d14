"""Reads and writes ``timeline.json``; docs/timeline.md describes it."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.observe.timeline.model import Timeline
from chaosvm.runtime.documents import parse_json, read_text

__all__ = ["FORMAT", "VERSION", "from_json", "read_timeline", "to_json"]

FORMAT = "chaosvm-timeline"
VERSION = 1


def to_json(timeline: Timeline) -> dict[str, Any]:
    """The timeline as JSON values; fields that have their default are left out."""
    return {"format": FORMAT, "version": VERSION, **_encoded(timeline)}


def from_json(document: Any) -> Timeline:
    """The timeline in a document; raises InvalidValue if it is not one."""
    if not isinstance(document, Mapping) or document.get("format") != FORMAT:
        raise InvalidValue(f"not a timeline: expected a mapping with format {FORMAT!r}")
    if document.get("version") != VERSION:
        raise InvalidValue(
            f"the timeline has version {document.get('version')!r}, and this chaosvm reads "
            f"version {VERSION}: use the chaosvm that wrote it"
        )
    content = {key: value for key, value in document.items() if key not in ("format", "version")}
    timeline: Timeline = _decoded(Timeline, content, "timeline")
    return timeline


def read_timeline(path: Path) -> Timeline:
    """The timeline in a file; raises InvalidValue if it holds none."""
    try:
        return from_json(parse_json(read_text(path)))
    except (OSError, ValueError) as error:
        raise InvalidValue(f"{path.name} cannot be read as a timeline: {error}") from None


def _encoded(value: Any) -> Any:
    if is_dataclass(value):
        pairs = ((each, getattr(value, each.name)) for each in fields(value))
        return {each.name: _encoded(item) for each, item in pairs if item != _default(each)}
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _default(each: Any) -> Any:
    return each.default_factory() if each.default_factory is not MISSING else each.default


def _decoded(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _dataclass(kind, value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        inner = next(each for each in arguments if each is not types.NoneType)
        return None if value is None else _decoded(inner, value, where)
    if origin is tuple:
        items = _expect(list, value, where)
        return tuple(_decoded(arguments[0], each, f"{where}[{n}]") for n, each in enumerate(items))
    if kind is datetime:
        return _time(value, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _choice(kind, value, where)
    if kind is float:
        return _expect((int, float), value, where)
    return _expect(dict if origin is not None else kind, value, where)


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    types_of = _hints(kind)
    items = _expect(dict, value, where)
    if unknown := items.keys() - types_of.keys():
        raise InvalidValue(f"{where} has the unknown key {min(unknown)!r}")
    required = {each.name for each in fields(kind) if _default(each) is MISSING}
    if missing := required - items.keys():
        raise InvalidValue(f"{where} lacks {min(missing)!r}")
    return kind(
        **{key: _decoded(types_of[key], item, f"{where}.{key}") for key, item in items.items()}
    )


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _expect(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InvalidValue(f"{where} is {value!r:.80}, which cannot be used")
    return value


def _choice(kind: type[StrEnum], value: Any, where: str) -> StrEnum:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(each.value for each in kind)
        raise InvalidValue(f"{where} is {value!r:.80}: expected one of {known}") from None


def _time(value: Any, where: str) -> datetime:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidValue(f"{where} is {value!r:.80}: expected an ISO time") from None
    if time.tzinfo is None:
        raise InvalidValue(f"{where} is {value!r:.80}: expected a time with its zone")
    return time
