"""Inventories as files, written whole or not at all."""

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
# A cell that begins so is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


def write(inventories: Sequence[EnvironmentInventory], path: Path, form: Format) -> None:
    """The file is replaced only when the new one is complete."""
    text = _as_csv(inventories) if form is Format.CSV else _as_json(inventories)
    write_atomically(path, text)


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
