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
    if already_satisfied(vm, order):
        return Preview(vm, f"nothing: is {vm.power_state} already")
    if reason := refusal_reason(backend, vm, order):
        return Preview(vm, f"refused: {reason}", refused=reason)
    step = first_command(vm.power_state, order)
    will = _description(backend, vm, order, step)
    if must_wait_for_stable_state(vm.power_state, order):
        will = f"waits until it is not {vm.status} any more, then {will} if that is still needed"
    command = _first_command(backend, vm, order, step)
    return Preview(vm, will, command, changes=True, warning=backend.warning_for(vm, order))


def _first_command(
    backend: Backend, vm: VM, order: Order, step: PowerCommand
) -> PowerCommand | None:
    """The step, or its fallback if the guest is unavailable."""
    if step is not PowerCommand.SHUTDOWN_GUEST or not backend.guest_unavailable(vm):
        return step
    return PowerCommand.POWER_OFF if order.on_timeout is OnTimeout.HARD else None


def _description(backend: Backend, vm: VM, order: Order, step: PowerCommand) -> str:
    if order.operation is Operation.POWER_ON and vm.power_state is PowerState.SUSPENDED:
        return f"{step}, which resumes it"
    if step is not PowerCommand.SHUTDOWN_GUEST:
        return str(step)
    if reason := backend.guest_unavailable(vm):
        return {
            OnTimeout.HARD: f"hard power off, as {reason}",
            OnTimeout.FAIL: f"nothing, and fails, as {reason}",
            OnTimeout.LEAVE: f"nothing, as {reason}",
        }[order.on_timeout]
    after = f"after {order.guest_seconds:g} s"
    return {
        OnTimeout.HARD: f"{step}, then hard power off {after}",
        OnTimeout.FAIL: f"{step}, and fails if it still runs {after}",
        OnTimeout.LEAVE: f"{step}, and is left as it is {after}",
    }[order.on_timeout]
