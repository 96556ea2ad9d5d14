"""Files that people name, and the JSON or YAML in them: bounded, whatever they hold."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from chaosvm.errors import InvalidValue

__all__ = [
    "PRIVATE",
    "UnusableFile",
    "open_regular",
    "parse_json",
    "parse_yaml",
    "read_text",
    "refuse_irregular",
    "refuse_unbounded",
]

# For whatever is made here: inventories, plans and ledgers tell what an estate is like.
PRIVATE = 0o600
_MOST_BYTES = 16 * 1024 * 1024
# What a person writes, or a program for them, is far below both.
_MOST_LEVELS = 50
MOST_ITEMS = 3_000_000
# What PyYAML raises for a text that is no YAML, or has values that are none of their tag.
_NOT_YAML = (
    yaml.YAMLError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class UnusableFile(ValueError):
    """Why a file is not read, or not written: for a message that names it."""


def open_regular(path: Path, flags: int) -> int:
    """A descriptor of a regular file; one that ``flags`` create is private.

    Nothing else is even opened: a device may act on that, and a pipe wait for
    ever. Raises UnusableFile, and OSError as os.open does.
    """
    new = not os.path.lexists(path)
    if not new:
        refuse_irregular(path.stat())
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE)
    try:
        # What was looked at before may have been replaced since.
        refuse_irregular(os.fstat(descriptor))
        if new:
            os.fchmod(descriptor, PRIVATE)  # whatever the umask is
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_text(path: Path) -> str:
    """All of a regular file of UTF-8, of 16 MB at most; raises UnusableFile."""
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except UnusableFile:
        raise
    except (OSError, ValueError) as error:
        raise UnusableFile(getattr(error, "strerror", None) or str(error)) from None
    if len(content) > _MOST_BYTES:
        raise UnusableFile(f"it is larger than {_MOST_BYTES // 1024 // 1024} MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnusableFile("it is not UTF-8") from None


def parse_json(text: str | bytes) -> Any:
    """What a text of JSON holds; raises ValueError, also where it is nested too deeply.

    NaN and Infinity, which are no JSON, are None: they would spoil whatever they are
    written to.
    """
    commas = text.count(",") if isinstance(text, str) else text.count(b",")
    if commas > MOST_ITEMS:  # before they take up memory
        raise InvalidValue(f"it holds more than {MOST_ITEMS:,} items")
    try:
        told = json.loads(text, parse_constant=lambda constant: None)
    except RecursionError:
        raise InvalidValue("it is nested too deeply") from None
    refuse_unbounded("it", told)
    return told


def parse_yaml(text: str) -> Any:
    """What a text of YAML holds; raises ValueError as :func:`parse_json` does."""
    try:
        told = yaml.safe_load(text)
    except _NOT_YAML as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"line {mark.line + 1}" if mark else "no YAML") from None
    refuse_unbounded("it", told)
    return told


def refuse_irregular(found: os.stat_result) -> None:
    """Raises UnusableFile for what is not a regular file."""
    if stat.S_ISDIR(found.st_mode):
        raise UnusableFile("it is a directory")
    if stat.S_ISLNK(found.st_mode):
        raise UnusableFile("it is a symbolic link")
    if not stat.S_ISREG(found.st_mode):
        raise UnusableFile("it is not a regular file")


def refuse_unbounded(key: str, value: Any) -> None:
    """Raises InvalidValue for what is nested too deeply, or too large when written out.

    What is in it several times is counted as often, as it would be written: some
    lines of YAML can stand for billions of items.
    """
    level: dict[int, tuple[Any, int]] = {id(value): (value, 1)}
    size = 0
    for _ in range(_MOST_LEVELS):
        below: dict[int, tuple[Any, int]] = {}
        for each, times in level.values():
            held = _held(each)
            size += times * len(held)
            for item in held:
                if isinstance(item, Mapping | list | tuple):
                    seen = below.get(id(item), (item, 0))[1]
                    below[id(item)] = (item, seen + times)
        if size > MOST_ITEMS:
            raise InvalidValue(f"{key} holds more than {MOST_ITEMS:,} items")
        if not below:
            return
        level = below
    raise InvalidValue(f"{key} is nested more than {_MOST_LEVELS} levels deep")


def _held(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []
