"""Writes inventories to files, atomically: as data (JSON, CSV) or as a report to read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from chaosvm.dora.inventory import EnvironmentInventory
from chaosvm.settings import output_file, values, write_atomically

__all__ = ["Export", "Format", "choose_format", "output_file", "write"]

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
    MARKDOWN = "md"
    HTML = "html"


_SUFFIXES = {
    **{f".{each}": each for each in Format},
    ".markdown": Format.MARKDOWN,
    ".htm": Format.HTML,
}


@dataclass(frozen=True, slots=True)
class Export:
    """Inventories, and where and when they were read."""

    inventories: Sequence[EnvironmentInventory]
    server: str
    read: datetime


def choose_format(given: Any, path: Path) -> Format:
    """The given format, else that of the file's suffix; JSON for any other suffix."""
    if given is None:
        return _SUFFIXES.get(path.suffix.lower(), Format.JSON)
    return values.choice("format", given, Format)


def write(export: Export, path: Path, file_format: Format) -> None:
    """Write a file; an existing one is replaced only when the new one is complete."""
    write_atomically(path, _RENDERERS[file_format](export))


def _as_json(export: Export) -> str:
    content = {"environments": [inventory.to_json() for inventory in export.inventories]}
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _as_csv(export: Export) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for inventory in export.inventories:
        for vm in inventory.vms:
            row = {**vm.metadata, **vm.to_json(), "group": inventory.environment.group}
            writer.writerow({column: _cell(row.get(column)) for column in _COLUMNS})
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA_PREFIXES):
        return f"'{value}"
    return value


def _as_markdown(export: Export) -> str:
    # Imported here: discovery needs no reports.
    from chaosvm.dora import report

    return report.to_markdown(
        report.InventoryReport(export.inventories, export.server, export.read)
    )


def _as_html(export: Export) -> str:
    from chaosvm.dora import report

    return report.to_html(report.InventoryReport(export.inventories, export.server, export.read))


_RENDERERS: Mapping[Format, Callable[[Export], str]] = {
    Format.JSON: _as_json,
    Format.CSV: _as_csv,
    Format.MARKDOWN: _as_markdown,
    Format.HTML: _as_html,
}
