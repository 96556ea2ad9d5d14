"""Puts VMs back into the state they had before a run first touched them.

What to put back is told by the ledger alone, and what is to be done by looking
at the VM: one that is back already is left alone, and so is one whose state is
none of those in which the run can have left it, because then somebody else has
changed it since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from logzero import logger

from chaosvm.deadline import Deadline
from chaosvm.errors import OperationFailed
from chaosvm.history import Touched
from chaosvm.ledger import Ledger
from chaosvm.order import OnTimeout, Operation, Order
from chaosvm.outcome import Batch, How, Outcome, failure_text, not_done
from chaosvm.platform import Platform
from chaosvm.power import carry_out
from chaosvm.settling import settle, unsettled
from chaosvm.vm import VM, PowerState

__all__ = ["judged", "left_changed", "not_restored", "rehearsed", "restore"]

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
}
_LEAST_TIME = 0.1  # seconds
_MOST_STEPS = 2  # the longest way between two states, as in suspended, on, off


def left_changed(ledger: Ledger, platform: str, server: str | None = None) -> list[Touched]:
    """What a ledger has of a platform (and server), the VM touched last first."""
    found = [
        touched
        for touched in ledger.history
        if touched.platform == platform and server in (None, touched.server)
    ]
    return found[::-1]


def restore(
    platform: Platform,
    ledger: Ledger,
    deadline: Deadline,
    parallel: int,
    force: bool = False,
    dry_run: bool = False,
) -> list[Outcome]:
    """One outcome for each VM that the ledger has, the VM touched last first.

    With ``force`` also VMs that somebody else has changed since. With
    ``dry_run`` they only tell what would be done. Raises LedgerError, with
    nothing touched, where it cannot be noted first.
    """
    wanted = left_changed(ledger, platform.name, platform.address)
    if not wanted:
        return []
    ids = [touched.id for touched in wanted]
    found = [vm for vm in platform.inventory(deadline, only=ids) if vm.id in ids]
    late = set() if dry_run else {vm.id for vm in unsettled(platform, found, ledger)}
    now: dict[str, VM | None] = {vm.id: vm for vm in found}
    steps = _Steps(platform, ledger, deadline, parallel, force, dry_run)
    steps.take([(touched, now.get(touched.id)) for touched in wanted if touched.id not in late])
    if late:
        now = settle(platform, [vm for vm in found if vm.id in late], ledger, deadline)
        steps.take([(touched, now[touched.id]) for touched in wanted if touched.id in late])
    return [steps.outcomes[touched.id] for touched in wanted]


def judged(outcomes: Sequence[Outcome]) -> Batch:
    """All of them; raises OperationFailed if a VM is not where it should be."""
    batch = Batch(tuple(outcomes))
    if batch.failed:
        raise OperationFailed(failure_text(RESTORE, outcomes), outcomes)
    return batch


def rehearsed(batch: Batch) -> Batch:
    """The same, told as a dry run."""
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


def _foreseen(touched: Touched, vm: VM) -> Outcome:
    operation = _next_operation((touched, vm))
    if operation is None:
        return _no_way(touched, vm)
    return not_done(vm, RESTORE, f"{operation}, to bring it to {_wanted(touched)}")


@dataclass
class _Steps:
    """Brings VMs back, one operation after the other, and keeps what became of them."""

    platform: Platform
    ledger: Ledger
    deadline: Deadline
    parallel: int
    force: bool
    dry_run: bool
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def take(self, pairs: Sequence[tuple[Touched, VM | None]]) -> None:
        going: list[tuple[Touched, VM]] = []
        for touched, vm in pairs:
            if outcome := self._nothing_to_do(touched, vm):
                self.outcomes[touched.id] = outcome
            elif vm is not None:
                going.append((touched, vm))
        if self.dry_run:
            self.outcomes |= {touched.id: _foreseen(touched, vm) for touched, vm in going}
            return
        for _ in range(_MOST_STEPS):
            going = self._take_one(going)

    def _nothing_to_do(self, touched: Touched, vm: VM | None) -> Outcome | None:
        """The outcome of a VM that is not to be switched; None for one that is."""
        if vm is None or _is_another(touched, vm):
            return _outcome(touched, PowerState.UNKNOWN, error="does not exist any more")
        if vm.power_state is _wanted(touched):
            return _outcome(touched, vm.power_state, detail=f"is {vm.power_state} already")
        if vm.power_state in touched.last.may_have_left or self.force:
            barred = self.platform.untouchable(vm)
            return _outcome(touched, vm.power_state, error=barred) if barred else None
        return _outcome(
            touched,
            vm.power_state,
            detail=f"left alone: it is {vm.power_state}, which is not how this run left it, so "
            "somebody else has changed it since (force=true puts it back all the same)",
        )

    def _take_one(self, going: Sequence[tuple[Touched, VM]]) -> list[tuple[Touched, VM]]:
        """Bring each VM one operation nearer; what is then left to do."""
        left: list[tuple[Touched, VM]] = []
        for operation, group in groupby(going, key=_next_operation):
            pairs = list(group)
            if operation is None:
                self.outcomes |= {touched.id: _no_way(touched, vm) for touched, vm in pairs}
                continue
            names = ", ".join(str(vm) for _, vm in pairs)
            logger.info(f"{RESTORE}: {operation} of {len(pairs)} VM(s): {names}")
            done = carry_out(
                self.platform,
                [vm for _, vm in pairs],
                self._order(operation),
                Deadline(max(self.deadline.remaining, _LEAST_TIME), self.platform.clock),
                self.ledger,
                all_or_none=False,
            )
            for (touched, vm), outcome in zip(pairs, done, strict=True):
                self.outcomes[touched.id] = replace(outcome, operation=RESTORE)
                if not outcome.failed and outcome.after is not _wanted(touched):
                    left.append((touched, replace(vm, power_state=outcome.after)))
        return left

    def _order(self, operation: Operation) -> Order:
        return Order(
            operation=operation,
            timeout=max(self.deadline.remaining, _LEAST_TIME),
            graceful=operation is Operation.POWER_OFF,
            on_timeout=OnTimeout.HARD,
            parallel=self.parallel,
            restores=True,
        )


def _next_operation(pair: tuple[Touched, VM]) -> Operation | None:
    touched, vm = pair
    return _WAYS.get((vm.power_state, _wanted(touched)))


def _wanted(touched: Touched) -> PowerState:
    """Where it is to be brought: what was passing, or paused, is taken for what it led to."""
    if touched.original.settled and touched.original is not PowerState.PAUSED:
        return touched.original
    if touched.status in ("powering_down", "saving_state"):
        return OFF if touched.status == "powering_down" else SUSPENDED
    return ON


def _is_another(touched: Touched, vm: VM) -> bool:
    """A vCenter that was set up anew may give an old id to another VM."""
    both = touched.instance_uuid and vm.instance_uuid
    return bool(both) and touched.instance_uuid != vm.instance_uuid


def _no_way(touched: Touched, vm: VM) -> Outcome:
    why = f"is {vm.power_state}, from where it cannot be brought to {_wanted(touched)}"
    if _wanted(touched) is SUSPENDED:
        why = f"was suspended, and is {vm.power_state}: the memory that was saved is lost"
    return _outcome(touched, vm.power_state, error=why)


def not_restored(touched: Touched, why: str) -> Outcome:
    """Of a VM that could not even be looked at."""
    return _outcome(touched, PowerState.UNKNOWN, error=why)


def _outcome(
    of: Touched | VM, state: PowerState, detail: str | None = None, error: str | None = None
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
