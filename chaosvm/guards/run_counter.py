"""Which VMs a run has set out to change: what guards count, whichever action it was.

Two actions in the background may check their guards at the same moment. So
whoever passes enters its VMs here in the same breath, before anything is noted
or sent, and what was not touched in the end is taken out again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from chaosvm.ledger import Key, Ledger
from chaosvm.vm import VM

__all__ = ["RunCounter", "Usage", "counter_for"]


@dataclass(frozen=True)
class Usage:
    """What a run has changed or is changing: each VM as it was whenever something began.

    ``going_down`` are those whose last reading may show them running although
    they are not, or not for long.
    """

    vms: Mapping[Key, Sequence[VM]]
    going_down: frozenset[Key]


@dataclass(eq=False)
class _Entry:
    vms: Mapping[Key, VM]
    takes_down: bool
    rehearsed: bool = False  # in a dry run: it only counts there
    ended: int | None = None


class RunCounter:
    """Safe to use from several threads. ``touched`` tells what the ledger has."""

    def __init__(self, record: Callable[[], set[Key]]) -> None:
        self._record_of = record
        self._lock = threading.Lock()
        self._ends = 0
        self._entries: list[_Entry] = []
        self._may_reboot: set[Key] = set()
        self._said: set[Hashable] = set()

    def first_time(self, what: Hashable) -> bool:
        """Is it the first time in this run that this is to be said?"""
        with self._lock:
            news = what not in self._said
            self._said.add(what)
        return news

    def usage_mark(self) -> int:
        """Now, as :meth:`counted` wants to know it: to be asked before VMs are read."""
        with self._lock:
            return self._ends

    def usage(self, since: int, dry_run: bool = False) -> Usage:
        """What counts at present; ``since`` is when the caller's VMs were read."""
        with self._lock:
            return self._counted(since, dry_run)

    @contextmanager
    def reserve(
        self,
        vms: Mapping[Key, VM],
        takes_down: bool,
        since: int,
        check: Callable[[Usage], None],
    ) -> Iterator[None]:
        """Count these VMs during the block, and those that were touched also afterwards.

        ``check`` gets what counts without them; if it raises, they do not count.
        """
        entry = _Entry(vms, takes_down)
        with self._lock:
            check(self._counted(since, dry_run=False))
            self._entries.append(entry)
        try:
            yield
        finally:
            with self._lock:
                self._ends += 1
                entry.ended = self._ends
                record = self._record_of()
                entry.vms = {key: vm for key, vm in vms.items() if key in record}

    def record_reboots(self, ended: set[Key], unseen: set[Key]) -> None:
        """Of these the reboot has ended; of those it was accepted, and may come any moment.

        Their power state tells nothing about it: it is the same before and after.
        """
        with self._lock:
            self._may_reboot = (self._may_reboot - ended) | unseen

    def reserve_dry_run(
        self,
        vms: Mapping[Key, VM],
        takes_down: bool,
        since: int,
        check: Callable[[Usage], None],
    ) -> None:
        """As if these VMs were changed, for a dry run: they count in it until its end."""
        with self._lock:
            check(self._counted(since, dry_run=True))
            self._entries.append(_Entry(vms, takes_down, rehearsed=True))

    def mark_running(self, keys: set[Key]) -> None:
        """As if these VMs ran again, for a dry run."""
        with self._lock:
            for entry in self._entries:
                if entry.rehearsed and entry.takes_down and keys.intersection(entry.vms):
                    up = {key: vm for key, vm in entry.vms.items() if key in keys}
                    entry.vms = {key: vm for key, vm in entry.vms.items() if key not in keys}
                    self._entries.append(_Entry(up, takes_down=False, rehearsed=True))

    def _counted(self, since: int, dry_run: bool) -> Usage:
        counting = [entry for entry in self._entries if dry_run or not entry.rehearsed]
        vms: dict[Key, list[VM]] = {}
        for entry in counting:
            for key, vm in entry.vms.items():
                vms.setdefault(key, []).append(vm)
        down = {
            key
            for entry in counting
            if entry.takes_down and (entry.ended is None or entry.ended > since)
            for key in entry.vms
        }
        return Usage(vms, frozenset(down | self._may_reboot))


_counters: WeakKeyDictionary[Ledger, RunCounter] = WeakKeyDictionary()
_counters_lock = threading.Lock()


def counter_for(ledger: Ledger) -> RunCounter:
    """The counter of the run that writes this ledger."""
    with _counters_lock:
        if ledger not in _counters:
            # Holding the ledger itself would keep both for ever.
            history, run = ledger.history, ledger.run
            _counters[ledger] = RunCounter(lambda: history.changed_vms(run))
        return _counters[ledger]
