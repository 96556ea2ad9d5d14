"""Reads the history in a ledger."""

from __future__ import annotations

from pathlib import Path

from chaosvm.errors import LedgerError
from chaosvm.ledger.file import LedgerFile
from chaosvm.ledger.history import History

__all__ = ["boot_id", "read"]


def read(path: Path) -> History:
    """The history in a ledger; raises LedgerError if the file is not a ledger."""
    history = History(boot_id())
    for number, line in LedgerFile(path).lines():
        try:
            if line["kind"] == "intent" and line["run"] not in history.runs:
                raise ValueError(f"run {line['run']!r} does not begin before it")
            history.add(line)
        except (KeyError, ValueError, TypeError) as error:
            raise LedgerError(
                f"{path}, line {number}, is not a line of a ledger: {error}"
            ) from None
    return history


def boot_id() -> str | None:
    """The current boot of this machine, if that is known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None  # not Linux
