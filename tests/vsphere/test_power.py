from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaosvm.backend import PowerCommand
from chaosvm.errors import (
    GuestUnavailable,
    InvalidValue,
    NoSuchVM,
    OperationFailed,
    OperationRefused,
    SelectionError,
)
from chaosvm.outcome import How, Verified
from chaosvm.runtime import Deadline
from chaosvm.service.orders import checked_order
from chaosvm.vm import PowerState
from chaosvm.vsphere import VSpherePlatform
from tests.fakes import FakeClock
from tests.moments import (
    ForwardClock,
    SkippingClock,
    count_from_sending,
    once,
    once_sent,
    skip_waits,
)
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate

VM, OTHER, CLUSTERED = "DC0_H0_VM0", "DC0_H0_VM1", "DC0_C0_RP0_VM0"
CHANGES = {
    "PowerOnVM_Task",
    "PowerOffVM_Task",
    "SuspendVM_Task",
    "ResetVM_Task",
    "ShutdownGuest",
    "RebootGuest",
    "PowerOnMultiVM_Task",
}


def changes_sent(vcsim: Vcsim) -> set[str]:
    return CHANGES & vcsim.requests()["methods"].keys()


def test_off_and_on_again(platform: VSpherePlatform, estate: Estate) -> None:
    off = platform.power_off(VM, graceful=False)
    assert estate.power_state(VM) == "poweredOff"
    assert off.to_json() | {"seconds": 0} == {
        "name": VM,
        "id": estate.moid(VM),
        "platform": "vsphere",
        "operation": "power_off",
        "before": "powered_on",
        "after": "powered_off",
        "changed": True,
        "how": "hard",
        "seconds": 0,
    }
    on = platform.power_on(VM)
    assert estate.power_state(VM) == "poweredOn"
    assert (on.before, on.after, on.changed, on.how) == (
        PowerState.POWERED_OFF,
        PowerState.POWERED_ON,
        True,
        How.HARD,
    )
    assert estate.power_state(OTHER) == "poweredOn"


def test_suspend_and_resume(platform: VSpherePlatform, estate: Estate) -> None:
    assert platform.suspend(VM).after is PowerState.SUSPENDED
    assert estate.power_state(VM) == "suspended"
    resumed = platform.power_on(VM)
    assert (resumed.before, resumed.after) == (PowerState.SUSPENDED, PowerState.POWERED_ON)
    assert estate.power_state(VM) == "poweredOn"


