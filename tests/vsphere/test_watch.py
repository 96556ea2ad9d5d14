"""What a watch holds at the server, and what it does with what comes late."""

from __future__ import annotations

from chaosvm.deadline import Deadline
from chaosvm.order import Order
from chaosvm.platform import Step
from chaosvm.vsphere import VSpherePlatform
from tests.vcsim import Vcsim
from tests.vcsim.estate import Estate

NAMES = ["DC0_H0_VM0", "DC0_H0_VM1"]
ORDER = Order.checked("power_off", 60, graceful=False)


def test_the_answer_for_a_vm_that_was_forgotten_is_passed_over(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    deadline = Deadline(20)
    gone, other = platform.inventory(deadline, NAMES)
    with platform.watch([gone, other], ORDER, deadline) as watch:
        watch.news(0, deadline)
        tickets = [platform.send(vm, Step.POWER_OFF, ORDER, deadline) for vm in (gone, other)]
        estate.destroy(gone.name)
        assert [each.exists for each in watch.news(0, deadline) if each.vm_id == gone.id] == [False]
        watch.forget([gone.id])
        watch.follow(tickets)
        assert {each.vm_id: each.ended for each in watch.news(0, deadline)} == {
            other.id: tickets[1]
        }
