"""Puts VMs back into the state they had before a run first touched them.

What to put back is told by the ledger alone, and what is to be done by looking
at the VM: one that is back already is left alone, and so is one whose state is
none of those in which the run can have left it, because then somebody else has
changed it since.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from chaosvm import journal
from chaosvm.deadline import Deadline
from chaosvm.errors import (
    CertificateRejected,
    ChaosVMError,
    LoginFailed,
    OperationFailed,
    PermissionDenied,
    PlatformError,
)
from chaosvm.history import Touched
from chaosvm.ledger import Ledger
from chaosvm.order import OnTimeout, Operation, Order
from chaosvm.outcome import Batch, How, Outcome, failure_text, not_done
from chaosvm.platform import Platform
from chaosvm.power import carry_out
from chaosvm.settling import settle, unsettled
from chaosvm.vm import VM, PowerState

__all__ = ["judged", "left_changed", "not_restored", "rehearsed", "restore"]

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
_LEAST_TIME = 0.1  # seconds
_TRY_AGAIN = 2.0
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
    ``dry_run`` they only tell what would be done. A server that is away for a
    moment is waited for; raises PlatformError where it stays away.
    """
    wanted = left_changed(ledger, platform.name, platform.address)
    if not wanted:
        return []
    ids = [touched.id for touched in wanted]
    found = [
        vm
        for vm in _patiently(deadline, lambda: platform.inventory(deadline, only=ids))
        if vm.id in ids
    ]
    late = set() if dry_run else {vm.id for vm in unsettled(platform, found, ledger)}
    now: dict[str, VM | None] = {vm.id: vm for vm in found}
    steps = _Steps(platform, ledger, parallel, force, dry_run)
    ready = [(touched, now.get(touched.id)) for touched in wanted if touched.id not in late]
    steps.take(ready, deadline.share(2) if late else deadline)
    if late:
        waiting = [vm for vm in found if vm.id in late]
        now = _patiently(deadline, lambda: settle(platform, waiting, ledger, deadline))
        steps.take(
            [(touched, now[touched.id]) for touched in wanted if touched.id in late], deadline
        )
    return [steps.outcomes[touched.id] for touched in wanted]


def _patiently(deadline: Deadline, ask: Callable[[], T]) -> T:
    """A server that is away for a moment is asked again, as long as there is time."""
    while True:
        try:
            return ask()
        except (LoginFailed, CertificateRejected, PermissionDenied):
            raise
        except PlatformError as error:
            if deadline.remaining <= _TRY_AGAIN:
                raise
            logger.warning(f"{RESTORE}: trying again in {_TRY_AGAIN:g} s: {error}")
            deadline.sleep(_TRY_AGAIN)


def judged(outcomes: Sequence[Outcome]) -> Batch:
    """All of them; raises OperationFailed if a VM is not where it should be."""
    batch = Batch(tuple(outcomes))
    if batch.failed:
        journal.keep_output(batch.to_json())
        raise OperationFailed(failure_text(RESTORE, outcomes), outcomes)
    return batch


def rehearsed(batch: Batch) -> Batch:
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
    parallel: int
    force: bool
    dry_run: bool
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def take(self, pairs: Sequence[tuple[Touched, VM | None]], deadline: Deadline) -> None:
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
            going = self._take_one(going, deadline)
        self.outcomes |= {touched.id: _no_way(touched, vm) for touched, vm in going}

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

    def _take_one(
        self, going: Sequence[tuple[Touched, VM]], deadline: Deadline
    ) -> list[tuple[Touched, VM]]:
        """Bring each VM one operation nearer; what is then left to do.

        Each kind of operation has its share of the time, so that a VM that does
        not come back does not keep others from doing so.
        """
        groups: dict[Operation | None, list[tuple[Touched, VM]]] = {}
        for touched, vm in going:
            groups.setdefault(_next_operation((touched, vm)), []).append((touched, vm))
        no_way = groups.pop(None, [])
        self.outcomes |= {touched.id: _no_way(touched, vm) for touched, vm in no_way}
        left: list[tuple[Touched, VM]] = []
        for number, (operation, pairs) in enumerate(groups.items()):
            share = deadline.share(len(groups) - number)
            left += self._operate(operation, pairs, share) if operation else []
        return left

    def _operate(
        self, operation: Operation, pairs: Sequence[tuple[Touched, VM]], deadline: Deadline
    ) -> list[tuple[Touched, VM]]:
        names = ", ".join(str(vm) for _, vm in pairs)
        logger.info(f"{RESTORE}: {operation} of {len(pairs)} VM(s): {names}")
        try:
            done = _patiently(deadline, lambda: self._done(operation, pairs, deadline))
        except ChaosVMError as error:
            why = f"was not restored: {error}"
            self.outcomes |= {touched.id: not_restored(touched, why) for touched, _ in pairs}
            return []
        left: list[tuple[Touched, VM]] = []
        for (touched, vm), outcome in zip(pairs, done, strict=True):
            self.outcomes[touched.id] = replace(outcome, operation=RESTORE)
            if not outcome.failed and outcome.after is not _wanted(touched):
                left.append((touched, replace(vm, power_state=outcome.after)))
        return left

    def _done(
        self, operation: Operation, pairs: Sequence[tuple[Touched, VM]], deadline: Deadline
    ) -> list[Outcome]:
        seconds = max(deadline.remaining, _LEAST_TIME)
        order = Order(
            operation=operation,
            timeout=seconds,
            graceful=operation is Operation.POWER_OFF,
            on_timeout=OnTimeout.HARD,
            parallel=self.parallel,
            restores=True,
        )
        return carry_out(
            self.platform,
            [vm for _, vm in pairs],
            order,
            Deadline(seconds, self.platform.clock),
            self.ledger,
            all_or_none=False,
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
