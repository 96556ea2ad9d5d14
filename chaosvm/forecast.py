"""What an order would do to a VM as it is now, without doing it."""

from __future__ import annotations

from dataclasses import dataclass

from chaosvm.order import OnTimeout, Operation, Order
from chaosvm.platform import Platform, Step
from chaosvm.power import refusal
from chaosvm.precheck import first_step, must_settle, needless
from chaosvm.vm import VM, PowerState

__all__ = ["Forecast", "foresee"]


@dataclass(frozen=True, slots=True)
class Forecast:
    """One VM, and what would become of it: ``refused`` is the reason why nothing may."""

    vm: VM
    will: str
    step: Step | None = None  # what would be sent first
    changes: bool = False  # something would be sent
    refused: str | None = None
    caution: str | None = None


def foresee(platform: Platform, vm: VM, order: Order) -> Forecast:
    """As far as what is known of the VM now tells."""
    if needless(vm, order):
        return Forecast(vm, f"nothing: is {vm.power_state} already")
    if reason := refusal(platform, vm, order):
        return Forecast(vm, f"refused: {reason}", refused=reason)
    step = first_step(vm.power_state, order)
    will = _way(platform, vm, order, step)
    if must_settle(vm.power_state, order):
        will = f"waits until it is not {vm.status} any more, then {will} if that is still needed"
    first = _first(platform, vm, order, step)
    return Forecast(vm, will, first, changes=True, caution=platform.caution(vm, order))


def _first(platform: Platform, vm: VM, order: Order, step: Step) -> Step | None:
    """The step, or what comes in its place where the guest cannot be asked."""
    if step is not Step.SHUTDOWN_GUEST or not platform.guest_unavailable(vm):
        return step
    return Step.POWER_OFF if order.on_timeout is OnTimeout.HARD else None


def _way(platform: Platform, vm: VM, order: Order, step: Step) -> str:
    if order.operation is Operation.POWER_ON and vm.power_state is PowerState.SUSPENDED:
        return f"{step}, which resumes it"
    if step is not Step.SHUTDOWN_GUEST:
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
