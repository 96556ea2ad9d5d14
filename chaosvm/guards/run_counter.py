"""Counts the VMs that a run changes or is about to change, in all its actions.

Actions in the background may check their guards at the same time. So check and
reservation are atomic, before anything is recorded or sent; what was not touched
in the end is released.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from chaosvm.ledger import Key, Ledger
from chaosvm.vm import VM

__all__ = ["RunCounter", "Usage", "counter_for"]


@dataclass(frozen=True)
class Usage:
    """What a run has changed or is changing: each VM as it was before each action.

    ``going_down`` are VMs that may be down, or about to go down, although they
    were running when they were last read.
    """

    vms: Mapping[Key, Sequence[VM]]
    going_down: frozenset[Key]


@dataclass(eq=False)
class _Reservation:
    vms: Mapping[Key, VM]
    takes_down: bool
    dry_run: bool = False  # counts for dry runs only
    ended: int | None = None  # the number of its release


class RunCounter:
    """Thread-safe. ``changed_vms`` returns the VMs that the ledger says are changed."""

    def __init__(self, changed_vms: Callable[[], set[Key]]) -> None:
        self._changed_vms = changed_vms
        self._lock = threading.Lock()
        self._releases = 0
        self._reservations: list[_Reservation] = []
        self._may_reboot: set[Key] = set()
        self._seen: set[Hashable] = set()
        # The last GuardResult of each limit, by its key and scope: for reports.
        self.results: dict[tuple[str, str], Any] = {}

    def first_time(self, what: Hashable) -> bool:
        """True on the first call in this run with this value."""
        with self._lock:
            first = what not in self._seen
            self._seen.add(what)
        return first

    def usage_mark(self) -> int:
        """The current point in time, for ``since``: call it before reading VMs."""
        with self._lock:
            return self._releases

    def usage(self, since: int, dry_run: bool = False) -> Usage:
        """What counts now; ``since`` is the :meth:`usage_mark` of the caller's reading."""
        with self._lock:
            return self._usage(since, dry_run)

    @contextmanager
    def reserve(
        self,
        vms: Mapping[Key, VM],
        takes_down: bool,
        since: int,
        check: Callable[[Usage], None],
    ) -> Iterator[None]:
        """Count these VMs during the block; those that were changed count afterwards too.

        ``check`` is called with the usage without them; if it raises, they do not count.
        """
        reservation = _Reservation(vms, takes_down)
        with self._lock:
            check(self._usage(since, dry_run=False))
            self._reservations.append(reservation)
        try:
            yield
        finally:
            with self._lock:
                self._releases += 1
                reservation.ended = self._releases
                changed = self._changed_vms()
                reservation.vms = {key: vm for key, vm in vms.items() if key in changed}

    def record_reboots(self, ended: set[Key], unseen: set[Key]) -> None:
        """Record VMs whose reboot has ended, and VMs that may still reboot.

        Their power state does not show it: it is the same before and after.
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
        """Count these VMs as changed for the rest of the dry run."""
        with self._lock:
            check(self._usage(since, dry_run=True))
            self._reservations.append(_Reservation(vms, takes_down, dry_run=True))

    def mark_running(self, keys: set[Key]) -> None:
        """Count these VMs as running again in the dry run."""
        with self._lock:
            for each in self._reservations:
                if each.dry_run and each.takes_down and keys.intersection(each.vms):
                    up = {key: vm for key, vm in each.vms.items() if key in keys}
                    each.vms = {key: vm for key, vm in each.vms.items() if key not in keys}
                    self._reservations.append(_Reservation(up, takes_down=False, dry_run=True))

    def _usage(self, since: int, dry_run: bool) -> Usage:
        counting = [each for each in self._reservations if dry_run or not each.dry_run]
        vms: dict[Key, list[VM]] = {}
        for reservation in counting:
            for key, vm in reservation.vms.items():
                vms.setdefault(key, []).append(vm)
        down = {
            key
            for reservation in counting
            if reservation.takes_down and (reservation.ended is None or reservation.ended > since)
            for key in reservation.vms
        }
        return Usage(vms, frozenset(down | self._may_reboot))


_counters: WeakKeyDictionary[Ledger, RunCounter] = WeakKeyDictionary()
_counters_lock = threading.Lock()


def counter_for(ledger: Ledger) -> RunCounter:
    """The counter of the run that writes this ledger."""
    with _counters_lock:
        if ledger not in _counters:
            # A reference to the ledger would keep both alive forever.
            history, run = ledger.history, ledger.run
            _counters[ledger] = RunCounter(lambda: history.changed_vms(run))
        return _counters[ledger]
