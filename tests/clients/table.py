"""The table of what passes in docs/clients.md, between two comments; written by `make clients`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["write"]

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
_BEGIN, _END = "<!-- what passes -->\n", "<!-- end -->"
_PASSED, _FAILED = ("passed",), ("failed", "xfailed")


def write(stats: Mapping[str, Iterable[Any]]) -> None:
    passed, all_of = _count(stats, _PASSED), _count(stats, _PASSED + _FAILED)
    simulator = _on_simulator(stats)
    rows = [
        f"| {family} | {passed[family]} of {all_of[family]} | {simulator.get(family, '')} |\n"
        for family in sorted(all_of)
    ]
    before, _, rest = _PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    head = "| client | the lab | newest simulator |\n|---|---|---|\n"
    _PAGE.write_text(f"{before}{_BEGIN}{head}{''.join(rows)}{_END}{after}", encoding="utf-8")


def _count(stats: Mapping[str, Iterable[Any]], outcomes: Iterable[str]) -> Counter[str]:
    return Counter(
        value
        for outcome in outcomes
        for report in stats.get(outcome, ())
        for key, value in report.user_properties
        if key == "family"
    )


def _on_simulator(stats: Mapping[str, Iterable[Any]]) -> dict[str, str]:
    return {
        family: text
        for report in stats.get("passed", ())
        for key, value in report.user_properties
        if key == "simulator"
        for family, text in value.items()
    }
