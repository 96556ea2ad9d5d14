"""Waits for what was sent earlier, and whose end nobody saw.

A guest that was asked to shut down still runs for a while; a request whose
answer was lost may still be carried out. Whoever looks at the VM meanwhile
finds it as it was, and is wrong a moment later. So before anything else is
done to such a VM, it is given the time to arrive.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from chaosvm.deadline import Deadline
from chaosvm.history import Touched
from chaosvm.ledger import Ledger
from chaosvm.platform import Platform
from chaosvm.vm import VM

__all__ = ["settle", "unsettled"]

logger = logging.getLogger("chaostoolkit")

_LOOK_EVERY = 1.0
# Of the time that is left: the rest is for what is to be done.
_MOST_OF_IT = 0.5


def unsettled(platform: Platform, vms: Sequence[VM], ledger: Ledger) -> list[VM]:
    """Those of the VMs for which something may be under way."""
    return [vm for vm in vms if _open_ended(platform, vm, ledger)]


def settle(
    platform: Platform, vms: Sequence[VM], ledger: Ledger, deadline: Deadline
) -> dict[str, VM | None]:
    """These unsettled VMs, by id, when nothing is under way for them any more.

    None for one that is gone. It takes half of the time left at most; a VM for
    which something may still happen then is warned of.
    """
    latest: dict[str, VM | None] = {vm.id: vm for vm in vms}
    waiting = list(vms)
    names = ", ".join(str(vm) for vm in waiting)
    logger.info(f"looking for the end of what was sent earlier to {names}")
    time = Deadline(deadline.remaining * _MOST_OF_IT, deadline.clock)
    while True:
        seen = {vm.id: vm for vm in platform.inventory(deadline, only=[vm.id for vm in waiting])}
        latest |= {vm.id: seen.get(vm.id) for vm in waiting}
        there = [now for vm in waiting if (now := latest[vm.id]) is not None]
        busy = platform.busy(there, deadline) if there else set()
        open_ended = [vm for vm in there if _open_ended(platform, vm, ledger)]
        waiting = [vm for vm in open_ended if _expected(platform, vm, ledger, busy)]
        if not waiting or time.passed:
            break
        time.sleep(_LOOK_EVERY)
    _warn(platform, open_ended, ledger)
    return latest


def _touched(platform: Platform, vm: VM, ledger: Ledger) -> Touched | None:
    return ledger.history.of(platform.name, platform.address, vm.id)


def _open_ended(platform: Platform, vm: VM, ledger: Ledger) -> bool:
    """Was something sent last that would change the state it is in?"""
    touched = _touched(platform, vm, ledger)
    if touched is None or not touched.last.open_ended:
        return False
    return vm.power_state is not touched.last.aims_at


def _expected(platform: Platform, vm: VM, ledger: Ledger, busy: set[str]) -> bool:
    """Is it likely that it happens yet?"""
    touched = _touched(platform, vm, ledger)
    due = touched is not None and ledger.under_way(touched) > 0
    return due or vm.id in busy or not vm.power_state.settled


def _warn(platform: Platform, open_ended: Sequence[VM], ledger: Ledger) -> None:
    for vm in open_ended:
        if (touched := _touched(platform, vm, ledger)) is not None:
            logger.warning(
                f"{vm} is {vm.power_state}, but a {touched.last.step} that was sent to it earlier, "
                "and whose end was not seen, may still be carried out"
            )
