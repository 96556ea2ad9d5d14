"""The run directory of a lab, and removal of stale ones."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no fcntl: stale directories are not removed there
    fcntl = None  # type: ignore[assignment]

__all__ = ["RunDirectory"]

_PREFIX = "chaosvm-lab-"
_LOCK = "in-use"
# A new directory is unlocked for a moment.
_MIN_AGE_SECONDS = 60.0


class RunDirectory:
    """Locked while its process lives, however that ends.

    A process id is not sufficient: several containers, each with its own process ids,
    may share the directory for temporary files.
    """

    def __init__(self) -> None:
        _remove_stale()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        if fcntl is not None:
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove the directory. Idempotent."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _remove_stale() -> None:
    if fcntl is None:
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            _remove_if_stale(folder)
        except OSError:  # locked, already removed, or not a lab's
            continue


def _remove_if_stale(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        return
    if time.time() - status.st_mtime < _MIN_AGE_SECONDS:
        return
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(lock)
