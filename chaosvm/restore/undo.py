"""Puts VMs back into the state they had before a run first touched them.

What to put back is told by the ledger alone, and what is to be done by looking
at the VM: one that is back already is left alone, and so is one whose state is
none of those in which the run can have left it, because then somebody else has
changed it since.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from chaosvm.backend import Backend, OnTimeout, Operation, Order
from chaosvm.errors import LASTING, ChaosVMError, OperationFailed, PlatformError
from chaosvm.ledger import Ledger, VMRecord
from chaosvm.outcome import Batch, How, Outcome, dry_run_outcome, failure_text
from chaosvm.power import POLL_INTERVAL, InFlightCheck, run_operation
from chaosvm.runtime import Deadline, journal
from chaosvm.vm import VM, PowerState

__all__ = [
    "error_text",
    "raise_if_failed",
    "records_to_restore",
    "not_restored",
    "as_dry_run",
    "restore",
]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T")

RESTORE = "restore"

ON, OFF, SUSPENDED = PowerState.POWERED_ON, PowerState.POWERED_OFF, PowerState.SUSPENDED

# From what a VM is to what it was: what to do next. What is not here cannot be done.
_WAYS: dict[tuple[PowerState, PowerState], Operation] = {
    (OFF, ON): Operation.POWER_ON,
    (SUSPENDED, ON): Operation.POWER_ON,
    (PowerState.PAUSED, ON): Operation.POWER_ON,
    (PowerState.TRANSITIONING, ON): Operation.POWER_ON,
    (PowerState.TRANSITIONING, OFF): Operation.POWER_OFF,
    (ON, OFF): Operation.POWER_OFF,
    (PowerState.PAUSED, OFF): Operation.POWER_OFF,
    # Its memory was saved by the run itself, after the run had started it.
    (SUSPENDED, OFF): Operation.POWER_ON,
    (ON, SUSPENDED): Operation.SUSPEND,
    (PowerState.PAUSED, SUSPENDED): Operation.POWER_ON,
    (PowerState.TRANSITIONING, SUSPENDED): Operation.SUSPEND,
}
_STOPPED = "what the run has changed is being put back"
_LEAST_TIME, _TRY_AGAIN = 0.1, 2.0  # seconds
_MOST_STEPS = 2  # the longest way between two states, as in suspended, on, off


def records_to_restore(ledger: Ledger, platform: str, server: str | None = None) -> list[VMRecord]:
    """What a ledger has of a platform (and server) now, the VM touched last first."""
    found = [
        record
        for record in ledger.vm_records()
        if record.platform == platform and server in (None, record.server)
    ]
    return found[::-1]


def restore(
    platform: Backend,
    ledger: Ledger,
    deadline: Deadline,
    parallel: int,
    force: bool = False,
    dry_run: bool = False,
) -> list[Outcome]:
    """One outcome for each VM that the ledger has, the VM touched last first.

    What the run still has under way on this server is stopped. With ``force``
    also VMs that somebody else has changed since. With ``dry_run`` nothing is
    stopped or done, and they only tell what would be. A server that is away for
    a moment is waited for; raises PlatformError where it stays away.
    """
    if not dry_run:
        ledger.stop(platform.name, platform.address, _STOPPED)
    wanted = records_to_restore(ledger, platform.name, platform.address)
    steps = _Steps(platform, ledger, parallel, force, dry_run)
    waiting, halfway = wanted, deadline.elapsed + deadline.remaining / 2
    while waiting:
        try:
            look = _look(platform, ledger, waiting, deadline)
        except Exception as error:
            if not steps.outcomes:
                raise
            steps.record_failure(waiting, error)
            break
        ready, waiting = steps.partition(waiting, look, deadline.elapsed >= halfway)
        steps.take(ready, look, deadline.share(2) if waiting else deadline)
        deadline.sleep(POLL_INTERVAL if waiting else 0)
        if deadline.passed:
            steps.skip(waiting, look, deadline)
            break
    return [steps.outcomes[record.id] for record in wanted]


def _look(
    platform: Backend, ledger: Ledger, waiting: Sequence[VMRecord], deadline: Deadline
) -> InFlightCheck:
    ids = [record.id for record in waiting]
    return _with_retry(deadline, lambda: InFlightCheck.read(platform, ledger, ids, deadline))


def _with_retry(deadline: Deadline, ask: Callable[[], T]) -> T:
    """A server that is away for a moment is asked again, as long as there is time."""
    while True:
        try:
            return ask()
        except LASTING:
            raise
        except PlatformError as error:
            if deadline.remaining <= _TRY_AGAIN:
                raise
            logger.warning(f"{RESTORE}: trying again in {_TRY_AGAIN:g} s: {error}")
            deadline.sleep(_TRY_AGAIN)


def raise_if_failed(outcomes: Sequence[Outcome]) -> Batch:
    """All of them; raises OperationFailed if a VM is not where it should be."""
    batch = Batch(tuple(outcomes))
    if batch.failed:
        journal.keep_output(batch.to_json())
        raise OperationFailed(failure_text(RESTORE, outcomes), outcomes)
    return batch


def as_dry_run(batch: Batch) -> Batch:
    """The same, told as a dry run."""
    journal.mark_dry_run()
    shown = [
        {
            "id": outcome.id,
            "name": outcome.name,
            "power_state": outcome.before.value,
            "will": outcome.detail,
        }
        for outcome in batch.outcomes
    ]
    for outcome in batch.outcomes:
        logger.info(f"{RESTORE}: {outcome}, {outcome.before}: {outcome.detail}")
    return replace(batch, plan={"operation": RESTORE, "vms": shown})


def _foreseen(record: VMRecord, vm: VM) -> Outcome:
    operation = _next_operation((record, vm))
    if operation is None:
        return _no_way(record, vm)
    return dry_run_outcome(vm, RESTORE, f"{operation}, to bring it to {_wanted(record)}")


@dataclass
class _Steps:
    """Brings VMs back, one operation after the other, and keeps what became of them."""

    platform: Backend
    ledger: Ledger
    parallel: int
    force: bool
    dry_run: bool
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def partition(
        self, waiting: Sequence[VMRecord], look: InFlightCheck, halfway: bool
    ) -> tuple[list[tuple[VMRecord, VM | None]], list[VMRecord]]:
        """Those about which it can be decided now, and those that are to be waited for."""
        ready, later = [], []
        for record in waiting:
            now, vm = look.ledger_state.records.get(record.id, record), look.vms.get(record.id)
            if self.dry_run or self._is_ready(now, vm, look, halfway):
                ready.append((now, vm))
            else:
                later.append(now)
        return ready, later

    def _is_ready(
        self, record: VMRecord, vm: VM | None, look: InFlightCheck, halfway: bool
    ) -> bool:
        if vm is None or _is_another(record, vm) or not look.in_flight_reason(vm):
            return True
        if vm.power_state is _wanted(record) or not halfway:
            return False
        ours = self.force or vm.power_state in record.possible_states
        return ours and _next_operation((record, vm)) is not None

    def take(
        self, pairs: Sequence[tuple[VMRecord, VM | None]], look: InFlightCheck, deadline: Deadline
    ) -> None:
        going: list[tuple[VMRecord, VM]] = []
        look.warn(vm for _, vm in pairs if vm is not None)
        for record, vm in pairs:
            if self.dry_run and vm is not None and (why := look.in_flight_reason(vm)):
                will = f"it {why}: wait until that has ended, and put it back then"
                self.outcomes[record.id] = dry_run_outcome(vm, RESTORE, will)
            elif outcome := self._nothing_to_do(record, vm):
                self.outcomes[record.id] = outcome
            elif vm is not None:
                going.append((record, vm))
        if self.dry_run:
            self.outcomes |= {record.id: _foreseen(record, vm) for record, vm in going}
            return
        for _ in range(_MOST_STEPS):
            going = self._take_one(going, deadline)
        self.outcomes |= {record.id: _no_way(record, vm) for record, vm in going}

    def skip(self, waiting: Sequence[VMRecord], look: InFlightCheck, deadline: Deadline) -> None:
        """The time is over, and nobody can tell whether these stay as they are."""
        for record in waiting:
            why = look.in_flight_reason(look.vms[record.id])
            told = f"{why}, after {deadline.elapsed:.0f} s: whether it is restored is unknown"
            self.outcomes[record.id] = not_restored(record, told)

    def record_failure(self, pairs: Iterable[VMRecord], error: Exception) -> None:
        """They could not be looked at, or nothing could be sent to them."""
        why = f"was not restored: {error_text(error)}"
        self.outcomes |= {record.id: not_restored(record, why) for record in pairs}

    def _nothing_to_do(self, record: VMRecord, vm: VM | None) -> Outcome | None:
        """The outcome of a VM that is not to be switched; None for one that is."""
        if vm is None or _is_another(record, vm):
            return _outcome(record, PowerState.UNKNOWN, error="does not exist any more")
        if vm.power_state is _wanted(record):
            return _outcome(record, vm.power_state, detail=f"is {vm.power_state} already")
        if vm.power_state in record.possible_states or self.force:
            barred = self.platform.immutable_reason(vm)
            return _outcome(record, vm.power_state, error=barred) if barred else None
        return _outcome(
            record,
            vm.power_state,
            detail=f"left alone: it is {vm.power_state}, which is not how this run left it, so "
            "somebody else has changed it since (force=true puts it back all the same)",
        )

    def _take_one(
        self, going: Sequence[tuple[VMRecord, VM]], deadline: Deadline
    ) -> list[tuple[VMRecord, VM]]:
        """Bring each VM one operation nearer; what is then left to do.

        Each kind of operation has its share of the time, so that a VM that does
        not come back does not keep others from doing so.
        """
        groups: dict[Operation | None, list[tuple[VMRecord, VM]]] = {}
        for record, vm in going:
            groups.setdefault(_next_operation((record, vm)), []).append((record, vm))
        no_way = groups.pop(None, [])
        self.outcomes |= {record.id: _no_way(record, vm) for record, vm in no_way}
        left: list[tuple[VMRecord, VM]] = []
        for number, (operation, pairs) in enumerate(groups.items()):
            share = deadline.share(len(groups) - number)
            left += self._operate(operation, pairs, share) if operation else []
        return left

    def _operate(
        self, operation: Operation, pairs: Sequence[tuple[VMRecord, VM]], deadline: Deadline
    ) -> list[tuple[VMRecord, VM]]:
        names = ", ".join(str(vm) for _, vm in pairs)
        logger.info(f"{RESTORE}: {operation} of {len(pairs)} VM(s): {names}")
        try:
            done = _with_retry(deadline, lambda: self._done(operation, pairs, deadline))
        except Exception as error:  # noqa: BLE001  # the other VMs are to be restored all the same
            self.record_failure((record for record, _ in pairs), error)
            return []
        left: list[tuple[VMRecord, VM]] = []
        for (record, vm), outcome in zip(pairs, done, strict=True):
            self.outcomes[record.id] = replace(outcome, operation=RESTORE)
            if not outcome.failed and outcome.after is not _wanted(record):
                left.append((record, replace(vm, power_state=outcome.after)))
        return left

    def _done(
        self, operation: Operation, pairs: Sequence[tuple[VMRecord, VM]], deadline: Deadline
    ) -> list[Outcome]:
        seconds = max(deadline.remaining, _LEAST_TIME)
        order = Order(
            operation=operation,
            timeout=seconds,
            graceful=operation is Operation.POWER_OFF,
            on_timeout=OnTimeout.HARD,
            parallel=self.parallel,
            is_restore=True,
        )
        return run_operation(
            self.platform,
            [vm for _, vm in pairs],
            order,
            Deadline(seconds, self.platform.clock),
            self.ledger,
            all_or_none=False,
        )


def _next_operation(pair: tuple[VMRecord, VM]) -> Operation | None:
    record, vm = pair
    return _WAYS.get((vm.power_state, _wanted(record)))


def _wanted(record: VMRecord) -> PowerState:
    """Where it is to be brought: what was passing, or paused, is taken for what it led to."""
    if record.original.settled and record.original is not PowerState.PAUSED:
        return record.original
    if record.status in ("powering_down", "saving_state"):
        return OFF if record.status == "powering_down" else SUSPENDED
    return ON


def _is_another(record: VMRecord, vm: VM) -> bool:
    """A vCenter that was set up anew may give an old id to another VM."""
    both = record.instance_uuid and vm.instance_uuid
    return bool(both) and record.instance_uuid != vm.instance_uuid


def _no_way(record: VMRecord, vm: VM) -> Outcome:
    why = f"is {vm.power_state}, from where it cannot be brought to {_wanted(record)}"
    if _wanted(record) is SUSPENDED:
        why = f"was suspended, and is {vm.power_state}: the memory that was saved is lost"
    return _outcome(record, vm.power_state, error=why)


def not_restored(record: VMRecord, why: str) -> Outcome:
    """Of a VM that could not even be looked at."""
    return _outcome(record, PowerState.UNKNOWN, error=why)


def error_text(error: Exception) -> str:
    """In words; one that is not ours is logged with the place it came from."""
    if isinstance(error, ChaosVMError):
        return str(error)
    logger.error(f"{RESTORE}: an unexpected error", exc_info=error)
    return f"{type(error).__name__}: {error}"


def _outcome(
    of: VMRecord | VM, state: PowerState, detail: str | None = None, error: str | None = None
) -> Outcome:
    """Of a VM to which nothing was done."""
    return Outcome(
        name=of.name,
        id=of.id,
        platform=of.platform,
        operation=RESTORE,
        before=state,
        after=state,
        changed=False,
        how=How.NONE,
        seconds=0.0,
        detail=detail,
        error=error,
    )
