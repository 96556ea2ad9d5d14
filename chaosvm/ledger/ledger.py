"""The ledger: what is about to be changed, on disk before it is changed.

For each operation on a VM, one line of JSON is written and synced before the first request is
sent, and another one when the outcome is known. If this process dies, the file still says which
VMs it may have changed, and from which state; ``restore/undo.py`` puts them back.

The kinds of lines, each with ``at`` (UTC):

``run``      the start of a run: ``version`` (of this format), ``run``, ``experiment``,
             ``pid``, ``host``, ``boot`` (the machine's boot id)
``intent``   ``run``, ``call``, ``platform``, ``server``, ``id``, ``name``,
             ``instance_uuid``, ``path``, ``before`` (the power state), ``status``,
             ``operation``, ``restores`` (true for an undo). Always synced before
             anything is sent.
``request``  ``call``, ``id``, ``step`` (the command): it is being sent. Not synced: it
             survives the process, but perhaps not the machine; hence ``boot``.
``outcome``  ``call``, ``id``, ``after``, ``changed``, ``how``, ``error``, ``pending``
             (true if a request may still take effect)
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import chaosvm
from chaosvm.backend import Backend, Order, PowerCommand
from chaosvm.errors import LedgerError
from chaosvm.ledger import file as ledger_file
from chaosvm.ledger.calls import Calls
from chaosvm.ledger.file import VERSION, LedgerFile, open_shared
from chaosvm.ledger.folder import FOLDER, PATTERN, make_folder
from chaosvm.ledger.history import History, VMRecord
from chaosvm.ledger.reading import boot_id, read
from chaosvm.outcome import Outcome
from chaosvm.runtime import experiment, supervision
from chaosvm.settings import rehearsal_path
from chaosvm.vm import VM, PowerState

__all__ = ["Ledger", "block_run", "close_all", "ledger_for_run", "ledgers_of_run", "read"]

logger = logging.getLogger("chaostoolkit")


class Ledger:
    """The ledger of one run. Thread-safe.

    The file is created, and locked for this process, just before the first change;
    ``prepare`` is called before that. ``now`` returns the time, with its time zone, and
    ``moment`` the seconds on a monotonic clock.
    """

    def __init__(
        self,
        path: Path,
        title: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        prepare: Callable[[], None] = lambda: None,
        moment: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.run = f"{now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self.history = History(boot_id())
        self._title = title
        self._now = now
        self._moment = moment
        self._prepare = prepare
        self._file: LedgerFile | None = None
        self._has_header = False
        self._warned = False
        # Calls whose intents could not be written: their other lines would be meaningless.
        self._unwritten_calls: set[str] = set()
        self._lock = threading.RLock()
        self._calls = Calls()
        self._backends: dict[tuple[str, str], Backend] = {}

    @classmethod
    def resumed(cls, path: Path, title: str | None = None) -> Ledger:
        """A new run that starts with the history of an existing file, to restore its VMs."""
        ledger = cls(path, title)
        # Takes the lock, so it fails if that run is still in progress.
        ledger._file = open_shared(path, must_exist=True)
        ledger.history = read(path)
        if not ledger.history.runs:
            raise LedgerError(
                f"{path} has no run in it: it is not a ledger, or nothing was changed"
            )
        return ledger

    # Recording a change ----------------------------------------------------------------

    def record_intent(
        self, platform: str, server: str, vms: Sequence[tuple[VM, PowerState]], order: Order
    ) -> None:
        """Write and sync what is about to be done to these VMs, with their current states.

        Raises LedgerError if that fails: then nothing may be sent. A restore continues, because
        the ledger already has what it needs.
        """
        lines = [
            {
                "kind": "intent",
                "at": self._timestamp(),
                "run": self.run,
                "call": order.call_id,
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

    def record_request(self, vm_id: str, command: PowerCommand, order: Order) -> None:
        """Write that this command is being sent; raises LedgerError if it may not be."""
        line = {
            "kind": "request",
            "at": self._timestamp(),
            "call": order.call_id,
            "id": vm_id,
            "step": command.value,
        }
        with self._lock:
            self._raise_if_blocked(order)
            self._write([line], sync=False, needed=not order.is_restore)
            self._calls.record_request(order.call_id, vm_id)

    def record_answer(self, vm_id: str, order: Order) -> None:
        """The request was answered, or its answer was lost: it is no longer in flight."""
        with self._lock:
            self._calls.record_answer(order.call_id, vm_id, self._moment())

    def record_outcomes(self, outcomes: Sequence[tuple[Outcome, bool]], order: Order) -> None:
        """Write the outcomes, each with whether a request may still take effect.

        A write error is only logged: a VM without an outcome is read again before it is restored.
        """
        lines = [
            {
                "kind": "outcome",
                "at": self._timestamp(),
                "call": order.call_id,
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
            for outcome, _ in outcomes:
                self._calls.record_outcome(order.call_id, outcome.id, self._moment())

    def block(self, why: str) -> None:
        """From now on, allow only restores."""
        with self._lock:
            self._calls.block(why)

    def stop(self, platform: str, server: str, why: str) -> None:
        """Stop the calls to this server that have already begun, except restores."""
        with self._lock:
            self._calls.stop((platform, server), why)

    def register_backend(self, backend: Backend) -> None:
        """Keep the connection by which the run changes VMs, to restore them by it."""
        with self._lock:
            self._backends[backend.name, backend.address] = backend

    # Reading ---------------------------------------------------------------------------

    def backend(self, platform: str, server: str) -> Backend | None:
        """The connection by which this run changes VMs of a server, if any."""
        with self._lock:
            return self._backends.get((platform, server))

    def blocked_reason(self, order: Order, platform: str, server: str) -> str | None:
        """Why this call has to stop; None if it may continue."""
        with self._lock:
            return self._calls.blocked_reason(order, (platform, server))

    def vm_records(self) -> list[VMRecord]:
        """The records of all VMs, in the order of their first operation.

        Read them before the VMs: a change in between then counts as one that may still happen.
        In the other order it would look like an external change.
        """
        with self._lock:
            return [record.copy() for record in self.history]

    def recorded_since(self, platform: str, server: str, vm_id: str, moment: float) -> bool:
        """True if a line about the VM was added since then (``time.monotonic()``)."""
        with self._lock:
            return self._calls.recorded_since((platform, server, vm_id), moment)

    def seconds_in_flight(self, record: VMRecord, shows_shutdowns: bool = False) -> float:
        """For how many more seconds a request may take effect; 0 if none can.

        Where the platform ``shows_shutdowns``, a guest that is shutting down is visible as such,
        so only the request itself has to be waited for.
        """
        with self._lock:
            now, moment = self._now(), self._moment()
            left = [
                self._calls.seconds_left(record.id, operation, now, moment, shows_shutdowns)
                for operation in record.unconfirmed
            ]
        return max(left, default=0.0)

    # Writing -----------------------------------------------------------------------------

    def _raise_if_blocked(self, order: Order) -> None:
        if why := self._calls.blocked_reason(order, self._calls.place(order)):
            raise LedgerError(why)

    def _write(self, lines: list[dict[str, Any]], sync: bool, needed: bool) -> None:
        try:
            if lines[0]["call"] not in self._unwritten_calls:
                self._append(lines, sync)
        except LedgerError as error:
            if needed:
                raise
            if not self._warned:
                logger.warning(f"the ledger is incomplete from here on: {error}")
            self._warned = True
            if lines[0]["kind"] == "intent":
                self._unwritten_calls.add(lines[0]["call"])
        for line in lines:
            self.history.add(line)
            self._calls.record_line(line["call"], line["id"])

    def _append(self, lines: list[dict[str, Any]], sync: bool) -> None:
        if self._file is None:
            self._prepare()
            self._file = open_shared(self.path)
        if not self._has_header:
            header = self._header()
            self._file.append([header], sync=False)
            self.history.add(header)
            self._has_header = True
            logger.info(f"changes are recorded in the ledger {self.path}")
        self._file.append(lines, sync)

    def _header(self) -> dict[str, Any]:
        return {
            "kind": "run",
            "version": VERSION,
            "at": self._timestamp(),
            "run": self.run,
            "experiment": self._title,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "boot": boot_id(),
            "by": f"chaosvm {chaosvm.__version__}",
        }

    def _timestamp(self) -> str:
        return self._now().isoformat(timespec="milliseconds")


# The ledgers of the runs of this process ------------------------------------------------

_blocked_runs: list[tuple[experiment.RunContext, str]] = []
_ledgers: dict[tuple[experiment.RunContext | None, Path | None], Ledger] = {}
_ledgers_lock = threading.RLock()  # reentrant: a signal handler may block a run at any time


def ledger_for_run(path: Path | None, keep_days: float = 0) -> Ledger:
    """The ledger of the current run: the experiment's or, outside of one, the process's.

    Both come from the settings. Without a path each run has its own file, in a folder next
    to the journal, from which old files with nothing to restore are removed.
    """
    supervision.watch()
    run = experiment.current_run()
    with _ledgers_lock:
        if (run, path) not in _ledgers:
            ledger = _new_ledger(path, keep_days, run)
            for blocked, why in _blocked_runs:
                if blocked is run:
                    ledger.block(why)
            _ledgers[run, path] = ledger
        return _ledgers[run, path]


def block_run(run: experiment.RunContext, why: str) -> list[Ledger]:
    """From now on, allow only restores in this run; returns its ledgers, usually one or none.

    This includes background activities that have not sent anything yet, or that outlive the run.
    """
    with _ledgers_lock:
        _blocked_runs.append((run, why))
        ledgers = ledgers_of_run(run)
    for ledger in ledgers:
        ledger.block(why)
    return ledgers


def ledgers_of_run(run: experiment.RunContext) -> list[Ledger]:
    with _ledgers_lock:
        return [ledger for (owner, _), ledger in _ledgers.items() if owner is run]


def close_all() -> None:
    """Forget the runs of this process, and release their files to other processes."""
    with _ledgers_lock:
        _ledgers.clear()
        _blocked_runs.clear()
    ledger_file.close_all()


def _new_ledger(path: Path | None, keep_days: float, run: experiment.RunContext | None) -> Ledger:
    title = run.title if run else None
    if path is not None:
        return Ledger(path, title)
    path = _default_path(run)
    return Ledger(path, title, prepare=partial(make_folder, path.parent, keep_days))


def _default_folder(run: experiment.RunContext | None) -> Path:
    """The journal's folder, or else the working directory."""
    journal = run.journal_path if run else None
    return (journal.parent if journal else Path()).absolute()


def _default_path(run: experiment.RunContext | None) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = PATTERN.replace("*", f"{stamp}-{secrets.token_hex(3)}")
    return rehearsal_path(_default_folder(run) / FOLDER / name)
