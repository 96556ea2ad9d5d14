"""The folder of ledgers next to the journal, and the removal of those that are no longer needed."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from contextlib import suppress
from pathlib import Path

from chaosvm.errors import LedgerError
from chaosvm.ledger.file import sync_folder
from chaosvm.ledger.reading import read
from chaosvm.settings import is_rehearsal_path

__all__ = ["FOLDER", "PATTERN", "make_folder", "prune_ledgers", "unfinished_ledgers"]

logger = logging.getLogger("chaostoolkit")

FOLDER = "chaosvm-ledgers"
PATTERN = "chaosvm-ledger-*.jsonl"
_SECONDS_PER_DAY = 86_400


def make_folder(folder: Path, keep_days: float) -> None:
    """Make it, for its owner only, and remove old ledgers from it.

    If it cannot be made, opening the ledger will say why.
    """
    with suppress(OSError):
        folder.mkdir(mode=0o700)
        sync_folder(folder.parent)
    prune_ledgers(folder, keep_days)


def prune_ledgers(folder: Path, keep_days: float) -> list[Path]:
    """Remove ledgers that are older and have nothing left to restore; returns their paths.

    Kept are those in use by a run, those that cannot be read, and all of them if
    ``keep_days`` is 0.
    """
    if not keep_days:
        return []
    oldest = time.time() - keep_days * _SECONDS_PER_DAY
    removed = [path for path in sorted(folder.glob(PATTERN)) if _remove(path, oldest)]
    if removed:
        logger.info(f"removed {len(removed)} old ledger(s) with nothing to restore from {folder}")
    return removed


def unfinished_ledgers(folder: Path) -> tuple[list[Path], list[str]]:
    """The ledgers with something left to restore, the newest first, and why others are unreadable.

    Without those in use by a run, and those of rehearsals.
    """
    unfinished: list[Path] = []
    unreadable: list[str] = []
    for path in sorted(folder.glob(PATTERN), reverse=True):
        try:
            if is_rehearsal_path(path) or _is_in_use(path):
                continue
            if _has_something_to_restore(path):
                unfinished.append(path)
        except (OSError, LedgerError) as error:
            unreadable.append(str(error))
    return unfinished, unreadable


def _remove(path: Path, oldest: float) -> bool:
    try:
        if path.is_symlink() or path.stat().st_mtime > oldest or _is_in_use(path):
            return False
        if _has_something_to_restore(path):
            return False
        path.unlink()
    except (OSError, LedgerError):
        return False
    return True


def _has_something_to_restore(path: Path) -> bool:
    return any(not record.is_in_original_state for record in read(path))


def _is_in_use(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
