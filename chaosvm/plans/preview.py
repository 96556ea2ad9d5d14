"""What an order would do to a VM as it is now, without doing it."""

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
    """One VM, and what would become of it: ``refused`` is the reason why nothing may."""

    vm: VM
    will: str
    step: PowerCommand | None = None  # what would be sent first
    changes: bool = False  # something would be sent
    refused: str | None = None
    warning: str | None = None


def preview(platform: Backend, vm: VM, order: Order) -> Preview:
    """As far as what is known of the VM now tells."""
    if already_satisfied(vm, order):
        return Preview(vm, f"nothing: is {vm.power_state} already")
    if reason := refusal_reason(platform, vm, order):
        return Preview(vm, f"refused: {reason}", refused=reason)
    step = first_command(vm.power_state, order)
    will = _way(platform, vm, order, step)
    if must_wait_for_stable_state(vm.power_state, order):
        will = f"waits until it is not {vm.status} any more, then {will} if that is still needed"
    first = _first(platform, vm, order, step)
    return Preview(vm, will, first, changes=True, warning=platform.warning_for(vm, order))


def _first(platform: Backend, vm: VM, order: Order, step: PowerCommand) -> PowerCommand | None:
    """The step, or what comes in its place where the guest cannot be asked."""
    if step is not PowerCommand.SHUTDOWN_GUEST or not platform.guest_unavailable(vm):
        return step
    return PowerCommand.POWER_OFF if order.on_timeout is OnTimeout.HARD else None


def _way(platform: Backend, vm: VM, order: Order, step: PowerCommand) -> str:
    if order.operation is Operation.POWER_ON and vm.power_state is PowerState.SUSPENDED:
        return f"{step}, which resumes it"
    if step is not PowerCommand.SHUTDOWN_GUEST:
        return str(step)
    if deaf := platform.guest_unavailable(vm):
        return {
            OnTimeout.HARD: f"hard power off, as {deaf}",
            OnTimeout.FAIL: f"nothing, and fails, as {deaf}",
            OnTimeout.LEAVE: f"nothing, as {deaf}",
        }[order.on_timeout]
    after = f"after {order.guest_seconds:g} s"
    return {
        OnTimeout.HARD: f"{step}, then hard power off {after}",
        OnTimeout.FAIL: f"{step}, and fails if it still runs {after}",
        OnTimeout.LEAVE: f"{step}, and is left as it is {after}",
    }[order.on_timeout]
