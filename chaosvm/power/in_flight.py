"""Waits for what was sent earlier, and whose end nobody saw.

A guest that was asked to shut down still runs for a while; a request whose
answer was lost may still be carried out. Whoever looks at the VM meanwhile
would see a stale state. So before anything else is done to such a VM, it is
given the time to arrive.

The ledger is always read first and the VMs afterwards: what was noted in
between would otherwise look as if somebody else had done it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chaosvm.backend import Backend, Order
from chaosvm.errors import LedgerError
from chaosvm.ledger import Ledger, OperationRecord, VMRecord
from chaosvm.runtime import Deadline
from chaosvm.vm import VM

__all__ = ["LOOK_EVERY", "Look", "wait_for_in_flight", "in_flight"]

logger = logging.getLogger("chaostoolkit")

LOOK_EVERY = 1.0
# Of the time that is left: the rest is for what is to be done.
_MOST_OF_IT = 0.5


@dataclass(frozen=True)
class _Known:
    """What the ledger has of the VMs of a platform at one moment."""

    record: Mapping[str, VMRecord]
    due: frozenset[str]  # something that was sent may take effect yet

    @classmethod
    def now(cls, platform: Backend, ledger: Ledger) -> _Known:
        place = (platform.name, platform.address)
        there = [each for each in ledger.vm_records() if (each.platform, each.server) == place]
        shown = platform.shows_shutdowns
        due = frozenset(each.id for each in there if ledger.seconds_in_flight(each, shown) > 0)
        return cls({each.id: each for each in there}, due)

    def unconfirmed(self, vm: VM) -> list[OperationRecord]:
        """What was sent that would change the state it is in."""
        record = self.record.get(vm.id)
        operations = record.unconfirmed if record is not None else []
        return [
            operation_record
            for operation_record in operations
            if vm.power_state is not operation_record.expected_state
        ]


@dataclass(frozen=True)
class Look:
    """VMs as they are, and what the ledger had of them just before."""

    known: _Known
    vms: Mapping[str, VM]
    busy_vms: frozenset[str]

    @classmethod
    def at(cls, platform: Backend, ledger: Ledger, ids: Iterable[str], deadline: Deadline) -> Look:
        known, wanted = _Known.now(platform, ledger), list(ids)
        found = platform.inventory(deadline, only=wanted)
        vms = {vm.id: vm for vm in found if vm.id in wanted}
        asked = [vm for vm in vms.values() if known.unconfirmed(vm)]
        busy_vms = platform.busy_vms(asked, deadline) if asked else set()
        return cls(known, vms, frozenset(busy_vms))

    def expects(self, vm: VM) -> bool:
        """Is it likely that what was sent to it changes it yet?"""
        likely = vm.id in self.known.due or vm.id in self.busy_vms or not vm.power_state.settled
        return likely and bool(self.known.unconfirmed(vm))

    def in_flight(self, vm: VM) -> str | None:
        """Why it may not stay as it is; None if it does, unless somebody changes it."""
        if not vm.power_state.settled:
            return f"is {vm.power_state} ({vm.status})"
        if self.expects(vm):
            step = self.known.unconfirmed(vm)[-1].command
            return f"is {vm.power_state}, but the {step} that was sent to it may yet be carried out"
        return None

    def warn(self, vms: Iterable[VM]) -> None:
        for vm in vms:
            for operation in self.known.unconfirmed(vm)[-1:]:
                logger.warning(
                    f"{vm} is {vm.power_state}, but a {operation.command} that was sent to it "
                    "earlier, and whose end was not seen, may still be carried out"
                )


def in_flight(platform: Backend, vms: Sequence[VM], ledger: Ledger, order: Order) -> list[VM]:
    """Those of the VMs, read since the call began, that may not be any more as they were read."""
    known = _Known.now(platform, ledger)
    return [
        vm
        for vm in vms
        if known.unconfirmed(vm)
        or ledger.recorded_since(platform.name, platform.address, vm.id, order.begun)
    ]


def wait_for_in_flight(
    platform: Backend, vms: Sequence[VM], ledger: Ledger, deadline: Deadline, order: Order
) -> dict[str, VM | None]:
    """These unsettled VMs, by id, when nothing is under way for them any more.

    None for one that is gone. It takes half of the time left at most; a VM for
    which something may still happen then is warned of. Raises LedgerError as
    soon as the call may not go on.
    """
    latest: dict[str, VM | None] = {vm.id: vm for vm in vms}
    waiting = list(vms)
    names = ", ".join(str(vm) for vm in waiting)
    logger.info(f"looking for the end of what was sent earlier to {names}")
    time = Deadline(deadline.remaining * _MOST_OF_IT, deadline.clock)
    while True:
        look = Look.at(platform, ledger, [vm.id for vm in waiting], deadline)
        latest |= {vm.id: look.vms.get(vm.id) for vm in waiting}
        waiting = [vm for vm in look.vms.values() if look.expects(vm)]
        if not waiting or time.passed:
            break
        if why := ledger.blocked_reason(order, platform.name, platform.address):
            raise LedgerError(why)
        time.sleep(LOOK_EVERY)
    look.warn(look.vms.values())
    return latest
