"""Writes inventories to JSON or CSV files, atomically."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from chaosvm.dora.inventory import EnvironmentInventory
from chaosvm.settings import output_file, write_atomically

__all__ = ["Format", "output_file", "write"]

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
# A spreadsheet takes a cell with one of these prefixes for a formula.
_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


def write(inventories: Sequence[EnvironmentInventory], path: Path, file_format: Format) -> None:
    """Write a file; an existing one is replaced only when the new one is complete."""
    text = _as_csv(inventories) if file_format is Format.CSV else _as_json(inventories)
    write_atomically(path, text)


def _as_json(inventories: Sequence[EnvironmentInventory]) -> str:
    content = {"environments": [inventory.to_json() for inventory in inventories]}
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _as_csv(inventories: Sequence[EnvironmentInventory]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for inventory in inventories:
        for vm in inventory.vms:
            row = {**vm.metadata, **vm.to_json(), "group": inventory.environment.group}
            writer.writerow({column: _cell(row.get(column)) for column in _COLUMNS})
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA_PREFIXES):
        return f"'{value}"
    return value
