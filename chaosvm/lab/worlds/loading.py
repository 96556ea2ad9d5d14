"""From a name, a file or what was read from one, to a world."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from chaosvm import values
from chaosvm.documents import UnusableFile, parse_json, parse_yaml, read_text, refuse_unbounded
from chaosvm.errors import InvalidValue
from chaosvm.lab.faults import Rule
from chaosvm.lab.world import World
from chaosvm.lab.worlds import estate, written

__all__ = ["Described", "Source", "load", "ready_made"]

_SHIPPED = resources.files("chaosvm.lab.worlds") / "ready_made"


@dataclass(frozen=True, slots=True)
class Described:
    """A world, and the trouble that belongs to it."""

    world: World
    rules: tuple[Rule, ...] = ()
    title: str = ""


Source = str | Path | Mapping[str, Any] | Sequence[Any] | Described


def ready_made() -> list[str]:
    """The names of the worlds that ship."""
    files = (Path(file.name) for file in _SHIPPED.iterdir())
    return sorted(file.stem for file in files if file.suffix == ".yaml")


def load(source: Source) -> Described:
    """The world that a source describes, made anew each time.

    source: the name of a world that ships (``ready_made()``), the path of a
    JSON, YAML or CSV file, or what was read from one: a world in the form that
    docs/lab.md describes, or what ``chaos discover``, Dora's export_inventory,
    a ``list_vms`` or a journal with some of them told of an estate.

    Raises InvalidValue, which names the file, the place in it and the value.
    """
    if isinstance(source, Described):
        return source
    if not isinstance(source, str | Path):
        refuse_unbounded("the world", source)
        return _described("the world", source)
    name, told = _read(source)
    try:
        return _described(name, told)
    except InvalidValue as error:
        raise InvalidValue(f"{name}: {error}") from None


def _described(name: str, told: Any) -> Described:
    records = estate.records_in(told)
    if records is None:
        return Described(*written.world(told))
    return Described(estate.copied(records), (), f"a copy of the estate in {name}")


def _read(source: str | Path) -> tuple[str, Any]:
    """What to call it in errors, and what it holds."""
    if isinstance(source, str) and source in ready_made():
        return source, yaml.safe_load((_SHIPPED / f"{source}.yaml").read_text(encoding="utf-8"))
    path = values.path("the world", source, "the path of a file, or the name of one that ships")
    if not os.path.lexists(path):
        known = ready_made()
        hint = values.nearest(str(source), known)
        raise InvalidValue(
            f"the world {values.shown(str(source))} is no file that is there, and none of those "
            f"that ship: {', '.join(known)}{hint}"
        )
    try:
        text = read_text(path)
    except UnusableFile as error:
        raise InvalidValue(f"the world {str(source)!r} cannot be read: {error}") from None
    return str(source), _parsed(str(source), path.suffix.lower(), text)


def _parsed(name: str, suffix: str, text: str) -> Any:
    try:
        if suffix == ".csv":
            return estate.table(csv.DictReader(io.StringIO(text), strict=True))
        # JSON is read by itself: YAML takes a hundred times as long.
        if suffix == ".json" or text.lstrip()[:1] in ("{", "["):
            return parse_json(text)
        return parse_yaml(text)
    except (ValueError, csv.Error) as error:
        kind = suffix.removeprefix(".").upper() or "YAML"
        raise InvalidValue(f"{name}: cannot be read as {kind}: {error}") from None
