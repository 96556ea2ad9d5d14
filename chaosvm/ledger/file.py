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
# Ours are below 10 kB; without a bound one line could be larger than the memory.
_LONGEST_LINE = 2**20
# Around a line: zeros, where a machine died before its text was on disk.
_NOTHING = b"\0 \r\t\n"
# Names and states of VMs are nobody else's business.
_MODE = 0o600


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
            return os.open(self.path, flags) if must_exist else self._opened_or_made(flags)
        except ValueError as error:
            raise LedgerError(f"the ledger {str(self.path)!r} cannot be opened: {error}") from None
        except OSError as error:
            if not must_exist or error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise self._cannot("opened", error) from None
        try:
            return os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise self._cannot("opened", error) from None

    def _opened_or_made(self, flags: int) -> int:
        """A file that is there keeps its mode; a new one has its own, whatever the umask."""
        try:
            return os.open(self.path, flags)
        except FileNotFoundError:
            descriptor = os.open(self.path, flags | os.O_CREAT, _MODE)
        if os.fstat(descriptor).st_size == 0:
            os.fchmod(descriptor, _MODE)
        return descriptor

    def append(self, lines: Sequence[Mapping[str, Any]], sync: bool) -> None:
        """All of them or, with LedgerError, none; with ``sync``, on disk when it returns."""
        text = b"".join(_encoded(line) for line in lines)
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
        sent because of it: it was still being written. It is the last one, or
        the beginning of another run follows.
        """
        on_watch_lost: int | None = None
        first, number, text = True, 0, b""
        for number, text in self._texts():
            line = _decoded(text)
            if first or on_watch_lost is not None:
                begins_run = line is not None and line["kind"] == "run"
                if not begins_run and not _BEGINNING.startswith(text[: len(_BEGINNING)]):
                    raise self._damaged(on_watch_lost or number)
            first = False
            on_watch_lost = number if line is None else None
            if line is None:
                if not _is_cut_off(text):
                    raise self._damaged(number)
                continue
            if line["kind"] == "run":
                self._check_version(number, line)
            yield number, line
        if on_watch_lost is not None and text.endswith(b"\n"):
            raise self._damaged(number)

    def _texts(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not empty, one after the other."""
        try:
            if not self.path.is_file():  # a pipe, for one, could be read for ever
                raise LedgerError(f"{self.path} is no ledger: it is not a file")
            with self.path.open("rb") as file:
                number = 0
                while text := file.readline(_LONGEST_LINE + 1):
                    number += 1
                    if len(text) > _LONGEST_LINE:
                        raise self._damaged(number)
                    if stripped := text.strip(_NOTHING):
                        yield number, stripped + text[len(text.rstrip(b"\n")) :]
        except (OSError, ValueError) as error:
            raise LedgerError(f"the ledger {self.path} cannot be read: {error}") from None

    def _damaged(self, number: int) -> LedgerError:
        return LedgerError(f"{self.path}, line {number}, is not a line of a ledger")

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


def _encoded(line: Mapping[str, Any]) -> bytes:
    """With the letters of every language as they are, for people who read it."""
    try:
        return f"{json.dumps(line, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:  # half a letter, as a name may have it
        return f"{json.dumps(line)}\n".encode()


def _decoded(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) and isinstance(line.get("kind"), str) else None


def _is_cut_off(text: bytes) -> bool:
    """Is it the beginning of a line? One in which something was altered is not."""
    begun = text.rstrip(_NOTHING).decode(errors="replace")
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
