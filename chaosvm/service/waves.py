"""Operates on VMs in waves: each begins when the previous one has ended, after an interval."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from chaosvm.backend import Backend, Order
from chaosvm.errors import ChaosVMError, LedgerError
from chaosvm.ledger import Ledger
from chaosvm.outcome import How, Outcome
from chaosvm.runtime import Deadline
from chaosvm.vm import VM, PowerState

__all__ = [
    "EARLIER_FAILED",
    "Operate",
    "not_touched",
    "pause",
    "run_in_waves",
    "waves_of",
]

logger = logging.getLogger("chaostoolkit")

# Carries out an order on VMs; one outcome for each. With True, they are read again first, as
# those of a later wave.
Operate = Callable[[Sequence[VM], Order, Deadline, bool], list[Outcome]]

_STEP = 0.5  # seconds between two checks for a stop of the call
EARLIER_FAILED = "an earlier wave failed"


def waves_of(vms: Sequence[VM], order: Order) -> list[Sequence[VM]]:
    """The waves; logs a warning if there are fewer than requested."""
    waves = order.waves_of(vms)
    if order.waves > len(waves):
        count = len(waves)
        logger.warning(f"{order.name}: waves is {order.waves}, but {count} VM(s) make only {count}")
    return waves


def run_in_waves(
    backend: Backend,
    ledger: Ledger,
    vms: Sequence[VM],
    order: Order,
    deadline: Deadline,
    operate: Operate,
) -> list[Outcome]:
    """One outcome for each VM. After a failure no further wave begins.

    Each wave but the first, which has ``deadline``, has the order's timeout for itself.
    """
    waves = waves_of(vms, order)
    outcomes: list[Outcome] = []
    clock, started = backend.clock, backend.clock.monotonic()
    for number, wave in enumerate(waves):
        try:
            if number:
                logger.info(f"{order.name}: wave {number} of {len(waves)} is done")
                pause(backend, ledger, order, started + number * order.interval)
                deadline = Deadline(order.timeout, clock)
            outcomes += operate(wave, order, deadline, number > 0)
        except ChaosVMError as error:
            if not outcomes:
                raise
            return outcomes + [not_touched(vm, order, str(error)) for vm in vms[len(outcomes) :]]
        if any(outcome.failed for outcome in outcomes):
            break
    return outcomes + [not_touched(vm, order, EARLIER_FAILED) for vm in vms[len(outcomes) :]]


def pause(backend: Backend, ledger: Ledger, order: Order, until: float) -> None:
    """Sleep until a moment on the backend's clock; raises LedgerError if the call has to stop."""
    while True:
        if why := ledger.blocked_reason(order, backend.name, backend.address):
            raise LedgerError(why)
        left = until - backend.clock.monotonic()
        if left <= 0:
            return
        backend.clock.sleep(min(left, _STEP))


def not_touched(vm: VM, order: Order, why: str) -> Outcome:
    """The outcome of a VM to which nothing was sent."""
    return Outcome(
        name=vm.name,
        id=vm.id,
        platform=vm.platform,
        operation=order.name,
        before=vm.power_state,
        after=PowerState.UNKNOWN,
        changed=False,
        how=How.NONE,
        seconds=0.0,
        error=f"was not touched: {why}",
    )
