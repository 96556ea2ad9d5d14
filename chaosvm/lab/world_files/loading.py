"""Loads a world from a name, a file or parsed data."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from chaosvm.errors import InvalidValue
from chaosvm.lab.fault_rules import Rule
from chaosvm.lab.simulation import World
from chaosvm.lab.world_files import exported_inventory as estate
from chaosvm.lab.world_files.world_parser import build_world
from chaosvm.runtime.documents import (
    UnusableFile,
    parse_json,
    parse_yaml,
    read_text,
    refuse_unbounded,
)
from chaosvm.settings import values

__all__ = ["Described", "Source", "load", "ready_made"]

_READY_MADE = resources.files("chaosvm.lab.world_files") / "ready_made"
# To YAML, the braces of a range begin a mapping where a value begins, and between brackets.
_UNQUOTED_RANGE = re.compile(r"""([\[{,][^\[{,"'\n]*|:\s*)\{\d+\.\.\d+\}""")
_RANGE_AS_KEY = re.compile(r"'\d+\.\.\d+'")
_QUOTE_IT = '. A range needs quotes there, as in "web-{01..03}"'


@dataclass(frozen=True, slots=True)
class Described:
    """A world with its fault rules and title."""

    world: World
    rules: tuple[Rule, ...] = ()
    title: str = ""


Source = str | Path | Mapping[str, Any] | Sequence[Any] | Described


def ready_made() -> list[str]:
    """The names of the worlds that ship with the package."""
    files = (Path(file.name) for file in _READY_MADE.iterdir())
    return sorted(file.stem for file in files if file.suffix == ".yaml")


def load(source: Source) -> Described:
    """A new world from a source.

    source: the name of a ready-made world (``ready_made()``), the path of a JSON,
    YAML or CSV file, or the parsed content of one. The content is a world as
    docs/lab.md describes it, or an inventory: the output of ``chaos discover`` or
    Dora's export_inventory, a result of ``list_vms``, or a journal that contains one.

    Raises InvalidValue, which names the file, the place in it and the value.
    """
    if isinstance(source, Described):
        return source
    if not isinstance(source, str | Path):
        refuse_unbounded("the world", source)
        return _described("the world", source)
    name, data = _read(source)
    try:
        return _described(name, data)
    except InvalidValue as error:
        hint = _QUOTE_IT if _RANGE_AS_KEY.search(str(error)) else ""
        raise InvalidValue(f"{name}: {error}{hint}") from None


def _described(name: str, data: Any) -> Described:
    records = estate.read_inventory(data)
    if records is None:
        return Described(*build_world(data))
    return Described(estate.build_world(records), (), f"a copy of the inventory in {name}")


def _read(source: str | Path) -> tuple[str, Any]:
    """The name of the source for error messages, and its parsed content."""
    if isinstance(source, str) and source in ready_made():
        return source, yaml.safe_load((_READY_MADE / f"{source}.yaml").read_text(encoding="utf-8"))
    path = values.path("the world", source, "the path of a file, or the name of one that ships")
    if not os.path.lexists(path):
        known = ready_made()
        hint = values.suggestion(str(source), known)
        raise InvalidValue(
            f"the world {values.shown(str(source))} does not exist: it is neither "
            f"a file nor one of {', '.join(known)}{hint}"
        )
    try:
        text = read_text(path)
    except UnusableFile as error:
        raise InvalidValue(f"the world {str(source)!r} cannot be read: {error}") from None
    return str(source), _parsed(str(source), path.suffix.lower(), text)


def _parsed(name: str, suffix: str, text: str) -> Any:
    try:
        if suffix == ".csv":
            return estate.read_csv_rows(csv.DictReader(io.StringIO(text), strict=True))
        # The YAML parser also reads JSON, but takes a hundred times as long.
        if suffix == ".json" or text.lstrip()[:1] in ("{", "["):
            return parse_json(text)
        return parse_yaml(text)
    except (ValueError, csv.Error) as error:
        kind = suffix.removeprefix(".").upper() or "YAML"
        hint = _QUOTE_IT if _UNQUOTED_RANGE.search(text) else ""
        raise InvalidValue(f"{name}: cannot be read as {kind}: {error}{hint}") from None
