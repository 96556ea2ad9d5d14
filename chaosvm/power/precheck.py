"""The effect of an order on a VM in its present state, before anything is sent."""

from __future__ import annotations

from collections.abc import Callable

from chaosvm.backend import Operation, Order, PowerCommand
from chaosvm.ledger import TARGET_STATES
from chaosvm.vm import VM, PowerState

__all__ = [
    "already_satisfied",
    "first_command",
    "impossible_reason",
    "must_wait_for_stable_state",
]


def already_satisfied(vm: VM, order: Order) -> bool:
    """True if the VM is in the target state; never for a reboot."""
    reboots = order.operation is Operation.REBOOT
    return not reboots and vm.power_state is TARGET_STATES[order.operation]


def impossible_reason(
    vm: VM, order: Order, refusal_reason: Callable[[VM, Order], str | None]
) -> str | None:
    """Why the order is impossible for the VM as it is; ``refusal_reason`` is the backend's."""
    return _unsupported_reason(vm, order) or refusal_reason(vm, order) or _unknown_state_reason(vm)


def _unsupported_reason(vm: VM, order: Order) -> str | None:
    """Why no platform supports the order in this state; a backend may refuse more."""
    needs_running = order.operation in (Operation.REBOOT, Operation.SUSPEND)
    if needs_running and vm.power_state is PowerState.POWERED_OFF:
        return f"is {vm.power_state}, and {order.operation} needs a running VM"
    return None


def _unknown_state_reason(vm: VM) -> str | None:
    """Why nothing can be done to a VM in an unknown state, for a backend without a reason."""
    if vm.power_state is not PowerState.UNKNOWN:
        return None
    return f"is in an unknown power state ({vm.status}): its host may not be connected"


def must_wait_for_stable_state(state: PowerState, order: Order) -> bool:
    """True for a transitional state, unless a hard power off or reset cuts it short anyway."""
    cuts = order.operation in (Operation.POWER_OFF, Operation.REBOOT)
    return state is PowerState.TRANSITIONING and (order.graceful or not cuts)


def first_command(state: PowerState, order: Order) -> PowerCommand:
    """The command to send first to a VM in this state."""
    match order.operation:
        case Operation.POWER_ON:
            return PowerCommand.POWER_ON
        case Operation.SUSPEND:
            return PowerCommand.SUSPEND
        case Operation.REBOOT:
            return PowerCommand.REBOOT_GUEST if order.graceful else PowerCommand.RESET
    running = state is PowerState.POWERED_ON
    return PowerCommand.SHUTDOWN_GUEST if order.graceful and running else PowerCommand.POWER_OFF
