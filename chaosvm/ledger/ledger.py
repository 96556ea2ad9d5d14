"""The ledger: what is about to be changed, on disk before it is changed.

One line of JSON for each operation on a VM is written and synced before the
first request about it is sent, and another one when its outcome is known. So
whatever happens to this process, the file tells which VMs may have been
changed and from which state; ``undo.py`` puts them back.

The kinds of lines, each with ``at`` (UTC):

``run``      a run begins: ``version`` (of this format), ``run``, ``experiment``,
             ``pid``, ``host``, ``boot`` (which start of the machine it is)
``intent``   ``run``, ``call``, ``platform``, ``server``, ``id``, ``name``,
             ``instance_uuid``, ``path``, ``before`` (the power state), ``status``,
             ``operation``, ``restores`` (is it an undo?). Always synced before
             anything is sent.
``request``  ``call``, ``id``, ``step``: it is being sent now. This one outlives the
             process, but perhaps not the machine, which is why ``boot`` is noted.
``outcome``  ``call``, ``id``, ``after``, ``changed``, ``how``, ``error``, ``pending``
             (may something that was sent still happen?)
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import chaosvm
from chaosvm.backend import Backend, Order, PowerCommand
from chaosvm.errors import LedgerError
from chaosvm.ledger import file as ledgerfile
from chaosvm.ledger.calls import Calls
from chaosvm.ledger.file import VERSION, LedgerFile, opened
from chaosvm.ledger.history import History, VMRecord
from chaosvm.outcome import Outcome
from chaosvm.runtime import experiment, supervision
from chaosvm.vm import VM, PowerState

__all__ = ["Ledger", "block_run", "close_all", "ledger_for_run", "read"]

logger = logging.getLogger("chaostoolkit")


def read(path: Path) -> History:
    """What a ledger tells; raises LedgerError for a file that is none."""
    history = History(_boot_id())
    for number, line in LedgerFile(path).lines():
        try:
            if line["kind"] == "intent" and line["run"] not in history.runs:
                raise ValueError(f"no run {line['run']!r} begins before it")
            history.add(line)
        except (KeyError, ValueError, TypeError) as error:
            raise LedgerError(
                f"{path}, line {number}, is not a line of a ledger: {error}"
            ) from None
    return history


class Ledger:
    """The ledger of one run: safe to use from several threads.

    The file is made, and locked for this process, when the first change is
    about to be made. ``now`` gives the time, with its zone.
    """

    def __init__(
        self,
        path: Path,
        title: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = path
        self.run = f"{now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self.history = History(_boot_id())
        self._title = title
        self._now = now
        self._file: LedgerFile | None = None
        self._begun = False
        self._warned = False
        # Calls whose intents the file lacks: without these, their other lines mean nothing.
        self._left_out: set[str] = set()
        self._lock = threading.RLock()
        self._calls = Calls()
        self._platforms: dict[tuple[str, str], Backend] = {}

    @classmethod
    def resumed(cls, path: Path, title: str | None = None) -> Ledger:
        """A new run that begins with the history that a file has, to put it right."""
        ledger = cls(path, title)
        # It is locked: a run that still goes on is left alone.
        ledger._file = opened(path, must_exist=True)
        ledger.history = read(path)
        if not ledger.history.runs:
            raise LedgerError(f"{path} has no run in it: it is no ledger, or nothing was changed")
        return ledger

    # Before, while and after something is changed --------------------------------------

    def record_intent(
        self, platform: str, server: str, vms: Sequence[tuple[VM, PowerState]], order: Order
    ) -> None:
        """Have on disk what is about to be done to these VMs, which are in these states now.

        Raises LedgerError where that is not possible: then nothing may be sent,
        but what puts VMs back, of which the ledger knows all that matters.
        """
        lines = [
            {
                "kind": "intent",
                "at": self._stamp(),
                "run": self.run,
                "call": order.run,
                "platform": platform,
                "server": server,
                "id": vm.id,
                "name": vm.name,
                "instance_uuid": vm.instance_uuid,
                "path": vm.path,
                "before": before.value,
                "status": vm.status,
                "operation": order.operation.value,
                "restores": order.is_restore,
            }
            for vm, before in vms
        ]
        with self._lock:
            self._calls.begin(order, (platform, server))
            self._raise_if_blocked(order)
            self._write(lines, sync=True, needed=not order.is_restore)

    def record_request(self, vm_id: str, step: PowerCommand, order: Order) -> None:
        """This request is sent now. Raises LedgerError if nothing more may be sent."""
        line = {
            "kind": "request",
            "at": self._stamp(),
            "call": order.run,
            "id": vm_id,
            "step": step.value,
        }
        with self._lock:
            self._raise_if_blocked(order)
            self._write([line], sync=False, needed=not order.is_restore)
            self._calls.sent(order.run, vm_id)

    def record_answer(self, vm_id: str, order: Order) -> None:
        """The request is not under way any more."""
        with self._lock:
            self._calls.record_answer(order.run, vm_id, self._now())

    def record_outcomes(self, outcomes: Sequence[tuple[Outcome, bool]], order: Order) -> None:
        """These are the outcomes, each with whether something that was sent may still happen.

        A ledger that cannot be written now is only warned of: without its
        outcome a VM is looked at again before it is put back.
        """
        lines = [
            {
                "kind": "outcome",
                "at": self._stamp(),
                "call": order.run,
                "id": outcome.id,
                "after": outcome.after.value,
                "changed": outcome.changed,
                "how": outcome.how.value,
                "error": outcome.error,
                "pending": pending,
            }
            for outcome, pending in outcomes
        ]
        with self._lock:
            self._write(lines, sync=False, needed=False)

    def block(self, why: str) -> None:
        """From now on nothing but what restores may be sent."""
        with self._lock:
            self._calls.block(why)

    def stop(self, platform: str, server: str, why: str) -> None:
        """Of the calls that have begun there, nothing but what restores may go on."""
        with self._lock:
            self._calls.stop((platform, server), why)

    def register_platform(self, platform: Backend) -> None:
        """By this the run has changed something; by this it can be put back."""
        with self._lock:
            self._platforms[platform.name, platform.address] = platform

    # Asking ------------------------------------------------------------------------------

    def platform(self, name: str, server: str) -> Backend | None:
        """What this run has changed VMs of a server by, if it has."""
        with self._lock:
            return self._platforms.get((name, server))

    def blocked_reason(self, order: Order, platform: str, server: str) -> str | None:
        """Why this call may not go on; None if it may."""
        with self._lock:
            return self._calls.blocked_reason(order, (platform, server))

    def record(self) -> list[VMRecord]:
        """What is known at this moment, in the order of the first touch.

        Whoever compares it with the VMs reads it before them: what happens in
        between is then something that may still happen. The other way round it
        looks as if somebody else had done it.
        """
        with self._lock:
            return [record.copy() for record in self.history]

    def moved_since(self, platform: str, server: str, vm_id: str, moment: float) -> bool:
        """Was anything noted of the VM since then, on the clock of this process?"""
        with self._lock:
            return self._calls.moved_since((platform, server, vm_id), moment)

    def seconds_in_flight(self, record: VMRecord, shows_shutdowns: bool = False) -> float:
        """For how many seconds more what was sent may take effect; 0 if it cannot.

        Where the platform ``shows_shutdowns``, a guest that was asked is seen to
        shut down, so that only the request itself has to be waited for.
        """
        with self._lock:
            now = self._now()
            left = [
                self._calls.time_left(record.id, operation_record, now, shows_shutdowns)
                for operation_record in record.unconfirmed
            ]
        return max(left, default=0.0)

    # Writing -----------------------------------------------------------------------------

    def _raise_if_blocked(self, order: Order) -> None:
        if why := self._calls.blocked_reason(order, self._calls.place(order)):
            raise LedgerError(why)

    def _write(self, lines: list[dict[str, Any]], sync: bool, needed: bool) -> None:
        try:
            if lines[0]["call"] not in self._left_out:
                self._append(lines, sync)
        except LedgerError as error:
            if needed:
                raise
            if not self._warned:
                logger.warning(f"the ledger is not complete from here on: {error}")
            self._warned = True
            if lines[0]["kind"] == "intent":
                self._left_out.add(lines[0]["call"])
        for line in lines:
            self.history.add(line)
            self._calls.noted(line["call"], line["id"])

    def _append(self, lines: list[dict[str, Any]], sync: bool) -> None:
        if self._file is None:
            self._file = opened(self.path)
        if not self._begun:
            header = self._header()
            self._file.append([header], sync=False)
            self.history.add(header)
            self._begun = True
            logger.info(f"what is changed is written to the ledger {self.path}")
        self._file.append(lines, sync)

    def _header(self) -> dict[str, Any]:
        return {
            "kind": "run",
            "version": VERSION,
            "at": self._stamp(),
            "run": self.run,
            "experiment": self._title,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "boot": _boot_id(),
            "by": f"chaosvm {chaosvm.__version__}",
        }

    def _stamp(self) -> str:
        return self._now().isoformat(timespec="milliseconds")


# The ledger of the run that a call is part of ---------------------------------------------

_ended: list[tuple[experiment.RunContext, str]] = []
_of_runs: dict[tuple[experiment.RunContext | None, Path | None], Ledger] = {}
_of_runs_lock = threading.RLock()  # a signal's handler may bar a run at any moment


def ledger_for_run(path: Path | None) -> Ledger:
    """The ledger of the present run: of the experiment, or of this process outside of one.

    ``path`` is the file that the settings name; by default each run has a file
    of its own beside the journal.
    """
    supervision.watch()
    run = experiment.current_run()
    with _of_runs_lock:
        if (run, path) not in _of_runs:
            ledger = Ledger(path or _default_path(run), run.title if run else None)
            for ended, why in _ended:
                if ended is run:
                    ledger.block(why)
            _of_runs[run, path] = ledger
        return _of_runs[run, path]


def block_run(run: experiment.RunContext, why: str) -> list[Ledger]:
    """Let this run send nothing any more but what restores; its ledgers: mostly one, or none.

    That holds for an activity in the background that has not sent anything yet,
    and also when the run is over and the activity is not.
    """
    with _of_runs_lock:
        _ended.append((run, why))
        ledgers = [ledger for (known, _), ledger in _of_runs.items() if known is run]
    for ledger in ledgers:
        ledger.block(why)
    return ledgers


def close_all() -> None:
    """End every run of this process: its ledgers are complete, and others may use the files."""
    with _of_runs_lock:
        _of_runs.clear()
        _ended.clear()
    ledgerfile.close_all()


def _default_folder(run: experiment.RunContext | None) -> Path:
    """The journal's, or else the one in which the process works."""
    journal = run.journal_path if run else None
    return (journal.parent if journal else Path()).absolute()


def _default_path(run: experiment.RunContext | None) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return _default_folder(run) / f"chaosvm-ledger-{stamp}-{secrets.token_hex(3)}.jsonl"


def _boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None  # not Linux: then nothing is concluded from it
