"""Waits for what was sent earlier, and whose end nobody saw.

A guest that was asked to shut down still runs for a while; a request whose
answer was lost may still be carried out. Whoever looks at the VM meanwhile
finds it as it was, and is wrong a moment later. So before anything else is
done to such a VM, it is given the time to arrive.
"""

from __future__ import annotations

from collections.abc import Sequence

from logzero import logger

from chaosvm.deadline import Deadline
from chaosvm.history import Touched
from chaosvm.ledger import Ledger
from chaosvm.platform import Platform
from chaosvm.vm import VM

__all__ = ["settle"]

_LOOK_EVERY = 1.0
# Of the time that is left: the rest is for what is to be done.
_MOST_OF_IT = 0.5


def settle(
    platform: Platform, vms: Sequence[VM], ledger: Ledger, deadline: Deadline
) -> dict[str, VM | None]:
    """These VMs, by id, as they are when nothing is under way for them any more.

    None for one that is gone. It takes half of the time left at most; a VM for
    which something may still happen then is warned of.
    """
    latest: dict[str, VM | None] = {vm.id: vm for vm in vms}
    waiting = _under_way(platform, vms, ledger)
    if not waiting:
        return latest
    names = ", ".join(str(vm) for vm in waiting)
    logger.info(f"waiting for the end of what was sent earlier to {names}")
    time = Deadline(deadline.remaining * _MOST_OF_IT, deadline.clock)
    busy: set[str] = set()
    while True:
        seen = {vm.id: vm for vm in platform.inventory(deadline, only=[vm.id for vm in waiting])}
        latest |= {vm.id: seen.get(vm.id) for vm in waiting}
        there = [now for vm in waiting if (now := latest[vm.id]) is not None]
        busy = platform.busy(there, deadline) if there else set()
        waiting = _under_way(platform, there, ledger, busy)
        if not waiting or time.passed:
            break
        time.sleep(_LOOK_EVERY)
    for vm in latest.values():
        if vm is not None and _may_still_change(platform, vm, ledger, busy):
            logger.warning(
                f"{vm} is {vm.power_state}, but something that was sent to it earlier "
                "may still be carried out"
            )
    return latest


def _under_way(
    platform: Platform, vms: Sequence[VM], ledger: Ledger, busy: set[str] | None = None
) -> list[VM]:
    return [vm for vm in vms if _expected(platform, vm, ledger, busy or set())]


def _expected(platform: Platform, vm: VM, ledger: Ledger, busy: set[str]) -> bool:
    """Is it likely that the VM's state changes because of what was sent?"""
    touched = ledger.history.of(platform.name, platform.address, vm.id)
    if touched is None or not touched.last.open_ended or _arrived(vm, touched):
        return False
    return vm.id in busy or not vm.power_state.settled or ledger.under_way(touched) > 0


def _may_still_change(platform: Platform, vm: VM, ledger: Ledger, busy: set[str]) -> bool:
    touched = ledger.history.of(platform.name, platform.address, vm.id)
    if touched is None or not touched.last.open_ended or _arrived(vm, touched):
        return False
    return vm.id in busy or touched.last.asks_guest or ledger.under_way(touched) > 0


def _arrived(vm: VM, touched: Touched) -> bool:
    return vm.power_state is touched.last.target
