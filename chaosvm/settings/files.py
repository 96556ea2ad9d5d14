"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.runtime import rehearsal
from chaosvm.runtime.documents import PRIVATE, UnusableFile, refuse_irregular
from chaosvm.settings import values

__all__ = ["rehearsal_path", "output_file", "write_atomically"]


def output_file(key: str, value: Any) -> Path:
    """A path in a folder that is there; checked before anything is asked for."""
    expected = "the path of a file"
    path = rehearsal_path(values.path(key, value, expected))
    try:
        _mode_for(path)
        if not path.parent.is_dir():
            raise UnusableFile("its folder does not exist")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise values.invalid(key, value, f"{expected} ({reason})") from None
    return path


def rehearsal_path(path: Path) -> Path:
    """The file itself or, in a rehearsal, one beside it.

    What a lab tells does not take the place of what was really there.
    """
    if not rehearsal.is_on() or not path.name:
        return path
    return path.with_stem(f"{path.stem}.rehearsal")


def write_atomically(path: Path, text: str) -> None:
    """Into a file beside it first, which then takes its place, and has its mode."""
    # Half of a surrogate pair, which only JSON can hold, is written as JSON does.
    content = text.encode("utf-8", "backslashreplace")
    try:
        mode = _mode_for(path)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".")
        unfinished = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidValue(f"{str(path)!r} cannot be written: {reason}") from None


def _mode_for(path: Path) -> int:
    """The mode of what is written there; raises UnusableFile for what is not replaced."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return PRIVATE
    refuse_irregular(found)
    return stat.S_IMODE(found.st_mode) & 0o777