def test_a_vm_that_is_there_already_is_left_alone(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    estate.power_off(OTHER)
    estate.suspend(CLUSTERED)
    for outcome in (platform.power_on(VM), platform.power_off(OTHER), platform.suspend(CLUSTERED)):
        assert (outcome.changed, outcome.how) == (False, How.NONE)
    assert changes_sent(vcsim) == set()


def test_a_guest_shuts_down(platform: VSpherePlatform, estate: Estate, vcsim: Vcsim) -> None:
    vcsim.rules(rule("ShutdownGuest", "guest_after", seconds=0.6))
    outcome = platform.power_off(VM)
    assert (outcome.how, outcome.changed) == (How.GUEST, True)
    assert outcome.seconds >= 0.6
    assert estate.power_state(VM) == "poweredOff"
    assert changes_sent(vcsim) == {"ShutdownGuest"}


def test_a_guest_that_ignores_it_loses_its_power(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("ShutdownGuest", "ignore"))
    platform.backend.clock = clock = ForwardClock()
    once_sent(platform, lambda: clock.put_forward(85))
    outcome = platform.power_off(VM, timeout=100)
    assert (outcome.how, outcome.changed) == (How.FALLBACK_HARD, True)
    assert "did not shut down" in (outcome.detail or "")
    assert 80 <= outcome.seconds <= 100
    assert estate.power_state(VM) == "poweredOff"


def test_a_guest_that_ignores_it_fails_with_on_timeout_fail(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("ShutdownGuest", "ignore"))
    with pytest.raises(OperationFailed, match=f"'{VM}'.*still powered_on.*did not shut down"):
        skip_waits(platform).power_off(VM, on_timeout="fail")
    assert estate.power_state(VM) == "poweredOn"
    assert changes_sent(vcsim) == {"ShutdownGuest"}


def test_a_guest_that_ignores_it_is_left_with_on_timeout_leave(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("ShutdownGuest", "ignore"))
    outcome = skip_waits(platform).power_off(VM, on_timeout="leave")
    assert (outcome.changed, outcome.after) == (False, PowerState.POWERED_ON)
    assert "left as it is" in (outcome.detail or "")
    assert estate.power_state(VM) == "poweredOn"


def test_without_tools_the_power_is_cut(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    estate.set_guest(VM, tools_running=False)
    outcome = platform.power_off(VM)
    assert outcome.how is How.FALLBACK_HARD
    assert "Tools are not running" in (outcome.detail or "")
    assert changes_sent(vcsim) == {"PowerOffVM_Task"}


def test_tools_that_stop_between_read_and_request(platform: VSpherePlatform, vcsim: Vcsim) -> None:
    vcsim.rules(rule("ShutdownGuest", "fault", fault="ToolsUnavailable"))
    assert platform.power_off(VM).how is How.FALLBACK_HARD


def test_an_old_status_of_tools_does_not_prevent_the_request(
    platform: VSpherePlatform, estate: Estate
) -> None:
    """A VM that was waiting for a worker, or for undo, may have booted since."""
    clock = FakeClock()
    order = checked_order("power_off", 300)
    estate.set_guest(VM, tools_running=False)
    vm = platform.backend.inventory(Deadline(20), [VM])[0]
    estate.set_guest(VM, tools_running=True)
    deadline = Deadline(300, clock)
    with pytest.raises(GuestUnavailable):
        platform.backend.send(vm, PowerCommand.SHUTDOWN_GUEST, order, deadline)
    assert estate.power_state(VM) == "poweredOn"
    clock.sleep(6)
    platform.backend.send(vm, PowerCommand.SHUTDOWN_GUEST, order, deadline)
    assert estate.power_state(VM) == "poweredOff"


def test_a_restore_sends_the_guest_request_whatever_the_status_of_tools(
    platform: VSpherePlatform, estate: Estate
) -> None:
    """The status was read before the restoring call began."""
    order = replace(checked_order("power_off", 300), is_restore=True)
    estate.set_guest(VM, tools_running=False)
    vm = platform.backend.inventory(Deadline(20), [VM])[0]
    estate.set_guest(VM, tools_running=True)
    platform.backend.send(vm, PowerCommand.SHUTDOWN_GUEST, order, Deadline(20))
    assert estate.power_state(VM) == "poweredOff"


def test_a_vm_that_reverts_to_its_snapshot_is_warned_of(
    platform: VSpherePlatform, estate: Estate, logs: pytest.LogCaptureFixture
) -> None:
    estate.set(VM, **{"config.flags.snapshotPowerOffBehavior": "revert"})
    (shown,) = platform.plan("power_off", {"names": [VM]}).to_json()["vms"]
    assert "revert to its snapshot" in shown["caution"]
    assert platform.power_off(VM, graceful=False).changed
    assert f"'{VM}' ({estate.moid(VM)}) is set to revert to its snapshot" in logs.text
    assert platform.power_off(OTHER, graceful=False).changed
    assert f"'{OTHER}' ({estate.moid(OTHER)}) is set" not in logs.text


def test_without_tools_and_fallback_nothing_is_done(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    estate.set_guest(VM, tools_running=False)
    with pytest.raises(OperationFailed, match="Tools are not running"):
        platform.power_off(VM, on_timeout="fail")
    assert platform.power_off(VM, on_timeout="leave").changed is False
    assert changes_sent(vcsim) == set()


def test_the_guest_makes_it_just_before_its_power_is_cut(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    vcsim.rules(
        rule("ShutdownGuest", "ignore"),
        rule(
            "PowerOffVM_Task",
            "fault",
            fault="InvalidPowerState",
            requested="poweredOff",
            existing="poweredOff",
        ),
    )
    platform.backend.clock = clock = ForwardClock()
    once_sent(platform, lambda: clock.put_forward(85))
    outcome = platform.power_off(VM, timeout=100)
    assert (outcome.after, outcome.changed, outcome.how) == (
        PowerState.POWERED_OFF,
        True,
        How.GUEST,
    )


def test_a_reset_is_done_when_its_task_is(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("ResetVM_Task", "slow_task", seconds=0.7))
    outcome = platform.reboot(VM, graceful=False)
    assert (outcome.how, outcome.changed) == (How.HARD, True)
    assert outcome.seconds >= 0.7
    assert estate.power_state(VM) == "poweredOn"


def test_a_guest_reboot_is_done_when_tools_went_and_came_back(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("RebootGuest", "guest_after", seconds=1))
    outcome = platform.reboot(VM)
    assert (outcome.how, outcome.changed) == (How.GUEST, True)
    assert outcome.seconds >= 1


def test_a_guest_that_ignores_the_reboot_is_reported_as_unknown(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("RebootGuest", "ignore"))
    with pytest.raises(OperationFailed, match="unknown whether it rebooted") as failed:
        count_from_sending(platform).reboot(VM, timeout=2)
    assert failed.value.outcomes[0].verified is Verified.UNVERIFIED
    assert vcsim.requests()["methods"]["RebootGuest"] == 1


def test_a_reboot_needs_a_running_vm_and_a_guest_reboot_tools(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    estate.power_off(OTHER)
    estate.set_guest(VM, tools_running=False)
    with pytest.raises(OperationRefused, match="needs a running VM"):
        platform.reboot(OTHER, graceful=False)
    with pytest.raises(OperationRefused, match="graceful=false"):
        platform.reboot(VM)
    assert changes_sent(vcsim) == set()


def test_a_suspended_vm_cannot_be_powered_off(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    estate.suspend(VM)
    with pytest.raises(OperationRefused, match=r"suspended.*power it on first"):
        platform.power_off(VM)
    assert changes_sent(vcsim) == set()
    assert estate.power_state(VM) == "suspended"


def test_templates_and_agents_are_refused_by_name(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    estate.mark_template(VM)
    estate.set_managed_by(OTHER, "com.vmware.vim.eam")
    with pytest.raises(OperationRefused, match="is a template"):
        platform.power_on(VM)
    with pytest.raises(OperationRefused, match=r"managed by com\.vmware\.vim\.eam"):
        platform.power_off(OTHER)
    with pytest.raises(OperationRefused, match="is a template"):
        platform.batch_power_on({"names": [VM, CLUSTERED]})
    assert changes_sent(vcsim) == set()


def test_templates_and_agents_are_passed_over_by_patterns(
    platform: VSpherePlatform, estate: Estate
) -> None:
    estate.mark_template(VM)
    estate.set_managed_by(CLUSTERED, "com.vmware.vim.eam")
    batch = platform.batch_power_off({"all": True}, graceful=False)
    assert {outcome.name for outcome in batch.outcomes} == {OTHER, "DC0_C0_RP0_VM1"}
    assert {vm.name for vm, _ in batch.passed_over} == {VM, CLUSTERED}
    assert estate.power_state(CLUSTERED) == "poweredOn"
    with pytest.raises(NoSuchVM, match="is a template"):
        platform.batch_power_on({"name": VM})


def test_a_pending_question_is_reported_before_anything_is_sent(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    estate.set_question(VM, "Moved or copied?")
    with pytest.raises(OperationRefused, match=r"Moved or copied\?"):
        platform.power_off(VM)
    assert changes_sent(vcsim) == set()


@pytest.mark.parametrize(
    ("connection_state", "problem"),
    [
        ("disconnected", "its host is not connected"),
        ("orphaned", "it is no longer registered on its host"),
    ],
)
def test_a_vm_in_an_unknown_state_is_refused_with_the_reason(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim, connection_state: str, problem: str
) -> None:
    estate.set(VM, **{"runtime.connectionState": connection_state})
    with pytest.raises(OperationRefused, match=f"'{VM}' .* is in an unknown .*: {problem}"):
        platform.reboot(VM)
    assert changes_sent(vcsim) == set()


def test_a_question_that_comes_up_is_in_the_error(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "stuck_task"))
    once_sent(platform, lambda: estate.set_question(VM, "Disk full. Go on?"))
    with pytest.raises(OperationFailed, match=r"outcome is unknown.*Disk full\. Go on\?"):
        skip_waits(platform).power_off(VM, graceful=False)


def test_a_task_that_never_ends_is_unknown(platform: VSpherePlatform, vcsim: Vcsim) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "stuck_task"))
    with pytest.raises(OperationFailed, match="the outcome is unknown") as caught:
        skip_waits(platform).power_off(VM, graceful=False)
    (outcome,) = caught.value.outcomes
    assert outcome.after is PowerState.UNKNOWN


def test_a_task_that_fails_says_why(platform: VSpherePlatform, vcsim: Vcsim) -> None:
    vcsim.rules(
        rule(
            "PowerOnVM_Task",
            "failed_task",
            fault="InsufficientResourcesFault",
            message="no host has enough memory",
        )
    )
    platform.power_off(VM, graceful=False)
    with pytest.raises(OperationFailed, match=f"'{VM}'.*(insufficient resources|memory)"):
        platform.power_on(VM)


@pytest.mark.parametrize("times", [1, 3])
def test_a_vm_that_is_busy_is_tried_again(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim, times: int
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "fault", fault="TaskInProgress", times=times))
    assert skip_waits(platform).power_off(VM, graceful=False).changed
    assert vcsim.requests()["methods"]["PowerOffVM_Task"] == times + 1
    assert estate.power_state(VM) == "poweredOff"


def test_a_vm_that_stays_busy_was_not_touched(platform: VSpherePlatform, vcsim: Vcsim) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "fault", fault="TaskInProgress"))
    with pytest.raises(OperationFailed, match=r"was not touched.*another task is running"):
        skip_waits(platform).power_off(VM, graceful=False)


def test_a_missing_privilege_is_named(platform: VSpherePlatform, vcsim: Vcsim) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "fault", fault="NoPermission"))
    with pytest.raises(OperationFailed, match="lacks the privilege"):
        platform.power_off(VM, graceful=False)


