"""Writes the report of a run that is over, from its journal, its ledger, or both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chaosvm.errors import InvalidValue, MissingExtra
from chaosvm.ledger import FOLDER
from chaosvm.observe.report import file_links, write_files
from chaosvm.observe.timeline.build import build_timeline
from chaosvm.observe.timeline.ledger_lines import read_ledger
from chaosvm.runtime.documents import parse_json, read_text

__all__ = ["write_report"]


def write_report(
    journal: str | Path | None = None,
    ledger: str | Path | None = None,
    folder: str | Path | None = None,
) -> dict[str, Path]:
    """Write timeline.json, timeline.svg, timeline.png and report.html; returns their paths.

    A run that was killed has only a ledger. The files are written to ``folder``, by
    default next to the journal, or to where the journal of a ledger's run would be. Raises
    InvalidValue or LedgerError for a file that cannot be used, and MissingExtra without the
    extra ``report``.
    """
    paths = {name: Path(path) for name, path in (("Journal", journal), ("Ledger", ledger)) if path}
    if not paths:
        raise InvalidValue("neither a journal nor a ledger was given")
    target = Path(folder) if folder else _default_folder(next(iter(paths.values())))
    if not target.is_dir():
        raise InvalidValue(f"{str(target)!r} is not a folder")
    timeline = build_timeline(
        _read_journal(paths["Journal"]) if journal else None,
        read_ledger(paths["Ledger"]) if ledger else None,
        files=file_links(paths, target),
    )
    written = write_files(timeline, target)
    if written.missing:
        raise MissingExtra("; ".join(written.missing))
    return dict(written.paths)


def _default_folder(path: Path) -> Path:
    """Of a ledger in its usual folder, the folder of the journal."""
    folder = path.absolute().parent
    return folder.parent if folder.name == FOLDER else folder


def _read_journal(path: Path) -> dict[str, Any]:
    try:
        journal = parse_json(read_text(path))
    except (OSError, ValueError) as error:
        raise InvalidValue(f"the journal {path.name} cannot be read: {error}") from None
    if not isinstance(journal, dict) or not isinstance(journal.get("experiment"), dict):
        raise InvalidValue(f"{path.name} is not a journal of Chaos Toolkit")
    return journal
