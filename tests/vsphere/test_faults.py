"""What a fault says about the request: not carried out, retry later, or unknown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyVmomi import vim, vmodl

from chaosvm.errors import AnswerLost, Busy, CommandFailed, ConnectionFailed, OperationFailed
from chaosvm.runtime import Deadline
from chaosvm.vm import PowerState
from chaosvm.vsphere import VSpherePlatform
from chaosvm.vsphere.faults import command_error, platform_error
from tests.moments import skip_waits
from tests.vcsim import Vcsim, rule
from tests.vcsim.estate import Estate

VM = "DC0_H0_VM0"
UNKNOWN = ["Timedout", "HostCommunication", "HostNotReachable", "SystemError", "RequestCanceled"]


@pytest.fixture
def sending(vcsim: Vcsim) -> Callable[[], None]:
    """Waits until the first rule has been applied."""

    def wait() -> None:
        while not vcsim.applied()[0]:
            threading.Event().wait(0.01)

    return wait


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (vim.fault.Timedout(), AnswerLost),
        (vmodl.fault.HostCommunication(), AnswerLost),
        (vmodl.fault.HostNotConnected(), AnswerLost),
        (vmodl.fault.HostNotReachable(), AnswerLost),
        (vmodl.fault.SystemError(reason="vpxd stops"), AnswerLost),
        (vmodl.fault.RequestCanceled(), AnswerLost),
        (vmodl.RuntimeFault(), AnswerLost),
        (vim.fault.ConcurrentAccess(), Busy),
        (vim.fault.TaskInProgress(), Busy),
        (vim.fault.InvalidState(), CommandFailed),
        (vmodl.fault.NotSupported(), CommandFailed),
        (vmodl.fault.InvalidArgument(), CommandFailed),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_faults_of_a_command(fault: Exception, kind: type[CommandFailed]) -> None:
    assert type(command_error(fault)) is kind


def test_a_server_in_trouble_may_be_asked_again() -> None:
    assert isinstance(platform_error(vmodl.fault.SystemError()), ConnectionFailed)
    assert not isinstance(platform_error(vim.fault.InvalidState()), ConnectionFailed)


@pytest.mark.parametrize("fault", UNKNOWN)
def test_a_task_with_an_unknown_end_is_reported_as_unknown(
    platform: VSpherePlatform, vcsim: Vcsim, fault: str
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "failed_task", fault=fault))
    with pytest.raises(OperationFailed, match="the outcome is unknown") as caught:
        skip_waits(platform).power_off(VM, graceful=False)
    assert caught.value.outcomes[0].after is PowerState.UNKNOWN


def test_a_reset_whose_end_is_unknown_is_not_repeated(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    vcsim.rules(rule("ResetVM_Task", "failed_task", fault="Timedout"))
    with pytest.raises(OperationFailed, match="unknown whether it rebooted"):
        skip_waits(platform).reboot(VM, graceful=False)
    assert vcsim.requests()["methods"]["ResetVM_Task"] == 1


@pytest.mark.parametrize("fault", ["Timedout", "HostCommunication"])
def test_a_host_that_carries_it_out_later(
    platform: VSpherePlatform,
    estate: Estate,
    vcsim: Vcsim,
    sending: Callable[[], None],
    fault: str,
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", "failed_task", fault=fault))
    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(platform.power_off, VM, graceful=False, timeout=20)
        sending()
        estate.power_off(VM)
        outcome = acting.result()
    assert (outcome.changed, outcome.after) == (True, PowerState.POWERED_OFF)


@pytest.mark.parametrize("manner", ["fault", "failed_task"])
@pytest.mark.parametrize("fault", ["ConcurrentAccess", "SystemError"])
def test_a_temporary_failure_is_retried(
    platform: VSpherePlatform, estate: Estate, vcsim: Vcsim, manner: str, fault: str
) -> None:
    vcsim.rules(rule("PowerOffVM_Task", manner, fault=fault, times=2))
    assert skip_waits(platform).power_off(VM, graceful=False).changed
    assert vcsim.requests()["methods"]["PowerOffVM_Task"] == 3
    assert estate.power_state(VM) == "poweredOff"


@pytest.mark.parametrize("graceful", [False, True], ids=["polled", "pushed"])
def test_a_vcenter_that_restarts_does_not_end_a_batch(
    platform: VSpherePlatform, vcsim: Vcsim, graceful: bool
) -> None:
    platform.list_vms()
    vcsim.rules(
        rule("ResetVM_Task", "slow_task", seconds=1),
        rule("RebootGuest", "guest_after", seconds=3),
        rule("RetrievePropertiesEx", "fault", fault="SystemError", skip=3, times=3),
        rule("WaitForUpdatesEx", "fault", fault="SystemError", skip=1, times=2),
    )
    assert platform.batch_reboot({"host": "DC0_H0"}, graceful=graceful, timeout=30).changed == 2


def test_a_login_while_the_vcenter_restarts_is_tried_again(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    platform.list_vms()
    vcsim.rules(
        rule("PowerOffVM_Task", "fault", fault="NotAuthenticated", times=1),
        rule("Login", "fault", fault="SystemError", times=1),
    )
    assert platform.power_off(VM, graceful=False, timeout=20).changed


def test_only_vms_with_running_tasks_are_busy(platform: VSpherePlatform, vcsim: Vcsim) -> None:
    deadline = Deadline(20)
    vms = platform.backend.inventory(deadline)
    assert platform.backend.busy_vms(vms, deadline) == set()
    busy = next(vm for vm in vms if vm.name == VM)
    vcsim.rules(rule("PowerOffVM_Task", "stuck_task"))
    with pytest.raises(OperationFailed):
        skip_waits(platform).power_off(VM, graceful=False)
    assert platform.backend.busy_vms(vms, deadline) == {busy.id}


def test_an_empty_response_does_not_mean_that_no_vm_is_busy(
    platform: VSpherePlatform, vcsim: Vcsim
) -> None:
    deadline = Deadline(20)
    vms = platform.backend.inventory(deadline)
    vcsim.rules(rule("PowerOffVM_Task", "stuck_task"))
    with pytest.raises(OperationFailed):
        skip_waits(platform).power_off(VM, graceful=False)
    vcsim.expire_sessions()
    assert len(platform.backend.busy_vms(vms, deadline)) == 1
    vcsim.rules(rule("RetrievePropertiesEx", "empty", times=1))
    assert len(platform.backend.busy_vms(vms, deadline)) == 1
