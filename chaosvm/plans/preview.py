"""What an order would do to a VM in its current state."""

from __future__ import annotations

from dataclasses import dataclass

from chaosvm.backend import Backend, OnTimeout, Operation, Order, PowerCommand
from chaosvm.power import (
    already_satisfied,
    first_command,
    must_wait_for_stable_state,
    refusal_reason,
)
from chaosvm.vm import VM, PowerState

__all__ = ["Preview", "preview"]

# What follows if the guest does not do as requested.
_FALLBACKS = {OnTimeout.HARD: PowerCommand.POWER_OFF, OnTimeout.RESET: PowerCommand.RESET}


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done to one VM; ``refused`` is the reason if nothing may be done."""

    vm: VM
    will: str
    step: PowerCommand | None = None  # what would be sent first
    changes: bool = False  # True if a request would be sent
    refused: str | None = None
    warning: str | None = None


def preview(backend: Backend, vm: VM, order: Order) -> Preview:
    ready = "" if order.wait_for == "power" else f", then waits for {order.goal}"
    if already_satisfied(vm, order):
        is_on = order.operation is Operation.POWER_ON
        return Preview(vm, f"nothing: is {vm.power_state} already{ready if is_on else ''}")
    if reason := refusal_reason(backend, vm, order):
        return Preview(vm, f"refused: {reason}", refused=reason)
    step = first_command(vm.power_state, order)
    back = "" if order.duration is None else f", then off for {order.duration:g} s, then power on"
    will = f"{_description(backend, vm, order, step)}{back}{ready}"
    if must_wait_for_stable_state(vm.power_state, order):
        will = f"waits until it is no longer {vm.status}, then {will} if still needed"
    command = _first_command(backend, vm, order, step)
    return Preview(vm, will, command, changes=True, warning=backend.warning_for(vm, order))


def _first_command(
    backend: Backend, vm: VM, order: Order, step: PowerCommand
) -> PowerCommand | None:
    """The step, or its fallback if the guest is unavailable."""
    if not step.is_guest_command or not backend.guest_unavailable(vm):
        return step
    return _FALLBACKS.get(order.on_timeout)


def _description(backend: Backend, vm: VM, order: Order, step: PowerCommand) -> str:
    if order.operation is Operation.POWER_ON and vm.power_state is PowerState.SUSPENDED:
        return f"{step}, which resumes it"
    if not step.is_guest_command:
        return str(step)
    fallback = _FALLBACKS.get(order.on_timeout)
    if reason := backend.guest_unavailable(vm):
        if fallback is not None:
            return f"{fallback}, as {reason}"
        fails = ", and fails" if order.on_timeout is OnTimeout.FAIL else ""
        return f"nothing{fails}, as {reason}"
    after = f"after {order.guest_seconds:g} s"
    if fallback is not None:
        return f"{step}, then {fallback} {after}"
    if order.on_timeout is OnTimeout.LEAVE:
        return f"{step}, and is left as it is {after}"
    left = "has not rebooted" if order.operation is Operation.REBOOT else "still runs"
    return f"{step}, and fails if it {left} {after}"
