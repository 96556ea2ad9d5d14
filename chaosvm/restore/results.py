"""The outcomes of a restore: for VMs that nothing was done to, for dry runs, for failures."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from chaosvm.errors import INTERRUPTIONS, ChaosVMError, OperationFailed
from chaosvm.ledger import Key, VMRecord
from chaosvm.outcome import Batch, How, Outcome, dry_run_outcome, failure_text
from chaosvm.restore.states import SUSPENDED, next_operation, target_state
from chaosvm.runtime import journal
from chaosvm.vm import VM, PowerState

__all__ = [
    "RESTORE",
    "as_dry_run",
    "cannot_restore",
    "error_text",
    "gone",
    "kept_if_interrupted",
    "not_restored",
    "preview",
    "raise_if_failed",
    "unchanged",
]

logger = logging.getLogger("chaostoolkit")

RESTORE = "restore"


@contextmanager
def kept_if_interrupted(records: Sequence[VMRecord]) -> Iterator[dict[Key, Outcome]]:
    """Collects outcomes, which are also those of an activity that is interrupted."""
    so_far: dict[Key, Outcome] = {}
    try:
        yield so_far
    except INTERRUPTIONS:
        why = "was not restored: the run was interrupted"
        outcomes = [so_far.get(record.key) or not_restored(record, why) for record in records]
        journal.keep_output(Batch(tuple(outcomes)).to_json())
        raise


def raise_if_failed(outcomes: Sequence[Outcome]) -> Batch:
    """The outcomes as a batch; raises OperationFailed if one of them is a failure."""
    batch = Batch(tuple(outcomes))
    if batch.failed:
        journal.keep_output(batch.to_json())
        raise OperationFailed(failure_text(RESTORE, outcomes), outcomes)
    return batch


def as_dry_run(batch: Batch) -> Batch:
    """The batch with its plan; also logs it and marks the run as dry."""
    journal.mark_dry_run()
    planned = [
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
    return replace(batch, plan={"operation": RESTORE, "vms": planned})


def preview(record: VMRecord, vm: VM) -> Outcome:
    """What a restore would do to a VM that is not in its target state."""
    operation = next_operation(record, vm)
    if operation is None:
        return cannot_restore(record, vm)
    return dry_run_outcome(vm, RESTORE, f"{operation}, to bring it to {target_state(record)}")


def cannot_restore(record: VMRecord, vm: VM) -> Outcome:
    """A VM whose target state cannot be reached from its present one."""
    target = target_state(record)
    why = f"is {vm.power_state}, and cannot be brought from there to {target}"
    if target is SUSPENDED:
        why = f"was suspended, and is now {vm.power_state}: its saved memory is lost"
    return unchanged(record, vm.power_state, error=why)


def gone(record: VMRecord, again: VM | None) -> Outcome:
    """A VM that is not there under its id; ``again`` has its instance UUID."""
    why = "no longer exists"
    if again is not None:
        why += (
            f" under this id: it was registered again, as {again}. Bring it to "
            f"{target_state(record)} yourself"
        )
    return not_restored(record, why)


def not_restored(record: VMRecord, why: str) -> Outcome:
    """A VM in an unknown state."""
    return unchanged(record, PowerState.UNKNOWN, error=why)


def error_text(error: Exception) -> str:
    """The message of an error; an unexpected one is also logged with its traceback."""
    if isinstance(error, ChaosVMError):
        return str(error)
    logger.error(f"{RESTORE}: an unexpected error", exc_info=error)
    return f"{type(error).__name__}: {error}"


def unchanged(
    record: VMRecord, state: PowerState, detail: str | None = None, error: str | None = None
) -> Outcome:
    """A VM that nothing was done to."""
    return Outcome(
        name=record.name,
        id=record.id,
        platform=record.platform,
        operation=RESTORE,
        before=state,
        after=state,
        changed=False,
        how=How.NONE,
        seconds=0.0,
        detail=detail,
        error=error,
    )
