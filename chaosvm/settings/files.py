"""Paths of files to read and write, and atomic writes."""

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

__all__ = ["is_rehearsal_path", "output_file", "rehearsal_path", "write_atomically"]

_REHEARSAL = ".rehearsal"


def output_file(key: str, value: Any) -> Path:
    """The path of a file to write, in a folder that exists."""
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
    """The path itself or, in a rehearsal, ``NAME.rehearsal`` in the same folder.

    So a rehearsal never overwrites the files of a real run.
    """
    if not rehearsal.is_on() or not path.name:
        return path
    return path.with_stem(f"{path.stem}{_REHEARSAL}")


def is_rehearsal_path(path: Path) -> bool:
    """True for the path of a file that a rehearsal has written."""
    return path.stem.endswith(_REHEARSAL)


def write_atomically(path: Path, text: str | bytes) -> None:
    """Write to a temporary file in the same folder, which then replaces this one.

    An existing file keeps its mode.
    """
    # An unpaired surrogate, which only JSON can hold, is escaped as in JSON.
    content = text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")
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
    """The mode for a file to write; raises UnusableFile unless it is a regular file or new."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return PRIVATE
    refuse_irregular(status)
    return stat.S_IMODE(status.st_mode) & 0o777