def test_a_vm_that_vanishes_while_waiting(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    # It is off already: a running VM is powered off before it is removed, and a poll
    # in between would find it off.
    estate.power_off(VM)
    vcsim.rules(rule("PowerOnVM_Task", "stuck_task"))
    once_sent(platform, lambda: estate.destroy(VM))
    with pytest.raises(OperationFailed, match=f"'{VM}'.*no longer exists") as caught:
        platform.power_on(VM, timeout=60)
    assert caught.value.outcomes[0].seconds < 40


def test_a_vm_that_vanishes_before_the_request(platform: VSpherePlatform, vcsim: Vcsim) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "fault", fault="ManagedObjectNotFound"))
    with pytest.raises(OperationFailed, match="no longer exists"):
        platform.power_off(VM, graceful=False)


def test_a_vm_that_somebody_else_suspends(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("ShutdownGuest", "ignore"))
    once_sent(platform, lambda: estate.suspend(VM))
    with pytest.raises(OperationFailed, match="suspended now: something else changed it"):
        platform.power_off(VM, timeout=60)
    assert estate.power_state(VM) == "suspended"


def test_a_vm_that_somebody_else_powers_off_first(platform: VSpherePlatform, vcsim: Vcsim) -> None:
    vcsim.rules(
        rule(
            "PowerOffVM_Task",
            "fault",
            fault="InvalidPowerState",
            requested="poweredOff",
            existing="poweredOff",
        )
    )
    outcome = platform.power_off(VM, graceful=False)
    assert (outcome.after, outcome.changed) == (PowerState.POWERED_OFF, False)


