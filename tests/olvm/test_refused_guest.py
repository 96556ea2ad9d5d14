"""A guest that the engine gave up on, and that gets a second request."""

from __future__ import annotations

from chaosvm.backend import Observation, PowerCommand, Watch
from chaosvm.errors import GuestUnavailable
from chaosvm.lab import Guest, State, World
from chaosvm.olvm import OLVMPlatform
from chaosvm.runtime import Deadline
from chaosvm.service.orders import checked_order
from tests.olvm.conftest import VM

ORDER = checked_order("power_off", 60)


def shut_down(platform: OLVMPlatform, watch: Watch) -> None:
    vm = platform.get_vm(VM)
    watch.track([platform.backend.send(vm, PowerCommand.SHUTDOWN_GUEST, ORDER, Deadline(60))])


def observe(watch: Watch) -> Observation:
    (observation,) = watch.poll(0, Deadline(60))
    return observation


def test_a_guest_that_was_given_up_may_get_another_request(
    platform: OLVMPlatform, world: World
) -> None:
    """That it was up again after the first time says nothing about the second."""
    world.change(VM, guest=Guest.ignores(600))
    with platform.backend.watch([platform.get_vm(VM)], ORDER, Deadline(60)) as watch:
        shut_down(platform, watch)
        assert observe(watch).error is None
        world.change(VM, state=State.RUNNING)
        assert isinstance(observe(watch).error, GuestUnavailable)
        shut_down(platform, watch)
        world.release(VM, State.RUNNING)
        assert observe(watch).error is None
        world.change(VM, state=State.SHUTTING_DOWN)
        assert observe(watch).error is None
        world.change(VM, state=State.RUNNING)
        assert isinstance(observe(watch).error, GuestUnavailable)
