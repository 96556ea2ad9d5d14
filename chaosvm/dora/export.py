"""Inventories as files, written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from chaosvm import rehearsal, values
from chaosvm.dora.inventory import EnvironmentInventory
from chaosvm.errors import InvalidValue

__all__ = ["Format", "file_to_write", "write"]

_COLUMNS = (
    "environment",
    "group",
    "name",
    "id",
    "power_state",
    "status",
    "datacenter",
    "cluster",
    "host",
    "path",
    "cpu_count",
    "memory_mb",
    "guest_os",
    "cpu_usage_percent",
    "memory_usage_percent",
)
# A cell that begins so is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


def file_to_write(key: str, value: Any) -> Path:
    """A path in a folder that is there; checked before anything is asked for."""
    expected = "the path of a file"
    try:
        path = Path(values.text(key, value, expected)).expanduser()
        if path.is_dir():
            raise values.invalid(key, value, f"{expected}, and this is a folder")
        if not path.parent.is_dir():
            raise values.invalid(key, value, f"{expected} in a folder that exists")
    except InvalidValue:
        raise
    except (OSError, ValueError, RuntimeError) as error:  # too long, or of an unknown ~user
        raise values.invalid(key, value, f"{expected} ({error})") from None
    # What a lab tells does not take the place of what was really there.
    return path.with_stem(f"{path.stem}.rehearsal") if rehearsal.is_on() else path


def write(inventories: Sequence[EnvironmentInventory], path: Path, form: Format) -> None:
    """Into a file beside it first, which then takes its place."""
    text = _as_csv(inventories) if form is Format.CSV else _as_json(inventories)
    # Half of a surrogate pair, which only JSON can hold, is written as JSON does.
    content = text.encode("utf-8", "backslashreplace")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            unfinished = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                unfinished.chmod(0o644)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidValue(f"{str(path)!r} cannot be written: {reason}") from None


def _as_json(inventories: Sequence[EnvironmentInventory]) -> str:
    shown = {"environments": [inventory.to_json() for inventory in inventories]}
    return json.dumps(shown, ensure_ascii=False, indent=2) + "\n"


def _as_csv(inventories: Sequence[EnvironmentInventory]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for inventory in inventories:
        for vm in inventory.vms:
            told = {**vm.metadata, **vm.to_json(), "group": inventory.environment.group}
            writer.writerow({column: _cell(told.get(column)) for column in _COLUMNS})
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
