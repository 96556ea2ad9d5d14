"""The ledger's file: lines of JSON, appended whole, and locked by the process that does so."""

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

__all__ = ["VERSION", "LedgerFile", "close_all", "opened"]

VERSION = 1
# How the first line begins, as far as it was written.
_BEGINNING = b'{"kind": "run"'


class LedgerFile:
    """Appends lines, all or none of a group, and reads them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    # Writing -----------------------------------------------------------------------------

    def open(self, must_exist: bool = False) -> None:
        """For appending; raises LedgerError where the file is in use, or is no ledger.

        One that ``must_exist``, as it is to be recovered from, may be read-only.
        """
        descriptor = self._opened(must_exist)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise LedgerError(f"the ledger {self.path} is not a regular file")
            self._lock_file(descriptor)
            for _ in self.lines():  # a file that is not understood is not added to
                pass
            if os.fstat(descriptor).st_size == 0:
                self._sync_folder()
        except OSError as error:
            os.close(descriptor)
            raise self._cannot("opened", error) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _opened(self, must_exist: bool) -> int:
        flags = os.O_RDWR | os.O_APPEND
        try:
            return os.open(self.path, flags if must_exist else flags | os.O_CREAT, 0o644)
        except ValueError as error:
            raise LedgerError(f"the ledger {str(self.path)!r} cannot be opened: {error}") from None
        except OSError as error:
            if not must_exist or error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise self._cannot("opened", error) from None
        try:
            return os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise self._cannot("opened", error) from None

    def append(self, lines: Sequence[Mapping[str, Any]], sync: bool) -> None:
        """All of them or, with LedgerError, none; with ``sync``, on disk when it returns."""
        text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()
        with self._lock:
            descriptor = self._descriptor
            if descriptor is None:
                raise LedgerError(f"the ledger {self.path} is not open")
            found = os.fstat(descriptor)
            if found.st_nlink == 0:
                raise LedgerError(f"the ledger {self.path} was deleted")
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                raise LedgerError(f"the ledger {self.path} can only be read")
            try:
                _write_all(descriptor, _end_of_torn_line(descriptor, found.st_size) + text)
                if sync:
                    os.fsync(descriptor)
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, found.st_size)
                raise self._cannot("written", error) from None

    def _lock_file(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise self._cannot("locked", error) from None
            raise LedgerError(
                f"the ledger {self.path} is in use by another run{self._whose()}: wait for its "
                "end, or name another file as chaosvm_ledger; nothing was touched"
            ) from None

    def _whose(self) -> str:
        with contextlib.suppress(LedgerError):
            runs = [line for _, line in self.lines() if line["kind"] == "run"]
            if runs:
                return f" (process {runs[-1].get('pid')} on {runs[-1].get('host')})"
        return ""

    def _sync_folder(self) -> None:
        """Or else the new file's name might not outlive the machine."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None

    # Reading -----------------------------------------------------------------------------

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each line with its number.

        A line that was cut off as its writer died is passed over. Nothing was
        sent because of it: it was still being written.
        """
        torn: int | None = None
        first = True
        for number, text in enumerate(self._read().split(b"\n"), 1):
            if not text.strip(b"\0 \r\t"):
                continue
            line = _decoded(text)
            begins_run = line is not None and line["kind"] == "run"
            if first and not begins_run and not _BEGINNING.startswith(text[: len(_BEGINNING)]):
                raise LedgerError(f"{self.path}, line {number}, is not a line of a ledger")
            if torn is not None and not begins_run:
                raise LedgerError(f"{self.path}, line {torn}, is not a line of a ledger")
            torn, first = number if line is None else None, False
            if line is None:
                continue
            if begins_run:
                self._check_version(number, line)
            yield number, line

    def _read(self) -> bytes:
        try:
            if not self.path.is_file():  # a pipe, for one, could be read for ever
                raise LedgerError(f"{self.path} is no ledger: it is not a file")
            return self.path.read_bytes()
        except (OSError, ValueError) as error:
            raise LedgerError(f"the ledger {self.path} cannot be read: {error}") from None

    def _check_version(self, number: int, line: Mapping[str, Any]) -> None:
        if line.get("version") != VERSION:
            raise LedgerError(
                f"{self.path}, line {number}, is of version {line.get('version')!r} of the "
                f"ledger, and this chaosvm knows version {VERSION}: use the one that wrote it, or "
                "name another file as chaosvm_ledger; nothing was touched"
            )

    def _cannot(self, what: str, error: OSError) -> LedgerError:
        return LedgerError(
            f"the ledger {self.path} cannot be {what} ({error.strerror or error}); without it "
            "nothing is changed. chaosvm_ledger names another file"
        )


def _decoded(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and isinstance(line.get("kind"), str) else None


def _end_of_torn_line(descriptor: int, size: int) -> bytes:
    """What follows a line that was cut off begins a line of its own."""
    torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
    return b"\n" if torn else b""


def _write_all(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]


# A file is opened once in a process, so that its lock is not in its own way.
_files: dict[Path, LedgerFile] = {}
_files_lock = threading.Lock()


def opened(path: Path, must_exist: bool = False) -> LedgerFile:
    """The file, open for appending until the end of the process."""
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
    """Give the files free, for other processes as well."""
    with _files_lock:
        for file in _files.values():
            file.close()
        _files.clear()
