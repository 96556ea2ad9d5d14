"""Reads the files that users name, and the JSON or YAML in them, with limits on their size."""

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
    "in_quotes",
    "open_regular",
    "parse_json",
    "parse_yaml",
    "read_bytes",
    "read_text",
    "refuse_irregular",
    "refuse_unbounded",
]

# The mode of new files: inventories, plans and ledgers describe an estate.
PRIVATE = 0o600
_MAX_BYTES = 16 * 1024 * 1024
# Far above what people write, or programs for them.
_MAX_DEPTH = 50
MAX_ITEMS = 3_000_000
# What PyYAML raises for text that is not YAML, or for a value that does not fit its tag.
_YAML_ERRORS = (
    yaml.YAMLError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class UnusableFile(ValueError):
    """Why a file is not read or written; the caller adds the file's name."""


def in_quotes(text: str) -> bool:
    """True if the text begins and ends with a quote.

    Chaos Toolkit does not remove the quotes around a value in a ``.env`` file.
    """
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\""


def open_regular(path: Path, flags: int) -> int:
    """Return a descriptor of a regular file; a file that this creates is private.

    Nothing else is even opened: opening a device may have an effect, and opening a
    pipe may block. Raises UnusableFile, and OSError as os.open does.
    """
    new = not os.path.lexists(path)
    if not new:
        refuse_irregular(path.stat())
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE)
    try:
        # The file may have been replaced since it was checked.
        refuse_irregular(os.fstat(descriptor))
        if new:
            os.fchmod(descriptor, PRIVATE)  # whatever the umask is
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_bytes(path: Path) -> bytes:
    """Return the content of a regular file of at most 16 MB; raises UnusableFile."""
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except UnusableFile:
        raise
    except (OSError, ValueError) as error:
        raise UnusableFile(getattr(error, "strerror", None) or str(error)) from None
    if len(content) > _MAX_BYTES:
        raise UnusableFile(f"it is larger than {_MAX_BYTES // 1024 // 1024} MB")
    return content


def read_text(path: Path) -> str:
    """Return the text of such a file in UTF-8."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnusableFile("it is not UTF-8") from None


def parse_json(text: str | bytes) -> Any:
    """Parse JSON; raises ValueError, also if it is nested too deeply or has too many items.

    NaN and Infinity become None, as they are not JSON and would make invalid every
    document they are written to.
    """
    commas = text.count(",") if isinstance(text, str) else text.count(b",")
    if commas > MAX_ITEMS:  # before they take up memory
        raise InvalidValue(f"it holds more than {MAX_ITEMS:,} items")
    try:
        document = json.loads(text, parse_constant=lambda constant: None)
    except RecursionError:
        raise InvalidValue("it is nested too deeply") from None
    _refuse_deep_json(document)
    return document


def parse_yaml(text: str) -> Any:
    """Parse YAML; raises ValueError as :func:`parse_json` does."""
    try:
        document = yaml.safe_load(text)
    except _YAML_ERRORS as error:
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"line {mark.line + 1}" if mark else "not YAML") from None
    refuse_unbounded("it", document)
    return document


def refuse_irregular(status: os.stat_result) -> None:
    """Raise UnusableFile if the status is not that of a regular file."""
    if stat.S_ISDIR(status.st_mode):
        raise UnusableFile("it is a directory")
    if stat.S_ISLNK(status.st_mode):
        raise UnusableFile("it is a symbolic link")
    if not stat.S_ISREG(status.st_mode):
        raise UnusableFile("it is not a regular file")


def refuse_unbounded(key: str, value: Any) -> None:
    """Raise InvalidValue if the value is nested too deeply, or has too many items.

    An item that is referenced several times is counted each time, as it would be
    written: a few lines of YAML can stand for billions of items.
    """
    # Each container by its identity, with the number of references to it.
    level: dict[int, tuple[Any, int]] = {id(value): (value, 1)}
    size = 0
    for _ in range(_MAX_DEPTH):
        below: dict[int, tuple[Any, int]] = {}
        for container, count in level.values():
            items = _items(container)
            size += count * len(items)
            for item in items:
                if isinstance(item, Mapping | list | tuple):
                    previous = below.get(id(item), (item, 0))[1]
                    below[id(item)] = (item, previous + count)
        if size > MAX_ITEMS:
            raise InvalidValue(f"{key} holds more than {MAX_ITEMS:,} items")
        if not below:
            return
        level = below
    raise InvalidValue(f"{key} is nested more than {_MAX_DEPTH} levels deep")


def _refuse_deep_json(document: Any) -> None:
    """As refuse_unbounded, several times faster: JSON has no references, and its size is known."""
    level = [document]
    for _ in range(_MAX_DEPTH):
        level = [
            item
            for container in level
            if isinstance(container, dict | list)
            for item in (container.values() if isinstance(container, dict) else container)
            if item.__class__ is dict or item.__class__ is list
        ]
        if not level:
            return
    raise InvalidValue(f"it is nested more than {_MAX_DEPTH} levels deep")


def _items(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []
