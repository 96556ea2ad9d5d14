"""The watch that all of an operation's news come through."""

from __future__ import annotations

from chaosvm.backend import PowerCommand
from chaosvm.runtime import Deadline
from chaosvm.service import VMService
from chaosvm.service.orders import checked_order
from chaosvm.vm import PowerState
from tests.contract.backend import Backend
from tests.contract.estate import Entry, Power
from tests.fakes import FakeClock

ORDER = checked_order("power_off", 60)


def test_the_first_look_tells_every_vm(platform: VMService, backend: Backend) -> None:
    vms = platform.list_vms({"names": ["web-01", "app-01", "db-01"]})
    deadline = Deadline(20)
    with platform.backend.watch(vms, ORDER, deadline) as watch:
        told = {each.vm_id: each.power_state.value for each in watch.poll(0, deadline)}
    assert told == {
        backend.ids["web-01"]: "powered_on",
        backend.ids["app-01"]: "powered_off",
        backend.ids["db-01"]: "suspended",
    }


def test_a_change_is_told(platform: VMService, backend: Backend) -> None:
    vms = platform.list_vms({"name": "web-*"})
    deadline = Deadline(20)
    with platform.backend.watch(vms, ORDER, deadline) as watch:
        watch.poll(0, deadline)
        platform.backend.send(vms[0], PowerCommand.POWER_OFF, ORDER, deadline)
        states: dict[str, PowerState] = {}
        while states.get(vms[0].id) is not PowerState.POWERED_OFF and not deadline.passed:
            states |= {each.vm_id: each.power_state for each in watch.poll(1, deadline)}
    assert states[vms[0].id] is PowerState.POWERED_OFF
    assert states.get(vms[1].id, PowerState.POWERED_ON) is PowerState.POWERED_ON


def test_a_look_comes_before_the_end_of_the_deadline(platform: VMService, backend: Backend) -> None:
    vms = [platform.get_vm("web-01")]
    deadline = Deadline(0.9, FakeClock())
    with platform.backend.watch(vms, ORDER, deadline) as watch:
        watch.poll(0, deadline)
        backend.switch_off("web-01")
        (seen,) = watch.poll(deadline.remaining, deadline)
    assert seen.power_state is PowerState.POWERED_OFF


def test_a_vm_that_is_gone_is_told(platform: VMService, backend: Backend) -> None:
    backend.add(Entry(name="late-01", power=Power.OFF))
    gone, stays = (platform.get_vm(name) for name in ("late-01", "app-01"))
    backend.remove("late-01")
    deadline = Deadline(20)
    with platform.backend.watch([gone, stays], ORDER, deadline) as watch:
        told = {each.vm_id: each.exists for each in watch.poll(0, deadline)}
    assert told == {gone.id: False, stays.id: True}
