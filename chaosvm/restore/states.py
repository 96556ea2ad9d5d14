"""Which power state a VM is restored to, and which operation comes next on the way there."""

from __future__ import annotations

from chaosvm.backend import Operation
from chaosvm.ledger import VMRecord
from chaosvm.vm import VM, PowerState

__all__ = ["MAX_OPERATIONS", "is_another_vm", "next_operation", "target_state"]

ON, OFF, SUSPENDED = PowerState.POWERED_ON, PowerState.POWERED_OFF, PowerState.SUSPENDED
PAUSED, TRANSITIONING = PowerState.PAUSED, PowerState.TRANSITIONING

# By present and target state: the next operation. Other pairs are impossible.
_OPERATIONS: dict[tuple[PowerState, PowerState], Operation] = {
    (OFF, ON): Operation.POWER_ON,
    (SUSPENDED, ON): Operation.POWER_ON,
    (PAUSED, ON): Operation.POWER_ON,
    (TRANSITIONING, ON): Operation.POWER_ON,
    (TRANSITIONING, OFF): Operation.POWER_OFF,
    (ON, OFF): Operation.POWER_OFF,
    (PAUSED, OFF): Operation.POWER_OFF,
    # Only the run itself can have saved this memory, after it had started the VM.
    (SUSPENDED, OFF): Operation.POWER_ON,
    (ON, SUSPENDED): Operation.SUSPEND,
    (PAUSED, SUSPENDED): Operation.POWER_ON,
    (TRANSITIONING, SUSPENDED): Operation.SUSPEND,
}
MAX_OPERATIONS = 2  # the longest way between two states, such as suspended, on, off


def next_operation(record: VMRecord, vm: VM) -> Operation | None:
    """The next operation towards the target state; None if it cannot be reached."""
    return _OPERATIONS.get((vm.power_state, target_state(record)))


def target_state(record: VMRecord) -> PowerState:
    """The original state or, if that was paused or transitional, the state it led to."""
    if record.original.settled and record.original is not PAUSED:
        return record.original
    if record.status in ("powering_down", "saving_state"):
        return OFF if record.status == "powering_down" else SUSPENDED
    return ON


def is_another_vm(record: VMRecord, vm: VM) -> bool:
    """True if the id belongs to another VM now, as after a vCenter was reinstalled."""
    both = record.instance_uuid and vm.instance_uuid
    return bool(both) and record.instance_uuid != vm.instance_uuid
