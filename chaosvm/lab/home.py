"""The folder of a running lab, and those that killed ones have left."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # there are none on Windows, and what was left stays
    fcntl = None  # type: ignore[assignment]

__all__ = ["Home"]

_PREFIX = "chaosvm-lab-"
_LOCK = "in-use"
# A folder is there for a moment before it is locked.
_SECONDS_TO_LOCK = 60.0


class Home:
    """Locked as long as its process lives, however that ends.

    The number of a process would not do: the folder for temporary files may be
    that of several containers, which number theirs each for itself.
    """

    def __init__(self) -> None:
        _clear_up()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        if fcntl is not None:
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Twice does no harm."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _clear_up() -> None:
    if fcntl is None:
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            _remove_if_left(folder)
        except OSError:  # locked, or gone by now, or not a lab's
            continue


def _remove_if_left(folder: Path) -> None:
    told = folder.lstat()
    if not stat.S_ISDIR(told.st_mode) or told.st_uid != os.getuid():
        return
    if time.time() - told.st_mtime < _SECONDS_TO_LOCK:
        return
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(lock)