@pytest.mark.parametrize("manner", ["drop_after", "cut"])
def test_a_lost_answer_is_resolved_by_polling(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim, manner: str
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", manner, times=1))
    assert platform.power_off(VM, graceful=False).changed
    assert estate.power_state(VM) == "poweredOff"
    assert vcsim.requests()["methods"]["PowerOffVM_Task"] == 1


def test_a_lost_request_is_repeated_after_a_poll(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "drop_before", times=1))
    assert platform.power_off(VM, graceful=False).changed
    assert estate.power_state(VM) == "poweredOff"
    assert vcsim.requests()["methods"]["PowerOffVM_Task"] == 2


@pytest.mark.parametrize(("method", "graceful"), [("ResetVM_Task", False), ("RebootGuest", True)])
def test_a_reboot_is_never_sent_twice(
    platform: VSpherePlatform, vcsim: Vcsim, method: str, graceful: bool
) -> None:
    vcsim.rules(rule(method, "drop_before"))
    with pytest.raises(OperationFailed, match="unknown whether it rebooted"):
        skip_waits(platform).reboot(VM, graceful=graceful, timeout=40)
    assert vcsim.requests()["methods"][method] == 1


@pytest.mark.parametrize("manner", ["drop_before", "drop_after", "silent"])
def test_a_failed_poll_is_retried(
    connect: Callable[..., VSpherePlatform], vcsim: Vcsim, manner: str
) -> None:
    platform = connect(timeout=2).connect()
    platform.list_vms()  # so that the only requests are for the name, the VM and polls
    vcsim.rules(
        rule("PowerOffVM_Task", "slow_task", seconds=1),
        rule("RetrievePropertiesEx", manner, skip=2, times=2),
    )
    assert platform.power_off(VM, graceful=False, timeout=30).changed
    assert vcsim.applied() == [1, 2]


