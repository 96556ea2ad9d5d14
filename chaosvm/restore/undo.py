"""Restores the VMs of one server to the states they had before a run first changed them.

The ledger alone says which VMs those are; the present state of each VM decides what to do. A VM
that is already back is left alone, and so is one in a state that the run cannot have left it in:
it was changed externally since.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from chaosvm.backend import Backend, OnTimeout, Operation, Order
from chaosvm.errors import LASTING, PlatformError
from chaosvm.ledger import Key, Ledger, VMRecord
from chaosvm.listing import listed
from chaosvm.outcome import Outcome, dry_run_outcome
from chaosvm.power import POLL_INTERVAL, InFlightCheck, run_operation
from chaosvm.restore.results import (
    RESTORE,
    cannot_restore,
    error_text,
    gone,
    not_restored,
    preview,
    unchanged,
)
from chaosvm.restore.states import MAX_OPERATIONS, is_another_vm, next_operation, target_state
from chaosvm.runtime import Deadline
from chaosvm.vm import VM

__all__ = ["records_to_restore", "restore"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")

_STOP_REASON = "what the run has changed is being restored"
_MAX_NAMED = 20  # in a line of the log
_MIN_TIME, _RETRY_INTERVAL, _LOG_INTERVAL = 0.1, 2.0, 15.0  # seconds


def records_to_restore(ledger: Ledger, platform: str, server: str | None = None) -> list[VMRecord]:
    """The ledger's present records of a platform (and server), the last VM first."""
    records = [
        record
        for record in ledger.vm_records()
        if record.platform == platform and server in (None, record.server)
    ]
    return records[::-1]


def restore(
    backend: Backend,
    ledger: Ledger,
    deadline: Deadline,
    parallel: int,
    force: bool = False,
    dry_run: bool = False,
    so_far: dict[Key, Outcome] | None = None,
) -> list[Outcome]:
    """Restore every VM that the ledger has of this server; returns one outcome for each.

    Stops what the run is still doing on this server. ``force`` includes VMs that were changed
    externally since. ``dry_run`` stops and does nothing, and the outcomes say what would be
    done. Retries while the server is unavailable; raises PlatformError if it stays so.
    ``so_far`` gets the outcomes, also if the call is interrupted.
    """
    if not dry_run:
        ledger.stop(backend.name, backend.address, _STOP_REASON)
    records = records_to_restore(ledger, backend.name, backend.address)
    restoring = _Restore(backend, ledger, parallel, force, dry_run)
    try:
        restoring.run(records, deadline)
    finally:
        if so_far is not None:
            place = (backend.name, backend.address)
            so_far.update({(*place, vm_id): each for vm_id, each in restoring.outcomes.items()})
    return [restoring.outcomes[record.id] for record in records]


def _read(
    backend: Backend, ledger: Ledger, records: Sequence[VMRecord], deadline: Deadline
) -> InFlightCheck:
    ids = [record.id for record in records]
    return _with_retry(deadline, lambda: InFlightCheck.read(backend, ledger, ids, deadline))


def _with_retry(deadline: Deadline, call: Callable[[], T]) -> T:
    """Repeat the call while the server is unavailable and there is time."""
    while True:
        try:
            return call()
        except LASTING:
            raise
        except PlatformError as error:
            if deadline.remaining <= _RETRY_INTERVAL:
                raise
            logger.warning(f"{RESTORE}: trying again in {_RETRY_INTERVAL:g} s: {error}")
            deadline.sleep(_RETRY_INTERVAL)


