"""Puts VMs back into the state they had before a run first touched them.

What to put back is told by the ledger alone, and what is to be done by looking
at the VM: one that is back already is left alone, and so is one whose state is
none of those in which the run can have left it, because then somebody else has
changed it since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from logzero import logger

from chaosvm.deadline import Deadline
from chaosvm.errors import OperationFailed, OperationRefused
from chaosvm.history import Touched
from chaosvm.ledger import Ledger
from chaosvm.order import OnTimeout, Operation, Order
from chaosvm.outcome import Batch, How, Outcome, failure_text
from chaosvm.platform import Platform
from chaosvm.power import carry_out
from chaosvm.settling import settle
from chaosvm.vm import VM, PowerState

__all__ = ["judged", "left_changed", "not_restored", "restore"]

RESTORE = "restore"

ON, OFF, SUSPENDED = PowerState.POWERED_ON, PowerState.POWERED_OFF, PowerState.SUSPENDED

# From what a VM is to what it was: what to do next. What is not here cannot be done.
_WAYS: dict[tuple[PowerState, PowerState], Operation] = {
    (OFF, ON): Operation.POWER_ON,
    (SUSPENDED, ON): Operation.POWER_ON,
    (PowerState.PAUSED, ON): Operation.POWER_ON,
    (ON, OFF): Operation.POWER_OFF,
    (PowerState.PAUSED, OFF): Operation.POWER_OFF,
    # Its memory was saved by the run itself, after the run had started it.
    (SUSPENDED, OFF): Operation.POWER_ON,
    (ON, SUSPENDED): Operation.SUSPEND,
    (PowerState.PAUSED, SUSPENDED): Operation.POWER_ON,
}
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
    platform: Platform, ledger: Ledger, deadline: Deadline, parallel: int, force: bool = False
) -> list[Outcome]:
    """One outcome for each VM that the ledger has, the VM touched last first.

    With ``force`` also VMs that somebody else has changed since. Raises
    LedgerError, with nothing touched, where it cannot be noted first.
    """
    wanted = left_changed(ledger, platform.name, platform.address)
    if not wanted:
        return []
    ids = [touched.id for touched in wanted]
    found = {vm.id: vm for vm in platform.inventory(deadline, only=ids) if vm.id in ids}
    now = settle(platform, list(found.values()), ledger, deadline)
    outcomes: dict[str, Outcome] = {}
    going: list[tuple[Touched, VM]] = []
    for touched in wanted:
        vm = now.get(touched.id)
        reason = _nothing_to_do(touched, vm, platform, force)
        if reason is not None:
            outcomes[touched.id] = reason
        elif vm is not None:
            going.append((touched, vm))
    for _ in range(_MOST_STEPS):
        going = _take_a_step(platform, ledger, deadline, parallel, going, outcomes)
    return [outcomes[touched.id] for touched in wanted]


def judged(outcomes: Sequence[Outcome]) -> Batch:
    """All of them; raises OperationFailed if a VM is not where it should be."""
    batch = Batch(tuple(outcomes))
    if batch.failed:
        raise OperationFailed(failure_text(RESTORE, outcomes), outcomes)
    return batch


def _nothing_to_do(
    touched: Touched, vm: VM | None, platform: Platform, force: bool
) -> Outcome | None:
    """The outcome of a VM that is not to be switched; None for one that is."""
    if vm is None or _is_another(touched, vm):
        return _outcome(touched, PowerState.UNKNOWN, error="does not exist any more")
    if vm.power_state is _wanted(touched):
        return _outcome(touched, vm.power_state, detail=f"is {vm.power_state} already")
    if vm.power_state in touched.last.may_have_left or force:
        barred = platform.untouchable(vm)
        return _outcome(touched, vm.power_state, error=barred) if barred else None
    return _outcome(
        touched,
        vm.power_state,
        detail=f"left alone: it is {vm.power_state}, which is not how this run left it, so "
        "somebody else has changed it since (force=true puts it back all the same)",
    )


def _take_a_step(
    platform: Platform,
    ledger: Ledger,
    deadline: Deadline,
    parallel: int,
    going: Sequence[tuple[Touched, VM]],
    outcomes: dict[str, Outcome],
) -> list[tuple[Touched, VM]]:
    """Bring each VM one operation nearer; what is then left to do."""
    left: list[tuple[Touched, VM]] = []
    for operation, group in groupby(going, key=_next_operation):
        pairs = list(group)
        if operation is None:
            for touched, vm in pairs:
                outcomes[touched.id] = _outcome(touched, vm.power_state, error=_no_way(touched, vm))
            continue
        names = ", ".join(str(vm) for _, vm in pairs)
        logger.info(f"{RESTORE}: {operation} of {len(pairs)} VM(s): {names}")
        order = Order(
            operation=operation,
            timeout=max(deadline.remaining, 0.1),
            graceful=operation is Operation.POWER_OFF,
            on_timeout=OnTimeout.HARD,
            parallel=parallel,
            restores=True,
        )
        done = _carried_out(platform, [vm for _, vm in pairs], order, ledger)
        for touched, vm in pairs:
            outcome = done[vm.id]
            outcomes[touched.id] = replace(outcome, operation=RESTORE)
            if not outcome.failed and outcome.after is not _wanted(touched):
                left.append((touched, replace(vm, power_state=outcome.after)))
    return left


def _carried_out(
    platform: Platform, vms: Sequence[VM], order: Order, ledger: Ledger
) -> dict[str, Outcome]:
    """One that is refused does not keep the others from being put back."""
    try:
        outcomes = carry_out(platform, vms, order, Deadline(order.timeout, platform.clock), ledger)
        return {outcome.id: outcome for outcome in outcomes}
    except OperationRefused as refused:
        if len(vms) == 1:
            vm = vms[0]
            return {vm.id: _outcome(vm, vm.power_state, error=str(refused))}
    return {
        vm_id: outcome
        for vm in vms
        for vm_id, outcome in _carried_out(platform, [vm], order, ledger).items()
    }


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


def _no_way(touched: Touched, vm: VM) -> str:
    if _wanted(touched) is SUSPENDED:
        return f"was suspended, and is {vm.power_state}: the memory that was saved is lost"
    return f"is {vm.power_state}, from where it cannot be brought to {_wanted(touched)}"


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
