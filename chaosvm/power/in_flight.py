"""Waits for commands that were sent earlier and whose end was not observed.

A guest that is shutting down still runs for a while, and a request whose answer was lost may
still be carried out. Reading such a VM meanwhile would give a stale state, so it gets time to
reach its final one before anything else is done to it.

The ledger is always read before the VMs: in the other order, what is recorded in between would
look like an external change.
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

__all__ = ["InFlightCheck", "POLL_INTERVAL", "in_flight", "wait_for_in_flight"]

logger = logging.getLogger("chaostoolkit")

POLL_INTERVAL = 1.0  # seconds
# The share of the remaining time spent on waiting; the rest is for the operation itself.
_WAIT_SHARE = 0.5


@dataclass(frozen=True)
class _LedgerState:
    """What the ledger has about the VMs of one server at one moment."""

    records: Mapping[str, VMRecord]
    expected_ids: frozenset[str]  # VMs on which a request may still take effect

    @classmethod
    def read(cls, backend: Backend, ledger: Ledger) -> _LedgerState:
        place = (backend.name, backend.address)
        records = [
            record for record in ledger.vm_records() if (record.platform, record.server) == place
        ]
        shows_shutdowns = backend.shows_shutdowns
        expected_ids = frozenset(
            record.id for record in records if ledger.seconds_in_flight(record, shows_shutdowns) > 0
        )
        return cls({record.id: record for record in records}, expected_ids)

    def unconfirmed(self, vm: VM) -> list[OperationRecord]:
        """Unconfirmed operations that would change the VM's present state."""
        record = self.records.get(vm.id)
        operations = record.unconfirmed if record is not None else []
        return [
            operation for operation in operations if vm.power_state is not operation.expected_state
        ]


@dataclass(frozen=True)
class InFlightCheck:
    """VMs in their present states, and what the ledger had about them just before."""

    ledger_state: _LedgerState
    vms: Mapping[str, VM]
    others: Mapping[str, VM]  # what else was read, by instance UUID
    busy_vms: frozenset[str]

    @classmethod
    def read(
        cls, backend: Backend, ledger: Ledger, ids: Iterable[str], deadline: Deadline
    ) -> InFlightCheck:
        ledger_state, vm_ids = _LedgerState.read(backend, ledger), list(ids)
        inventory = backend.inventory(deadline, only=vm_ids)
        vms = {vm.id: vm for vm in inventory if vm.id in vm_ids}
        others = {vm.instance_uuid or "": vm for vm in inventory if vm.id not in vms}
        unconfirmed = [vm for vm in vms.values() if ledger_state.unconfirmed(vm)]
        busy_vms = backend.busy_vms(unconfirmed, deadline) if unconfirmed else set()
        return cls(ledger_state, vms, others, frozenset(busy_vms))

    def expects_change(self, vm: VM) -> bool:
        """True if a command sent earlier is likely to change the VM yet."""
        likely = (
            vm.id in self.ledger_state.expected_ids
            or vm.id in self.busy_vms
            or not vm.power_state.settled
        )
        return likely and bool(self.ledger_state.unconfirmed(vm))

    def in_flight_reason(self, vm: VM) -> str | None:
        """Why the VM's state may change; None if only an external change could do that."""
        if not vm.power_state.settled:
            return f"is {vm.power_state} ({vm.status})"
        if self.expects_change(vm):
            command = self.ledger_state.unconfirmed(vm)[-1].command
            return (
                f"is {vm.power_state}, but the {command} that was sent to it may still be "
                "carried out"
            )
        return None

    def warn(self, vms: Iterable[VM]) -> None:
        for vm in vms:
            for operation in self.ledger_state.unconfirmed(vm)[-1:]:
                logger.warning(
                    f"{vm} is {vm.power_state}, but a {operation.command} that was sent to it "
                    "earlier, and whose end was not observed, may still be carried out"
                )


def in_flight(backend: Backend, vms: Sequence[VM], ledger: Ledger, order: Order) -> list[VM]:
    """The VMs, read since the call began, whose states may be stale."""
    state = _LedgerState.read(backend, ledger)
    return [
        vm
        for vm in vms
        if state.unconfirmed(vm)
        or ledger.recorded_since(backend.name, backend.address, vm.id, order.begun)
    ]


def wait_for_in_flight(
    backend: Backend, vms: Sequence[VM], ledger: Ledger, deadline: Deadline, order: Order
) -> dict[str, VM | None]:
    """Wait until nothing is in flight for these VMs; returns them by id, None if deleted.

    Takes at most half of the remaining time, and logs a warning for each VM that may still
    change then. Raises LedgerError as soon as the call has to stop.
    """
    latest: dict[str, VM | None] = {vm.id: vm for vm in vms}
    waiting = list(vms)
    names = ", ".join(str(vm) for vm in waiting)
    logger.info(f"waiting for the end of earlier requests to {names}")
    wait = Deadline(deadline.remaining * _WAIT_SHARE, deadline.clock)
    while True:
        check = InFlightCheck.read(backend, ledger, [vm.id for vm in waiting], deadline)
        latest |= {vm.id: check.vms.get(vm.id) for vm in waiting}
        waiting = [vm for vm in check.vms.values() if check.expects_change(vm)]
        if not waiting or wait.passed:
            break
        if why := ledger.blocked_reason(order, backend.name, backend.address):
            raise LedgerError(why)
        wait.sleep(POLL_INTERVAL)
    check.warn(check.vms.values())
    return latest