@dataclass
class _Restore:
    """Restores VMs one operation after the other, and collects their outcomes."""

    backend: Backend
    ledger: Ledger
    parallel: int
    force: bool
    dry_run: bool
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _next_line_at: float = 0.0  # of the log

    def run(self, records: Sequence[VMRecord], deadline: Deadline) -> None:
        waiting, halfway = records, deadline.elapsed + deadline.remaining / 2
        while waiting:
            try:
                check = _read(self.backend, self.ledger, waiting, deadline)
            except Exception as error:
                if not self.outcomes:
                    raise
                self.record_failure(waiting, error)
                return
            ready, waiting = self.partition(waiting, check, deadline.elapsed >= halfway)
            self.process(ready, check, deadline.share(2) if waiting else deadline)
            self._log_waiting(waiting, check, deadline)
            deadline.sleep(POLL_INTERVAL if waiting else 0)
            if deadline.passed:
                self.time_out(waiting, check, deadline)
                return

    def partition(
        self, waiting: Sequence[VMRecord], check: InFlightCheck, halfway: bool
    ) -> tuple[list[tuple[VMRecord, VM | None]], list[VMRecord]]:
        """The VMs that can be processed now, and those that have to wait."""
        ready, later = [], []
        for old_record in waiting:
            record = check.ledger_state.records.get(old_record.id, old_record)
            vm = check.vms.get(record.id)
            if self.dry_run or self._is_ready(record, vm, check, halfway):
                ready.append((record, vm))
            else:
                later.append(record)
        return ready, later

    def _is_ready(
        self, record: VMRecord, vm: VM | None, check: InFlightCheck, halfway: bool
    ) -> bool:
        if vm is None or is_another_vm(record, vm) or not check.in_flight_reason(vm):
            return True
        if vm.power_state is target_state(record) or not halfway:
            return False
        ours = self.force or vm.power_state in record.possible_states
        return ours and next_operation(record, vm) is not None

    def process(
        self, pairs: Sequence[tuple[VMRecord, VM | None]], check: InFlightCheck, deadline: Deadline
    ) -> None:
        todo: list[tuple[VMRecord, VM]] = []
        check.warn(vm for _, vm in pairs if vm is not None)
        for record, vm in pairs:
            if self.dry_run and vm is not None and (why := check.in_flight_reason(vm)):
                will = f"it {why}: would wait until that has ended, then restore it"
                self.outcomes[record.id] = dry_run_outcome(vm, RESTORE, will)
            elif vm is None or is_another_vm(record, vm):
                again = check.others.get(record.instance_uuid) if record.instance_uuid else None
                self.outcomes[record.id] = gone(record, again)
            elif outcome := self._without_operation(record, vm):
                self.outcomes[record.id] = outcome
            else:
                todo.append((record, vm))
        if self.dry_run:
            self.outcomes |= {record.id: preview(record, vm) for record, vm in todo}
            return
        for _ in range(MAX_OPERATIONS):
            todo = self._apply_next_operations(todo, deadline)
        self.outcomes |= {record.id: cannot_restore(record, vm) for record, vm in todo}

    def _log_waiting(
        self, waiting: Sequence[VMRecord], check: InFlightCheck, deadline: Deadline
    ) -> None:
        """At long intervals: a wait without a word looks like a hang, and gets interrupted."""
        if not waiting or deadline.elapsed < self._next_line_at:
            return
        self._next_line_at = deadline.elapsed + _LOG_INTERVAL
        vm = check.vms[waiting[0].id]
        others = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        logger.info(
            f"{RESTORE}: {vm} {check.in_flight_reason(vm)}{others}: waiting until that is clear, "
            f"for at most {self._seconds_to_wait(waiting, deadline):.0f} s"
        )

    def _seconds_to_wait(self, waiting: Sequence[VMRecord], deadline: Deadline) -> float:
        """Until the requests count as lost; until the deadline for VMs that are changing."""
        shown = self.backend.shows_shutdowns
        seconds = [self.ledger.seconds_in_flight(record, shown) for record in waiting]
        return min(max(seconds), deadline.remaining) if all(seconds) else deadline.remaining

    def time_out(
        self, waiting: Sequence[VMRecord], check: InFlightCheck, deadline: Deadline
    ) -> None:
        """Close the VMs that may still change at the deadline."""
        for record in waiting:
            why = check.in_flight_reason(check.vms[record.id])
            text = f"{why}, after {deadline.elapsed:.0f} s: whether it is restored is unknown"
            self.outcomes[record.id] = not_restored(record, text)

    def record_failure(self, records: Iterable[VMRecord], error: Exception) -> None:
        """Close VMs that could not be read, or to which nothing could be sent."""
        why = f"was not restored: {error_text(error)}"
        self.outcomes |= {record.id: not_restored(record, why) for record in records}

    def _without_operation(self, record: VMRecord, vm: VM) -> Outcome | None:
        """The outcome if no operation is needed or allowed; None otherwise."""
        if vm.power_state is target_state(record):
            return unchanged(record, vm.power_state, detail=f"is {vm.power_state} already")
        if vm.power_state in record.possible_states or self.force:
            reason = self.backend.immutable_reason(vm)
            return unchanged(record, vm.power_state, error=reason) if reason else None
        return unchanged(
            record,
            vm.power_state,
            detail=f"left alone: it is {vm.power_state}, which is not how this run left it, so "
            "something else has changed it since (force=true restores it anyway)",
        )

    def _apply_next_operations(
        self, pairs: Sequence[tuple[VMRecord, VM]], deadline: Deadline
    ) -> list[tuple[VMRecord, VM]]:
        """Apply the next operation to each VM; returns the VMs that need another one.

        Each kind of operation gets its share of the time, so that a VM that does not come back
        does not keep others from being restored.
        """
        groups: dict[Operation | None, list[tuple[VMRecord, VM]]] = {}
        for record, vm in pairs:
            groups.setdefault(next_operation(record, vm), []).append((record, vm))
        impossible = groups.pop(None, [])
        self.outcomes |= {record.id: cannot_restore(record, vm) for record, vm in impossible}
        left: list[tuple[VMRecord, VM]] = []
        for number, (operation, group) in enumerate(groups.items()):
            share = deadline.share(len(groups) - number)
            left += self._operate(operation, group, share) if operation else []
        return left

    def _operate(
        self, operation: Operation, pairs: Sequence[tuple[VMRecord, VM]], deadline: Deadline
    ) -> list[tuple[VMRecord, VM]]:
        vms = [vm for _, vm in pairs]
        logger.info(f"{RESTORE}: {operation} of {len(vms)} VM(s): {listed(vms, _MAX_NAMED)}")
        so_far: dict[str, Outcome] = {}
        try:
            outcomes = _with_retry(deadline, lambda: self._run(operation, vms, deadline, so_far))
        except Exception as error:  # noqa: BLE001  # the other VMs have to be restored all the same
            self.record_failure((record for record, _ in pairs), error)
            return []
        except BaseException:
            self._add_ended([(record, so_far[vm.id]) for record, vm in pairs if vm.id in so_far])
            raise
        self._add_ended([(record, each) for (record, _), each in zip(pairs, outcomes, strict=True)])
        return [
            (record, replace(vm, power_state=each.after))
            for (record, vm), each in zip(pairs, outcomes, strict=True)
            if record.id not in self.outcomes
        ]

    def _add_ended(self, pairs: Iterable[tuple[VMRecord, Outcome]]) -> None:
        """Keep the outcomes after which no further operation follows."""
        for record, outcome in pairs:
            if outcome.failed or outcome.after is target_state(record):
                self.outcomes[record.id] = replace(outcome, operation=RESTORE)

    def _run(
        self,
        operation: Operation,
        vms: Sequence[VM],
        deadline: Deadline,
        so_far: dict[str, Outcome],
    ) -> list[Outcome]:
        seconds = max(deadline.remaining, _MIN_TIME)
        order = Order(
            operation=operation,
            timeout=seconds,
            graceful=operation is Operation.POWER_OFF,
            on_timeout=OnTimeout.HARD,
            parallel=self.parallel,
            is_restore=True,
        )
        own_deadline = Deadline(seconds, self.backend.clock)
        return run_operation(self.backend, vms, order, own_deadline, self.ledger, False, so_far)
