"""What an order comes to for a VM in the state it is in, before anything is sent."""

from __future__ import annotations

from chaosvm.backend import Operation, Order, PowerCommand
from chaosvm.ledger import TARGET_STATES
from chaosvm.vm import VM, PowerState

__all__ = ["first_step", "unsupported_reason", "must_wait_for_stable_state", "already_satisfied"]


def already_satisfied(vm: VM, order: Order) -> bool:
    """Is the VM where the order wants it?"""
    reboots = order.operation is Operation.REBOOT
    return not reboots and vm.power_state is TARGET_STATES[order.operation]


def unsupported_reason(vm: VM, order: Order) -> str | None:
    """What no platform can do; what only some can is for them to refuse."""
    if vm.power_state is PowerState.UNKNOWN:
        return f"is in a state that the platform does not know ({vm.status})"
    needs_running = order.operation in (Operation.REBOOT, Operation.SUSPEND)
    if needs_running and vm.power_state is PowerState.POWERED_OFF:
        return f"is {vm.power_state}, and {order.operation} needs a running VM"
    return None


def must_wait_for_stable_state(state: PowerState, order: Order) -> bool:
    """A state that will pass is waited out, except by what cuts it short anyway."""
    cuts = order.operation in (Operation.POWER_OFF, Operation.REBOOT)
    return state is PowerState.TRANSITIONING and (order.graceful or not cuts)


def first_step(state: PowerState, order: Order) -> PowerCommand:
    """What is sent first to a VM in this state."""
    match order.operation:
        case Operation.POWER_ON:
            return PowerCommand.POWER_ON
        case Operation.SUSPEND:
            return PowerCommand.SUSPEND
        case Operation.REBOOT:
            return PowerCommand.REBOOT_GUEST if order.graceful else PowerCommand.RESET
    running = state is PowerState.POWERED_ON
    return PowerCommand.SHUTDOWN_GUEST if order.graceful and running else PowerCommand.POWER_OFF
