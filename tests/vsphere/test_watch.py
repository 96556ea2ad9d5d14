"""What a watch holds at the server, and what it does with what comes late."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chaosvm.deadline import Deadline
from chaosvm.errors import DeadlinePassed, ProtocolError
from chaosvm.orders import checked_order
from chaosvm.platform import Step
from chaosvm.vsphere import VSpherePlatform
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate

NAMES = ["DC0_H0_VM0", "DC0_H0_VM1"]
ORDER = checked_order("power_off", 60, graceful=False)
# It is followed by what the server pushes, from the beginning.
REBOOT = checked_order("reboot", 60, graceful=True)
# As the faults are that a server has for what it does not know any more.
GONE = "ManagedObjectNotFound"


def collectors(vcsim: Vcsim) -> tuple[int, int]:
    """How many were made, and how many given back."""
    methods = vcsim.requests()["methods"]
    made = methods.get("CreatePropertyCollector", 0)
    return made, methods.get("DestroyPropertyCollector", 0)


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


def wait_in_vain(platform: VSpherePlatform, times: int) -> None:
    """Each time the call ends before the server's answer to the wait would come."""
    vms = platform.inventory(Deadline(20), NAMES)
    with platform.watch(vms, REBOOT, Deadline(20)) as watch:
        for _ in range(times):
            assert watch.news(0, Deadline(20)) is not None
            with pytest.raises(DeadlinePassed):
                watch.news(8, Deadline(0.7))


def test_what_a_wait_was_cut_short_on_is_given_back(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    wait_in_vain(platform, times=2)
    assert collectors(vcsim) == (2, 2)
    platform.disconnect()
    assert collectors(vcsim) == (2, 2)


def test_a_collector_that_is_gone_does_not_keep_the_others(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("DestroyPropertyCollector", "fault", fault=GONE, times=1))
    wait_in_vain(platform, times=2)
    assert collectors(vcsim) == (2, 2)
    assert vcsim.applied() == [1]


def test_a_server_that_is_silent_is_not_waited_for_long(
    connect: Callable[..., VSpherePlatform], vcsim: Vcsim
) -> None:
    vcsim.rules(rule("DestroyPropertyCollector", "silent"))
    wait_in_vain(connect(timeout=2), times=2)
    assert collectors(vcsim) == (2, 2)


def test_what_went_with_an_old_session_is_left(platform: VSpherePlatform, vcsim: Vcsim) -> None:
    vms = platform.inventory(Deadline(20), NAMES)
    with platform.watch(vms, REBOOT, Deadline(20)) as watch:
        watch.news(0, Deadline(20))
        vcsim.expire_sessions()
        watch.news(0, Deadline(20))
    assert collectors(vcsim) == (2, 1)


def test_an_answer_that_is_none_leaves_nothing_behind(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("WaitForUpdatesEx", "html", skip=1, times=2))
    vms = platform.inventory(Deadline(20), NAMES)
    with platform.watch(vms, REBOOT, Deadline(20)) as watch:
        watch.news(0, Deadline(20))
        with pytest.raises(ProtocolError):
            watch.news(1, Deadline(20))
        watch.news(0, Deadline(20))
    assert collectors(vcsim) == (3, 3)
