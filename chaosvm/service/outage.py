"""An outage: VMs are taken down, kept off for some time, and powered on again.

A VM that was off before stays off. Whatever ends the call, also a signal, the VMs that
it has taken down are powered on before it ends; the ledger has them for undo and
recovery all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from chaosvm.backend import Backend, Operation, Order
from chaosvm.errors import ChaosVMError, LedgerError, PlatformError
from chaosvm.ledger import Ledger
from chaosvm.listing import listed
from chaosvm.outcome import How, Outcome
from chaosvm.runtime import Deadline
from chaosvm.service.waves import (
    EARLIER_FAILED,
    Operate,
    not_touched,
    pause,
    waves_of,
)
from chaosvm.vm import VM, PowerState

__all__ = ["Outage"]

logger = logging.getLogger("chaostoolkit")

_MAX_NAMED = 3  # in a line of the log
_ROUNDING = 0.001  # of two times that are subtracted
_CHECK_INTERVAL = 10.0  # seconds between two readings of the VMs that are kept off
OFF, ON = PowerState.POWERED_OFF, PowerState.POWERED_ON


@dataclass
class _Wave:
    """VMs that go down together; times are seconds since the outage began."""

    vms: Sequence[VM]
    label: str = ""  # for the log, if there is more than one
    down_at: float = 0.0
    up_at: float = 0.0  # when they are due to be powered on
    down: dict[str, Outcome] = field(default_factory=dict)
    # The VMs that a request was sent to; before that is known, it may be any of them.
    requested: Collection[str] | None = None
    up: dict[str, Outcome] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)  # while they were kept off

    @property
    def taken_down(self) -> list[VM]:
        """The VMs that were running and may not be now, because of the outage."""
        sent_to = [vm for vm in self.vms if self.requested is None or vm.id in self.requested]
        return [vm for vm in sent_to if (each := self.down.get(vm.id)) and _may_be_down(each)]


class Outage:
    """One outage; ``operate`` carries out an order on VMs.

    It adds each outcome to ``so_far``, which gets those of the outage if that is interrupted.
    """

    def __init__(
        self,
        backend: Backend,
        ledger: Ledger,
        order: Order,
        operate: Operate,
        so_far: dict[str, Outcome],
    ) -> None:
        self._backend = backend
        self._ledger = ledger
        self._order = order
        self._operate = operate
        self._so_far = so_far
        self._timer = Deadline(float("inf"), backend.clock)
        self._checked_at = 0.0

    def run(self, vms: Sequence[VM], deadline: Deadline) -> list[Outcome]:
        """One outcome for each VM; ``deadline`` bounds the power off of the first wave."""
        waiting = _labelled(waves_of(vms, self._order))
        begun: list[_Wave] = []
        why = EARLIER_FAILED
        try:
            while (waiting and not _failed(begun)) or self._waves_down(begun):
                if due := [wave for wave in self._waves_down(begun) if wave.up_at <= self._now]:
                    self._end(due)
                elif waiting and not _failed(begun) and self._next_start(begun) <= self._now:
                    if begun:  # each wave has its own timeout
                        deadline = Deadline(self._order.timeout, self._backend.clock)
                    begun.append(waiting.pop(0))
                    self._begin(begun[-1], deadline, is_first=len(begun) == 1)
                else:
                    self._wait(begun, bool(waiting))
        except LedgerError as error:
            if begun and not begun[-1].down:  # it could not be recorded, so nothing was sent
                waiting.insert(0, begun.pop())
            if not begun:
                raise
            why = str(error)
            self._end_early(begun, f"outage: {why}")
        except BaseException:
            try:
                self._end_early(begun, "outage: interrupted")
            finally:
                self._so_far.update({each.id: each for each in self._interrupted(begun)})
            raise
        return self._outcomes(begun) + [
            not_touched(vm, self._order, why) for wave in waiting for vm in wave.vms
        ]

    def _interrupted(self, begun: Sequence[_Wave]) -> list[Outcome]:
        """The outcomes of the waves that have begun; unknown where even the end was interrupted."""
        for wave in self._waves_down(begun):
            why = "the power on was interrupted, its outcome is unknown"
            wave.up = {
                vm.id: replace(not_touched(vm, self._order, ""), error=why)
                for vm in wave.taken_down
            }
        return [
            replace(each, detail=each.detail or "the outage was interrupted")
            for each in self._outcomes([wave for wave in begun if wave.down])
        ]

    @property
    def _now(self) -> float:
        return self._timer.elapsed

    def _waves_down(self, begun: Sequence[_Wave]) -> list[_Wave]:
        return [wave for wave in begun if wave.taken_down and not wave.up]

    def _next_start(self, begun: Sequence[_Wave]) -> float:
        """With an interval waves overlap; without, each begins when the last one is back."""
        if not begun:
            return 0.0
        if self._order.interval > 0:
            return begun[-1].down_at + self._order.interval
        return float("inf") if self._waves_down(begun) else 0.0

    # Going down ------------------------------------------------------------------------

    def _begin(self, wave: _Wave, deadline: Deadline, is_first: bool) -> None:
        wave.down_at = self._now
        # If the operation is interrupted, any of its running VMs may be down.
        wave.down = {vm.id: not_touched(vm, self._order, "interrupted") for vm in wave.vms}
        order = replace(self._order, wait_for="power")
        try:
            outcomes = self._operate(wave.vms, order, deadline, not is_first)
        except ChaosVMError as error:
            if is_first or isinstance(error, LedgerError):
                wave.down = {}
                raise
            outcomes = [not_touched(vm, self._order, str(error)) for vm in wave.vms]
        except BaseException:
            wave.down |= {vm.id: self._so_far[vm.id] for vm in wave.vms if vm.id in self._so_far}
            raise
        wave.requested = self._requested()
        wave.down = {outcome.id: outcome for outcome in outcomes}
        hold = any(each.after is not ON for each in outcomes)
        wave.up_at = self._now + (self._order.duration or 0.0) * hold
        if off := [each for each in outcomes if each.after is OFF]:
            count, seconds = f"{len(off)} VM(s)", f"{self._order.duration:g} s"
            named = listed(off, _MAX_NAMED)
            logger.info(f"outage: {wave.label}{count} are off, for {seconds}: {named}")

    def _requested(self) -> set[str]:
        """The ids of the VMs that a request was sent to, on the way down."""
        call = self._order.call_id
        return {
            record.id
            for record in self._ledger.vm_records()
            if any(each.call == call and each.command is not None for each in record.operations)
        }

    # Holding ---------------------------------------------------------------------------

    def _wait(self, begun: Sequence[_Wave], more: bool) -> None:
        held = self._waves_down(begun)
        moments = [wave.up_at for wave in held]
        if held:
            moments.append(self._checked_at + _CHECK_INTERVAL)
        if more and not _failed(begun):
            moments.append(self._next_start(begun))
        until = self._backend.clock.monotonic() + min(moments) - self._now + _ROUNDING
        pause(self._backend, self._ledger, self._order, until)
        if self._now >= self._checked_at + _CHECK_INTERVAL and held:
            self._check(held)
            left = max(wave.up_at for wave in held) - self._now
            count = sum(len(wave.taken_down) for wave in held)
            if left >= 1:
                logger.info(f"outage: {count} VM(s) kept off, {left:.0f} s left")

    def _check(self, waves: Sequence[_Wave], must_know: bool = False) -> dict[str, VM]:
        """Record which VMs did not stay down; returns all of them as they are."""
        self._checked_at = self._now
        ids = [vm.id for wave in waves for vm in wave.taken_down]
        deadline = Deadline(self._backend.timeout, self._backend.clock)
        try:
            # It may return other VMs, too.
            inventory = self._backend.inventory(deadline, only=ids)
            vms = {vm.id: vm for vm in inventory if vm.id in ids}
        except PlatformError as error:
            if must_know:
                raise
            logger.debug(f"outage: the VMs could not be read: {error}")
            return {}
        for wave in waves:
            for vm in wave.taken_down:
                was_down = wave.down[vm.id].after is OFF
                state = vms[vm.id].power_state if vm.id in vms else None
                if was_down and state is not OFF and vm.id not in wave.problems:
                    wave.problems[vm.id] = self._problem(state, wave.down_at)
        return vms

    def _problem(self, state: PowerState | None, down_at: float) -> str:
        seconds = self._now - down_at
        if state is None:
            return f"was deleted while it was kept off, within {seconds:.0f} s"
        return f"did not stay off: it was {state} again within {seconds:.0f} s"

    # Coming back -----------------------------------------------------------------------

    def _end(self, waves: Sequence[_Wave]) -> None:
        """Verify that the VMs are still down, and power them on."""
        order = Order(
            operation=Operation.POWER_ON,
            timeout=self._order.timeout,
            parallel=self._order.parallel,
            wait_for=self._order.wait_for,
            is_restore=True,
        )
        deadline = Deadline(order.timeout, self._backend.clock)
        started = self._now
        known = {vm.id: vm for wave in waves for vm in wave.taken_down}
        try:
            known |= self._check(waves, must_know=True)
            vms = [*known.values()]
            outcomes = {each.id: each for each in self._operate(vms, order, deadline, False)}
        except ChaosVMError as error:
            why = f"not powered on: {error}"
            outcomes = {
                vm.id: replace(not_touched(vm, order, ""), error=why) for vm in known.values()
            }
        for wave in waves:
            wave.up = {
                vm.id: replace(
                    outcomes[vm.id],
                    seconds=round(started + outcomes[vm.id].seconds, 3),
                    milestones=_later(outcomes[vm.id], started),
                )
                for vm in wave.taken_down
            }

    def _end_early(self, begun: Sequence[_Wave], why: str) -> None:
        if waves := self._waves_down(begun):
            logger.warning(f"{why}; powering on what it has taken down")
            self._end(waves)

    # Outcomes --------------------------------------------------------------------------

    def _outcomes(self, waves: Sequence[_Wave]) -> list[Outcome]:
        return [self._outcome(wave, vm) for wave in waves for vm in wave.vms]

    def _outcome(self, wave: _Wave, vm: VM) -> Outcome:
        down, up = wave.down[vm.id], wave.up.get(vm.id)
        if up is None:
            error = f"was not taken down: {down.error}" if down.error else None
            return replace(down, operation=self._order.name, error=error)
        errors = [
            f"was not taken down: {down.error}" if down.error else None,
            wave.problems.get(vm.id),
            f"did not come back: {up.error}" if up.error else None,
        ]
        was_off = down.after is OFF
        went_down = {"down": round(wave.down_at + down.seconds, 3)} if was_off else {}
        came_back = {} if up.error else {"back": up.seconds}
        return replace(
            down,
            operation=self._order.name,
            missing=up.missing if not any(errors[:2]) else None,
            after=up.after,
            changed=down.changed or up.changed,
            seconds=up.seconds,
            error="; ".join(filter(None, errors)) or None,
            milestones={**went_down, **(up.milestones or {}), **came_back},
        )


def _labelled(waves: Sequence[Sequence[VM]]) -> list[_Wave]:
    if len(waves) == 1:
        return [_Wave(waves[0])]
    return [_Wave(vms, f"wave {number} of {len(waves)}: ") for number, vms in enumerate(waves, 1)]


def _failed(waves: Sequence[_Wave]) -> bool:
    outcomes = [each for wave in waves for each in (*wave.down.values(), *wave.up.values())]
    return any(outcome.failed for outcome in outcomes) or any(wave.problems for wave in waves)


def _may_be_down(outcome: Outcome) -> bool:
    """True if it was running, and is off now or may become so."""
    settled = outcome.after is ON and outcome.how is How.NONE and not outcome.failed
    return outcome.before is not OFF and not settled


def _later(outcome: Outcome, seconds: float) -> dict[str, float] | None:
    """The milestones, counted from an earlier start."""
    reached = outcome.milestones
    return {key: round(at + seconds, 3) for key, at in reached.items()} if reached else None
