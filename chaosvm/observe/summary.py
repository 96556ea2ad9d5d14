"""A table of what a run did to each VM, from its journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["journal_activities", "journal_outcomes", "outcome_table", "outcomes_in"]

_MAX_ROWS = 20
_HEADINGS = ("platform", "action", "VM", "before", "after", "how", "seconds", "")
_MAX_NOTE = 120
_RESTORE = "restore"  # most runs restore twice, as a rollback and as the undo


def journal_activities(journal: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Those of the hypothesis before, the method, the hypothesis after, and the rollbacks."""
    states = journal.get("steady_states") or {}
    yield from (states.get("before") or {}).get("probes") or ()
    yield from journal.get("run") or ()
    yield from (states.get("after") or {}).get("probes") or ()
    yield from journal.get("rollbacks") or ()


def journal_outcomes(journal: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The outcomes of all actions, and of the undo at the end."""
    undo = journal.get("chaosvm_undo")
    for activity in journal_activities(journal):
        output = activity.get("output")
        if activity["activity"]["type"] == "action" and output != undo:
            yield from outcomes_in(output)
    yield from outcomes_in(undo)


def outcome_table(outcomes: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each VM that was changed, or that an action failed for, below a heading.

    At most 20 of them, failures first; the last lines count the others.
    """
    notable = list(filter(_is_notable, outcomes))
    shown = sorted(notable, key=lambda each: not each.get("error"))[:_MAX_ROWS]
    shown = [each for each in notable if any(each is other for other in shown)]
    rows = [_HEADINGS, *map(_row, shown)] if shown else []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if more := len(notable) - len(shown):
        lines.append(f"and {more} more, which are in the journal")
    unchanged = (each for each in outcomes if not _is_notable(each))
    if same := sum(each["operation"] != _RESTORE for each in unchanged):
        lines.append(f"{same} not changed")
    return lines


def outcomes_in(output: Any) -> Iterator[Mapping[str, Any]]:
    """The outcomes in the output of an action on one VM, or on several."""
    if not isinstance(output, Mapping):
        return
    outcomes = output.get("outcomes")
    for each in outcomes if isinstance(outcomes, list | tuple) else [output]:
        if isinstance(each, Mapping) and {"platform", "operation", "how", "changed"} <= each.keys():
            yield each


def _is_notable(outcome: Mapping[str, Any]) -> bool:
    return bool(outcome["changed"] or outcome.get("error") or _note(outcome))


def _row(outcome: Mapping[str, Any]) -> tuple[str, ...]:
    keys = ("platform", "operation", "name", "before", "after", "how")
    cells = (*(str(outcome.get(key)) for key in keys), f"{outcome.get('seconds', 0):.2f}")
    return (*map(_printable, cells), _printable(_note(outcome)))


def _note(outcome: Mapping[str, Any]) -> str:
    """What the other columns do not show."""
    if error := outcome.get("error"):
        text = str(error)
        return f"failed: {text[:_MAX_NOTE]}{'...' if len(text) > _MAX_NOTE else ''}"
    detail = str(outcome.get("detail") or "")
    return detail if detail.startswith("dry run") else str(outcome.get("verified") or "")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
