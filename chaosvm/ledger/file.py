"""The ledger's file: lines of JSON, appended atomically by the one process that holds its lock."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosvm.errors import LedgerError

__all__ = ["VERSION", "LedgerFile", "close_all", "open_shared", "sync_folder"]

VERSION = 1
# How a line of kind "run" starts; a torn one may be shorter.
_RUN_PREFIX = b'{"kind": "run"'
# Real lines are below 10 kB; without a limit, one line could fill the memory.
_MAX_LINE_BYTES = 2**20
# Around a line. Zeros appear where a machine died before the text was on disk.
_PADDING = b"\0 \r\t\n"
# Names and states of VMs are private to the user.
_MODE = 0o600


class LedgerFile:
    """Appends groups of lines, all or nothing, and reads them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    # Writing -----------------------------------------------------------------------------

    def open(self, must_exist: bool = False) -> None:
        """Open and lock it to append; raises LedgerError if it is in use or not a ledger.

        With ``must_exist``, for recovery, a read-only file is accepted.
        """
        descriptor = self._open_descriptor(must_exist)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise LedgerError(f"the ledger {self.path} is not a regular file")
            self._lock_file(descriptor)
            for _ in self.lines():  # raises if the content is not a ledger
                pass
            if os.fstat(descriptor).st_size == 0:
                sync_folder(self.path.parent)
        except OSError as error:
            os.close(descriptor)
            raise self._io_error("opened", error) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _open_descriptor(self, must_exist: bool) -> int:
        flags = os.O_RDWR | os.O_APPEND
        try:
            return os.open(self.path, flags) if must_exist else self._open_or_create(flags)
        except ValueError as error:
            raise LedgerError(f"the ledger {str(self.path)!r} cannot be opened: {error}") from None
        except OSError as error:
            if not must_exist or error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise self._io_error("opened", error) from None
        try:
            return os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise self._io_error("opened", error) from None

    def _open_or_create(self, flags: int) -> int:
        """An existing file keeps its mode; a new one gets ours, regardless of the umask."""
        try:
            return os.open(self.path, flags)
        except FileNotFoundError:
            descriptor = os.open(self.path, flags | os.O_CREAT, _MODE)
        if os.fstat(descriptor).st_size == 0:
            os.fchmod(descriptor, _MODE)
        return descriptor

    def append(self, lines: Sequence[Mapping[str, Any]], sync: bool) -> None:
        """Append all of them or, with LedgerError, none; ``sync`` waits until they are on disk."""
        text = b"".join(_encode(line) for line in lines)
        with self._lock:
            descriptor = self._descriptor
            if descriptor is None:
                raise LedgerError(f"the ledger {self.path} is not open")
            file_stat = os.fstat(descriptor)
            if file_stat.st_nlink == 0:
                raise LedgerError(f"the ledger {self.path} was deleted")
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                raise LedgerError(f"the ledger {self.path} is read-only")
            try:
                _write_all(descriptor, _end_of_torn_line(descriptor, file_stat.st_size) + text)
                if sync:
                    os.fsync(descriptor)
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, file_stat.st_size)
                raise self._io_error("written", error) from None

    def _lock_file(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise self._io_error("locked", error) from None
            raise LedgerError(
                f"the ledger {self.path} is in use by another run{self._owner_text()}: wait for "
                "its end, or set chaosvm_ledger to another file; nothing was touched"
            ) from None

    def _owner_text(self) -> str:
        with contextlib.suppress(LedgerError):
            runs = [line for _, line in self.lines() if line["kind"] == "run"]
            if runs:
                return f" (process {runs[-1].get('pid')} on {runs[-1].get('host')})"
        return ""

    def close(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None

    # Reading -----------------------------------------------------------------------------

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each line with its number.

        A line that was torn because its writer died is skipped: nothing was sent before it was
        complete. It is the last line, or a line of kind "run" follows.
        """
        torn_line: int | None = None
        first, number, text = True, 0, b""
        for number, text in self._raw_lines():
            line = _decode(text)
            if first or torn_line is not None:
                begins_run = line is not None and line["kind"] == "run"
                if not begins_run and not _RUN_PREFIX.startswith(text[: len(_RUN_PREFIX)]):
                    raise self._damaged(torn_line or number)
            first = False
            torn_line = number if line is None else None
            if line is None:
                if not _is_torn(text):
                    raise self._damaged(number)
                continue
            if line["kind"] == "run":
                self._check_version(number, line)
            yield number, line
        if torn_line is not None and text.endswith(b"\n"):
            raise self._damaged(number)

    def _raw_lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, with their numbers."""
        try:
            if not self.path.is_file():  # reading a pipe, for example, might never end
                raise LedgerError(f"{self.path} is not a ledger: it is not a file")
            with self.path.open("rb") as file:
                number = 0
                while text := file.readline(_MAX_LINE_BYTES + 1):
                    number += 1
                    if len(text) > _MAX_LINE_BYTES:
                        raise self._damaged(number)
                    if stripped := text.strip(_PADDING):
                        yield number, stripped + text[len(text.rstrip(b"\n")) :]
        except (OSError, ValueError) as error:
            raise LedgerError(f"the ledger {self.path} cannot be read: {error}") from None

    def _damaged(self, number: int) -> LedgerError:
        return LedgerError(f"{self.path}, line {number}, is not a line of a ledger")

    def _check_version(self, number: int, line: Mapping[str, Any]) -> None:
        if line.get("version") != VERSION:
            raise LedgerError(
                f"{self.path}, line {number}, is of ledger version {line.get('version')!r}, "
                f"and this chaosvm reads version {VERSION}: use the chaosvm that wrote it, or "
                "set chaosvm_ledger to another file; nothing was touched"
            )

    def _io_error(self, what: str, error: OSError) -> LedgerError:
        return LedgerError(
            f"the ledger {self.path} cannot be {what} ({error.strerror or error}); without it "
            "nothing is changed. Set chaosvm_ledger to use another file"
        )


def sync_folder(folder: Path) -> None:
    """Otherwise the name of something new in it might be lost if the machine dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _encode(line: Mapping[str, Any]) -> bytes:
    """Not escaped, so that people can read names in any language."""
    try:
        return f"{json.dumps(line, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:  # a lone surrogate, which a name may contain
        return f"{json.dumps(line)}\n".encode()


def _decode(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and isinstance(line.get("kind"), str) else None


def _is_torn(text: bytes) -> bool:
    """True if it is the beginning of a valid line; False if it was altered."""
    begun = text.rstrip(_PADDING).decode(errors="replace")
    if begun.endswith("}"):
        return False
    try:
        json.loads(begun)
    except json.JSONDecodeError as error:
        rest = begun[error.pos :].strip()
        words = any(word.startswith(rest) for word in ("true", "false", "null"))
        return words or error.msg.startswith(("Unterminated string", "Invalid \\u"))
    except RecursionError:
        pass
    return False


def _end_of_torn_line(descriptor: int, size: int) -> bytes:
    """A newline if the file ends in a torn line, so that the next one starts on its own."""
    torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
    return b"\n" if torn else b""


def _write_all(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]


# Each file is opened once per process: a second descriptor would not get the lock.
_files: dict[Path, LedgerFile] = {}
_files_lock = threading.Lock()


def open_shared(path: Path, must_exist: bool = False) -> LedgerFile:
    """The file, open to append until ``close_all``; shared by the whole process."""
    with _files_lock:
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise LedgerError(f"the ledger {str(path)!r} cannot be opened: {error}") from None
        if real not in _files:
            file = LedgerFile(path)
            file.open(must_exist)
            _files[real] = file
        return _files[real]


def close_all() -> None:
    """Close the files, which releases their locks."""
    with _files_lock:
        for file in _files.values():
            file.close()
        _files.clear()
