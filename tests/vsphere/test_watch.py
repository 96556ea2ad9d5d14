"""The collectors that a watch uses on the server, and how it interprets late responses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyVmomi import vim, vmodl

from chaosvm.backend import CommandHandle, Observation, Order, PowerCommand
from chaosvm.errors import AnswerLost, DeadlinePassed, OperationFailed, ProtocolError
from chaosvm.runtime import Deadline
from chaosvm.service.orders import checked_order
from chaosvm.vm import PowerState
from chaosvm.vsphere import VSpherePlatform
from tests.moments import ForwardClock
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate

NAMES = ["DC0_H0_VM0", "DC0_H0_VM1"]
ORDER = checked_order("power_off", 60, graceful=False)
# A guest reboot uses pushed updates from the start.
REBOOT = checked_order("reboot", 60, graceful=True)
# The fault for an object that no longer exists.
GONE = "ManagedObjectNotFound"


def collectors(vcsim: Vcsim) -> tuple[int, int]:
    """How many were created, and how many destroyed."""
    methods = vcsim.requests()["methods"]
    made = methods.get("CreatePropertyCollector", 0)
    return made, methods.get("DestroyPropertyCollector", 0)


def reads(vcsim: Vcsim) -> int:
    count: int = vcsim.requests()["methods"].get("RetrievePropertiesEx", 0)
    return count


def test_the_result_for_an_unwatched_vm_is_ignored(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    deadline = Deadline(20)
    gone, other = platform.backend.inventory(deadline, NAMES)
    with platform.backend.watch([gone, other], ORDER, deadline) as watch:
        watch.poll(0, deadline)
        tickets = [
            platform.backend.send(vm, PowerCommand.POWER_OFF, ORDER, deadline)
            for vm in (gone, other)
        ]
        estate.destroy(gone.name)
        assert [each.exists for each in watch.poll(0, deadline) if each.vm_id == gone.id] == [False]
        watch.unwatch([gone.id])
        watch.track(tickets)
        assert {each.vm_id: each.ended for each in watch.poll(0, deadline)} == {
            other.id: tickets[1]
        }


def time_out_waiting(platform: VSpherePlatform, times: int) -> None:
    """Each call ends before the server would respond."""
    vms = platform.backend.inventory(Deadline(20), NAMES)
    with platform.backend.watch(vms, REBOOT, Deadline(20)) as watch:
        for _ in range(times):
            assert watch.poll(0, Deadline(20)) is not None
            with pytest.raises(DeadlinePassed):
                watch.poll(8, Deadline(0.7))


def test_a_collector_is_destroyed_after_a_wait_was_cut_short(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    time_out_waiting(platform, times=2)
    assert collectors(vcsim) == (2, 2)
    platform.disconnect()
    assert collectors(vcsim) == (2, 2)


def test_a_missing_collector_does_not_keep_the_others(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("DestroyPropertyCollector", "fault", fault=GONE, times=1))
    time_out_waiting(platform, times=2)
    assert collectors(vcsim) == (2, 2)
    assert vcsim.applied() == [1]


def test_a_server_that_is_silent_is_not_waited_for_long(
    connect: Callable[..., VSpherePlatform], vcsim: Vcsim
) -> None:
    vcsim.rules(rule("DestroyPropertyCollector", "silent"))
    time_out_waiting(connect(timeout=2), times=2)
    assert collectors(vcsim) == (2, 2)


def test_collectors_of_an_old_session_are_not_destroyed(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    vms = platform.backend.inventory(Deadline(20), NAMES)
    with platform.backend.watch(vms, REBOOT, Deadline(20)) as watch:
        watch.poll(0, Deadline(20))
        vcsim.expire_sessions()
        watch.poll(0, Deadline(20))
    assert collectors(vcsim) == (2, 1)


def test_an_invalid_response_leaves_no_collector_behind(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("WaitForUpdatesEx", "html", skip=1, times=2))
    vms = platform.backend.inventory(Deadline(20), NAMES)
    with platform.backend.watch(vms, REBOOT, Deadline(20)) as watch:
        watch.poll(0, Deadline(20))
        with pytest.raises(ProtocolError):
            watch.poll(1, Deadline(20))
        watch.poll(0, Deadline(20))
    assert collectors(vcsim) == (3, 3)


# Polls and pushed updates ----------------------------------------------------------------


class Followed:
    """A watch of one VM and its latest observation."""

    def __init__(self, platform: VSpherePlatform, order: Order) -> None:
        (self.vm,) = platform.backend.inventory(Deadline(20), [NAMES[0]])[:1]
        self.watch = platform.backend.watch([self.vm], order, Deadline(20))
        self._now: Observation | None = None

    def now(self) -> Observation:
        for each in self.watch.poll(0, Deadline(20)):
            self._now = each
        assert self._now is not None
        return self._now


@pytest.fixture(params=[ORDER, REBOOT], ids=["polled", "pushed"])
def followed(request: pytest.FixtureRequest, platform: VSpherePlatform) -> Iterator[Followed]:
    one = Followed(platform, request.param)
    with one.watch:
        yield one


def connection(state: str) -> dict[str, str]:
    return {"runtime.connectionState": vim.VirtualMachine.ConnectionState(state)}


def tools(status: str) -> dict[str, str]:
    return {"guest.toolsRunningStatus": f"guestTools{status}"}


def test_a_vm_whose_host_is_lost_is_in_an_unknown_state(followed: Followed, estate: Estate) -> None:
    assert followed.now().power_state is PowerState.POWERED_ON
    for lost in ("disconnected", "inaccessible", "orphaned"):
        estate.set(NAMES[0], **connection(lost))
        assert followed.now().power_state is PowerState.UNKNOWN
    estate.set(NAMES[0], **connection("connected"))
    assert followed.now().power_state is PowerState.POWERED_ON


def test_tools_that_stop_and_run_again_prove_a_reboot(followed: Followed, estate: Estate) -> None:
    for status in ("ExecutingScripts", "NotRunning", "ExecutingScripts"):
        assert not followed.now().rebooted
        estate.set(NAMES[0], **tools(status))
    assert not followed.now().rebooted
    estate.set(NAMES[0], **tools("Running"))
    assert followed.now().rebooted


def test_tools_that_execute_scripts_have_not_stopped(followed: Followed, estate: Estate) -> None:
    """They do so on a request, whether the guest then reboots or not."""
    followed.now()
    for status in ("ExecutingScripts", "Running"):
        estate.set(NAMES[0], **tools(status))
        assert not followed.now().rebooted


def test_tools_of_a_host_that_is_lost_prove_nothing(followed: Followed, estate: Estate) -> None:
    followed.now()
    estate.set(NAMES[0], **connection("disconnected"), **tools("NotRunning"))
    followed.now()
    estate.set(NAMES[0], **connection("connected"))
    followed.now()
    estate.set(NAMES[0], **tools("Running"))
    assert not followed.now().rebooted


def test_a_shutdown_during_which_the_host_is_lost_is_unknown(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("ShutdownGuest", "ignore"))
    platform.backend.clock = clock = ForwardClock()

    def wait_for(happened: Callable[[], bool]) -> None:
        while not happened():
            assert not acting.done(), acting.result()
            threading.Event().wait(0.01)

    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(platform.power_off, NAMES[0], timeout=100, on_timeout="fail")
        wait_for(lambda: vcsim.applied() == [1])
        estate.set(NAMES[0], **connection("disconnected"))
        before = reads(vcsim)
        # When the second read begins, the first has shown the new state.
        wait_for(lambda: reads(vcsim) >= before + 2)
        clock.put_forward(100)
        with pytest.raises(OperationFailed) as caught:
            acting.result()
    assert caught.value.outcomes[0].after is PowerState.UNKNOWN
    assert "powered_on" not in str(caught.value)


def test_a_response_without_the_root_folder_is_invalid(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    one = Followed(platform, ORDER)
    with one.watch:
        assert one.now().exists
        vcsim.rules(rule("RetrievePropertiesEx", "empty", times=1))
        assert one.now().exists
        assert vcsim.applied() == [1]
        vcsim.rules(rule("RetrievePropertiesEx", "empty"))
        with pytest.raises(ProtocolError, match="shows nothing"):
            one.now()


@pytest.mark.parametrize("kind", ["leave", "missing"])
def test_a_pushed_deletion_is_a_deletion(platform: VSpherePlatform, kind: str) -> None:
    """The property collector sends leave for a deletion now, missingSet for an earlier one."""
    one = Followed(platform, REBOOT)
    update = vmodl.query.PropertyCollector.FilterUpdate()
    machine = vim.VirtualMachine(one.vm.id)
    if kind == "leave":
        update.objectSet = [vmodl.query.PropertyCollector.ObjectUpdate(obj=machine, kind="leave")]
    else:
        update.missingSet = [missing(machine, vmodl.fault.ManagedObjectNotFound(obj=machine))]
    with one.watch as watch:
        assert one.now().exists
        watch._apply_updates([update])
        assert not one.now().exists


def test_a_task_that_the_vcenter_has_forgotten_has_an_unknown_end(followed: Followed) -> None:
    """As after its restart; its end would be waited for in vain."""
    task = vim.Task("task-0")
    forgotten = CommandHandle(followed.vm.id, tracked=True, reference=task)
    followed.now()
    followed.watch.track([forgotten])
    if followed.watch.pushed:  # vcsim does not report it
        lost = missing(task, vmodl.fault.ManagedObjectNotFound(obj=task))
        followed.watch._apply_updates(
            [vmodl.query.PropertyCollector.FilterUpdate(missingSet=[lost])]
        )
    seen = followed.now()
    assert seen.ended is forgotten
    assert isinstance(seen.error, AnswerLost)


@pytest.mark.parametrize("fault", [vim.fault.NoPermission(), vmodl.fault.SystemError()])
def test_a_vm_missing_for_another_reason_is_in_an_unknown_state(
    platform: VSpherePlatform, fault: Exception
) -> None:
    one = Followed(platform, REBOOT)
    update = vmodl.query.PropertyCollector.FilterUpdate(
        missingSet=[missing(vim.VirtualMachine(one.vm.id), fault)]
    )
    with one.watch as watch:
        one.now()
        watch._apply_updates([update])
        assert (one.now().exists, one.now().power_state) == (True, PowerState.UNKNOWN)


def test_a_property_that_becomes_unreadable_does_not_keep_its_value(
    platform: VSpherePlatform,
) -> None:
    one = Followed(platform, REBOOT)
    collector = vmodl.query.PropertyCollector
    lost = collector.MissingProperty(path="runtime.powerState", fault=vim.fault.NoPermission())
    update = collector.ObjectUpdate(
        obj=vim.VirtualMachine(one.vm.id), kind="modify", missingSet=[lost]
    )
    with one.watch as watch:
        one.now()
        watch._apply_updates([collector.FilterUpdate(objectSet=[update])])
        assert one.now().power_state is PowerState.UNKNOWN


def missing(managed: vim.ManagedEntity | vim.Task, fault: Exception) -> object:
    return vmodl.query.PropertyCollector.MissingObject(obj=managed, fault=fault)
