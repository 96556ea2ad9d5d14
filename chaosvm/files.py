"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from chaosvm import rehearsal, values
from chaosvm.errors import InvalidValue

__all__ = ["at_hand", "file_to_write", "write_whole"]


def file_to_write(key: str, value: Any) -> Path:
    """A path in a folder that is there; checked before anything is asked for."""
    expected = "the path of a file"
    try:
        path = Path(values.text(key, value, expected)).expanduser()
        if path.is_dir():
            raise values.invalid(key, value, f"{expected}, and this is a folder")
        if not path.parent.is_dir():
            raise values.invalid(key, value, f"{expected} in a folder that exists")
    except InvalidValue:
        raise
    except (OSError, ValueError, RuntimeError) as error:  # too long, or of an unknown ~user
        raise values.invalid(key, value, f"{expected} ({error})") from None
    return at_hand(path)


def at_hand(path: Path) -> Path:
    """The file itself or, in a rehearsal, one beside it.

    What a lab tells does not take the place of what was really there.
    """
    return path.with_stem(f"{path.stem}.rehearsal") if rehearsal.is_on() else path


def write_whole(path: Path, text: str) -> None:
    """Into a file beside it first, which then takes its place."""
    # Half of a surrogate pair, which only JSON can hold, is written as JSON does.
    content = text.encode("utf-8", "backslashreplace")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            unfinished = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                unfinished.chmod(0o644)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidValue(f"{str(path)!r} cannot be written: {reason}") from None
