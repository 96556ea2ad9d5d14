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

from chaosvm import journal
from chaosvm.deadline import Deadline
from chaosvm.errors import LASTING, ChaosVMError, OperationFailed, PlatformError
from chaosvm.history import Touched
from chaosvm.ledger import Ledger
from chaosvm.order import OnTimeout, Operation, Order
from chaosvm.outcome import Batch, How, Outcome, failure_text, not_done
from chaosvm.platform import Platform
from chaosvm.power import carry_out
from chaosvm.settling import LOOK_EVERY, Look
from chaosvm.vm import VM, PowerState

__all__ = ["error_text", "judged", "left_changed", "not_restored", "rehearsed", "restore"]

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


def left_changed(ledger: Ledger, platform: str, server: str | None = None) -> list[Touched]:
    """What a ledger has of a platform (and server) now, the VM touched last first."""
    found = [
        touched
        for touched in ledger.touched()
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

    What the run still has under way on this server is stopped. With ``force``
    also VMs that somebody else has changed since. With ``dry_run`` nothing is
    stopped or done, and they only tell what would be. A server that is away for
    a moment is waited for; raises PlatformError where it stays away.
    """
    if not dry_run:
        ledger.stop(platform.name, platform.address, _STOPPED)
    wanted = left_changed(ledger, platform.name, platform.address)
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
        deadline.sleep(LOOK_EVERY if waiting else 0)
        if deadline.passed:
            steps.give_up(waiting, look, deadline)
            break
    return [steps.outcomes[touched.id] for touched in wanted]


def _look(
    platform: Platform, ledger: Ledger, waiting: Sequence[Touched], deadline: Deadline
) -> Look:
    ids = [touched.id for touched in waiting]
    return _patiently(deadline, lambda: Look.at(platform, ledger, ids, deadline))


def _patiently(deadline: Deadline, ask: Callable[[], T]) -> T:
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

    def partition(
        self, waiting: Sequence[Touched], look: Look, halfway: bool
    ) -> tuple[list[tuple[Touched, VM | None]], list[Touched]]:
        """Those about which it can be decided now, and those that are to be waited for."""
        ready, later = [], []
        for touched in waiting:
            now, vm = look.known.touched.get(touched.id, touched), look.vms.get(touched.id)
            if self.dry_run or self._is_ready(now, vm, look, halfway):
                ready.append((now, vm))
            else:
                later.append(now)
        return ready, later

    def _is_ready(self, touched: Touched, vm: VM | None, look: Look, halfway: bool) -> bool:
        if vm is None or _is_another(touched, vm) or not look.unsettled(vm):
            return True
        if vm.power_state is _wanted(touched) or not halfway:
            return False
        ours = self.force or vm.power_state in touched.may_have_left
        return ours and _next_operation((touched, vm)) is not None

    def take(
        self, pairs: Sequence[tuple[Touched, VM | None]], look: Look, deadline: Deadline
    ) -> None:
        going: list[tuple[Touched, VM]] = []
        look.warn(vm for _, vm in pairs if vm is not None)
        for touched, vm in pairs:
            if self.dry_run and vm is not None and (why := look.unsettled(vm)):
                will = f"it {why}: wait until that has ended, and put it back then"
                self.outcomes[touched.id] = not_done(vm, RESTORE, will)
            elif outcome := self._nothing_to_do(touched, vm):
                self.outcomes[touched.id] = outcome
            elif vm is not None:
                going.append((touched, vm))
        if self.dry_run:
            self.outcomes |= {touched.id: _foreseen(touched, vm) for touched, vm in going}
            return
        for _ in range(_MOST_STEPS):
            going = self._take_one(going, deadline)
        self.outcomes |= {touched.id: _no_way(touched, vm) for touched, vm in going}

    def give_up(self, waiting: Sequence[Touched], look: Look, deadline: Deadline) -> None:
        """The time is over, and nobody can tell whether these stay as they are."""
        for touched in waiting:
            why = look.unsettled(look.vms[touched.id])
            told = f"{why}, after {deadline.elapsed:.0f} s: whether it is restored is unknown"
            self.outcomes[touched.id] = not_restored(touched, told)

    def record_failure(self, pairs: Iterable[Touched], error: Exception) -> None:
        """They could not be looked at, or nothing could be sent to them."""
        why = f"was not restored: {error_text(error)}"
        self.outcomes |= {touched.id: not_restored(touched, why) for touched in pairs}

    def _nothing_to_do(self, touched: Touched, vm: VM | None) -> Outcome | None:
        """The outcome of a VM that is not to be switched; None for one that is."""
        if vm is None or _is_another(touched, vm):
            return _outcome(touched, PowerState.UNKNOWN, error="does not exist any more")
        if vm.power_state is _wanted(touched):
            return _outcome(touched, vm.power_state, detail=f"is {vm.power_state} already")
        if vm.power_state in touched.may_have_left or self.force:
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
        except Exception as error:  # noqa: BLE001  # the other VMs are to be restored all the same
            self.record_failure((touched for touched, _ in pairs), error)
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


def error_text(error: Exception) -> str:
    """In words; one that is not ours is logged with the place it came from."""
    if isinstance(error, ChaosVMError):
        return str(error)
    logger.error(f"{RESTORE}: an unexpected error", exc_info=error)
    return f"{type(error).__name__}: {error}"


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