@pytest.mark.parametrize("manner", ["drop_before", "drop_after", "silent"])
def test_failed_updates_are_retried(
    connect: Callable[..., VSpherePlatform], estate: Estate, vcsim: Vcsim, manner: str
) -> None:
    """Updates are used when nothing has changed for a while."""
    vcsim.rules(
        rule("ShutdownGuest", "ignore"),
        rule("WaitForUpdatesEx", manner, skip=1, times=2),
    )
    platform = connect(timeout=2)
    platform.backend.clock = SkippingClock()
    with once(lambda: vcsim.applied() == [1, 2], lambda: estate.power_off(VM)):
        assert platform.power_off(VM, timeout=100).how is How.GUEST


def test_a_session_that_ends_while_a_vm_is_watched_does_not_make_it_look_gone(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "slow_task", seconds=1))
    once_sent(platform, vcsim.expire_sessions)
    assert platform.power_off(VM, graceful=False).changed
    assert vcsim.sessions()["logins"] >= 2


def test_every_task_of_a_batch_that_fails_says_why(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    vcsim.rules(
        rule("PowerOffVM_Task", "failed_task", vm=VM, fault="InvalidState", message="not today"),
        rule("PowerOffVM_Task", "slow_task", seconds=1),
    )
    with pytest.raises(OperationFailed, match="not today") as caught:
        platform.batch_power_off({"all": True}, graceful=False)
    failed = [outcome.name for outcome in caught.value.outcomes if outcome.failed]
    assert failed == [VM]
    assert vcsim.requests()["methods"]["RetrievePropertiesEx"] < 40


def test_updates_are_pushed_when_nothing_has_changed_for_a_while(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("ShutdownGuest", "ignore"))

    def waited_for() -> bool:
        return vcsim.requests()["methods"].get("WaitForUpdatesEx", 0) >= 2

    platform.backend.clock = SkippingClock()
    with once(waited_for, lambda: estate.power_off(VM)):
        outcome = platform.power_off(VM, timeout=100)
    assert (outcome.how, outcome.changed) == (How.GUEST, True)
    methods = vcsim.requests()["methods"]
    assert methods["CreateFilter"] == methods["DestroyPropertyCollector"] == 1
    assert methods["WaitForUpdatesEx"] <= 4


def test_what_was_just_read_is_not_read_again_before_it_is_acted_on(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    platform.connect()
    vcsim.rules(rule("RetrievePropertiesEx", "fault", fault="NoPermission", skip=2))
    with pytest.raises(OperationFailed, match="could not be followed, its outcome is unknown"):
        platform.power_off(VM, graceful=False)
    assert changes_sent(vcsim) == {"PowerOffVM_Task"}


def test_a_batch_reports_each_vm(platform: VSpherePlatform, estate: Estate, vcsim: Vcsim) -> None:
    estate.power_off(OTHER)
    vcsim.rules(rule("PowerOffVM_Task", "fault", vm=CLUSTERED, fault="NoPermission"))
    with pytest.raises(OperationFailed) as caught:
        platform.batch_power_off({"all": True}, graceful=False)
    text = str(caught.value)
    assert f"failed for 1 of 4 VMs: '{CLUSTERED}'" in text
    assert f"changed: 'DC0_C0_RP0_VM1' ({estate.moid('DC0_C0_RP0_VM1')}), '{VM}'" in text
    assert f"not changed: '{OTHER}'" in text
    assert [outcome.failed for outcome in caught.value.outcomes].count(True) == 1
    assert estate.power_states() == {
        VM: "poweredOff",
        OTHER: "poweredOff",
        CLUSTERED: "poweredOn",
        "DC0_C0_RP0_VM1": "poweredOff",
    }


def test_the_same_seed_draws_the_same_vms(platform: VSpherePlatform, estate: Estate) -> None:
    selection = {"all": True, "count": 2, "seed": 11}
    off = platform.batch_power_off(selection, graceful=False)
    assert (off.changed, off.seed) == (2, 11)
    on = platform.batch_power_on(selection)
    assert {o.id for o in on.outcomes} == {o.id for o in off.outcomes}
    assert set(estate.power_states().values()) == {"poweredOn"}


@pytest.mark.parametrize(
    "act",
    [
        lambda p: p.power_off("no-such-vm"),
        lambda p: p.power_off(""),
        lambda p: p.power_off("${vm_name}"),
        lambda p: p.power_off(VM, timeout=0),
        lambda p: p.power_off(VM, timeout="soon"),
        lambda p: p.power_off(VM, on_timeout="explode"),
        lambda p: p.power_off(VM, graceful="perhaps"),
        lambda p: p.batch_power_off({}),
        lambda p: p.batch_power_off(None),
        lambda p: p.batch_power_off("all"),
        lambda p: p.batch_power_off({"nmae": "DC0*"}),
        lambda p: p.batch_power_off({"name": "nothing*"}),
        lambda p: p.batch_power_off({"names": [VM, "no-such-vm"]}),
        lambda p: p.batch_power_off({"all": True, "count": 99}),
        lambda p: p.batch_power_off({"all": True, "count": 1, "percent": 10}),
        lambda p: p.batch_power_off({"count": 1}),
        lambda p: p.batch_power_off({"all": True}, parallel=0),
        lambda p: p.batch_power_off({"regex": "("}),
    ],
)
def test_wrong_input_never_changes_anything(
    platform: VSpherePlatform,
    vcsim: Vcsim,
    estate: Estate,
    act: Callable[[VSpherePlatform], object],
) -> None:
    with pytest.raises((InvalidValue, SelectionError)):
        act(platform)
    assert changes_sent(vcsim) == set()
    assert set(estate.power_states().values()) == {"poweredOn"}


def test_a_batch_of_two_hundred_costs_little_more_than_its_requests(
    connect: Callable[..., VSpherePlatform],
) -> None:
    with Vcsim.start(vms=100) as large:
        platform = connect(port=large.port, password=large.password, ca_file=large.ca_file)
        batch = platform.batch_power_off({"all": True}, graceful=False, parallel=20)
        assert (batch.changed, batch.failed) == (200, 0)
        assert large.requests()["total"] <= 250


def test_sixty_cost_little_more_than_a_request_each(
    connect: Callable[..., VSpherePlatform],
) -> None:
    with Vcsim.start(clusters=0, vms=60, delay_ms=5, task_seconds=0.3) as large:
        platform = connect(port=large.port, password=large.password, ca_file=large.ca_file)
        platform.connect()
        large.reset_requests()
        assert platform.batch_power_off({"all": True}, graceful=False, parallel=20).changed == 60
        counted = large.requests()
        assert counted["methods"]["PowerOffVM_Task"] == 60
        assert counted["total"] <= 100
