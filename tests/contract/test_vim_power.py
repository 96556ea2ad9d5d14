"""Switching VMs as plain pyvmomi scripts do: tasks and faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl

from tests.contract.backend import VCenter
from tests.contract.estate import Entry, Power
from tests.contract.vim_helpers import ended
from tests.moments import eventually

Find = Callable[[str], Any]

# Each verb with a VM that it suits, and where it leads.
VERBS = {
    "PowerOnVM_Task": ("app-01", Power.ON, "VirtualMachine.powerOn"),
    "PowerOffVM_Task": ("web-01", Power.OFF, "VirtualMachine.powerOff"),
    "SuspendVM_Task": ("web-01", Power.SUSPENDED, "VirtualMachine.suspend"),
    "ResetVM_Task": ("web-01", Power.ON, "VirtualMachine.reset"),
}
# Each with VMs that it does not suit, and what InvalidPowerState says then.
UNSUITABLE = [
    ("PowerOnVM_Task", "web-01", "poweredOn", "poweredOn"),
    ("PowerOffVM_Task", "app-01", "poweredOff", "poweredOff"),
    ("PowerOffVM_Task", "db-01", "poweredOff", "suspended"),
    ("SuspendVM_Task", "db-01", "suspended", "suspended"),
    ("SuspendVM_Task", "app-01", "suspended", "poweredOff"),
    ("ResetVM_Task", "app-01", "poweredOn", "poweredOff"),
    ("ResetVM_Task", "db-01", "poweredOn", "suspended"),
]


@pytest.mark.parametrize("verb", VERBS)
def test_a_task_says_what_it_did(vm: Find, vcenter: VCenter, verb: str) -> None:
    name, then, described = VERBS[verb]
    info = ended(getattr(vm(name), verb)())
    assert (info.state, info.error) == ("success", None)
    assert (info.descriptionId, info.entity) == (described, vm(name))
    assert info.queueTime <= info.startTime <= info.completeTime
    assert (info.cancelled, info.key) == (False, info.task._moId)
    assert vcenter.power(name) is then


def test_a_task_names_its_vm(vm: Find) -> None:
    assert ended(vm("web-01").PowerOffVM_Task()).entityName == "web-01"


def test_a_task_says_who_asked(vm: Find, vcenter: VCenter) -> None:
    info = ended(vm("web-01").PowerOffVM_Task())
    assert info.reason.userName == vcenter.address["username"]


def test_a_suspended_vm_resumes(vm: Find, vcenter: VCenter) -> None:
    assert ended(vm("db-01").PowerOnVM_Task()).state == "success"
    assert vcenter.power("db-01") is Power.ON


def test_pyvmomis_own_wait_ends(vm: Find, vcenter: VCenter) -> None:
    vcenter.add(Entry(name="waited-01"))  # no earlier test's guest is still going down
    assert WaitForTask(vm("waited-01").PowerOffVM_Task()) == "success"
    assert vcenter.power("waited-01") is Power.OFF


def test_pyvmomis_own_wait_raises(vm: Find) -> None:
    with pytest.raises(vim.fault.InvalidPowerState):
        WaitForTask(vm("app-01").PowerOffVM_Task())


@pytest.mark.parametrize(("verb", "name", "requested", "existing"), UNSUITABLE)
def test_a_wrong_state_fails_the_task(
    vm: Find, vcenter: VCenter, verb: str, name: str, requested: str, existing: str
) -> None:
    before = vcenter.power(name)
    info = ended(getattr(vm(name), verb)())
    assert info.state == "error"
    assert isinstance(info.error, vim.fault.InvalidPowerState)
    assert (info.error.requestedState, info.error.existingState) == (requested, existing)
    assert info.completeTime is not None
    assert vcenter.power(name) is before


def test_a_template_cannot_be_powered_on(vm: Find, vcenter: VCenter) -> None:
    # NotSupported as the documentation has it, InvalidState in vcsim; at once in both.
    with pytest.raises((vmodl.fault.NotSupported, vim.fault.InvalidState)):
        vm("golden").PowerOnVM_Task()
    assert vcenter.power("golden") is Power.OFF


def test_a_slow_task_is_running_with_its_progress(vm: Find, vcenter: VCenter) -> None:
    vcenter.add(Entry(name="slow-01"))
    vcenter.trouble("power_off", "slow_task", "slow-01", seconds=4)
    task = vm("slow-01").PowerOffVM_Task()
    info = task.info
    assert (info.state, info.completeTime, info.error) == ("running", None, None)
    assert 0 <= (info.progress or 0) < 100
    assert vcenter.power("slow-01") is Power.ON
    assert ended(task).state == "success"
    assert vcenter.power("slow-01") is Power.OFF


def test_a_task_that_fails(vm: Find, vcenter: VCenter) -> None:
    fault, message = "InsufficientResourcesFault", "no host has enough memory"
    vcenter.trouble("power_on", "failed_task", "app-01", fault=fault, message=message)
    info = ended(vm("app-01").PowerOnVM_Task())
    assert isinstance(info.error, vim.fault.InsufficientResourcesFault)
    assert info.error.msg == message


def test_a_vm_knows_its_recent_tasks(vm: Find, vcenter: VCenter) -> None:
    vcenter.add(Entry(name="recent-01"))
    task = vm("recent-01").PowerOffVM_Task()
    ended(task)
    assert task in vm("recent-01").recentTask


def test_recent_tasks_are_in_the_manager(content: Any, vm: Find, vcenter: VCenter) -> None:
    vcenter.add(Entry(name="recent-02"))
    task = vm("recent-02").PowerOffVM_Task()
    ended(task)
    assert task in content.taskManager.recentTask


# Guests --------------------------------------------------------------------------------------


def test_a_guest_shutdown_has_no_task(vm: Find, vcenter: VCenter) -> None:
    vcenter.guest("web-01", seconds=0.2)
    assert vm("web-01").ShutdownGuest() is None


@pytest.mark.parametrize("verb", ["ShutdownGuest", "RebootGuest", "StandbyGuest"])
def test_a_guest_without_tools_cannot_be_asked(vm: Find, verb: str) -> None:
    with pytest.raises(vim.fault.ToolsUnavailable):
        getattr(vm("bare-01"), verb)()


@pytest.mark.parametrize("verb", ["ShutdownGuest", "RebootGuest", "StandbyGuest"])
@pytest.mark.parametrize(("name", "existing"), [("app-01", "poweredOff"), ("db-01", "suspended")])
def test_a_guest_that_does_not_run_cannot_be_asked(
    vm: Find, verb: str, name: str, existing: str
) -> None:
    with pytest.raises(vim.fault.InvalidPowerState) as caught:
        getattr(vm(name), verb)()
    assert caught.value.existingState == existing
    assert caught.value.requestedState == "poweredOn"


def test_tools_stop_and_start_with_the_power(vm: Find) -> None:
    ended(vm("web-01").PowerOffVM_Task())
    assert vm("web-01").guest.toolsRunningStatus == "guestToolsNotRunning"
    assert vm("app-01").guest.toolsRunningStatus == "guestToolsNotRunning"
    assert vm("web-02").guest.toolsRunningStatus == "guestToolsRunning"


# Many at once ----------------------------------------------------------------------------------


@pytest.fixture
def datacenter(content: Any) -> Any:
    return next(each for each in content.rootFolder.childEntity if each.name == "DC0")


def test_a_datacenter_powers_on_many(datacenter: Any, vm: Find, vcenter: VCenter) -> None:
    vms = [vm("app-01"), vm("db-01")]
    info = ended(datacenter.PowerOnMultiVM_Task(vms))
    assert (info.state, info.entity) == ("success", datacenter)
    for each in vms:
        eventually(lambda vm=each: vm.runtime.powerState == "poweredOn")


def test_a_datacenter_tells_what_it_tried(datacenter: Any, vm: Find, vcenter: VCenter) -> None:
    vms = [vm("app-01"), vm("web-01"), vm("golden")]
    result = ended(datacenter.PowerOnMultiVM_Task(vms)).result
    (attempt,) = result.attempted
    assert attempt.vm == vm("app-01")
    assert ended(attempt.task).state == "success"
    missed = {each.vm._moId: type(each.fault) for each in result.notAttempted}
    assert missed == {
        vcenter.ids["web-01"]: vim.fault.InvalidPowerState,
        vcenter.ids["golden"]: vmodl.fault.NotSupported,
    }


# What is not there -------------------------------------------------------------------------------


def test_a_method_that_is_missing(vm: Find) -> None:
    with pytest.raises(vmodl.fault.MethodNotFound) as caught:
        vm("web-01").DefragmentAllDisks()
    assert caught.value.method == "DefragmentAllDisks"


def test_a_vm_that_does_not_exist(instance: Any) -> None:
    nobody = vim.VirtualMachine("vm-999999", instance._stub)
    for verb in ("PowerOffVM_Task", "ShutdownGuest"):
        with pytest.raises(vmodl.fault.ManagedObjectNotFound):
            getattr(nobody, verb)()


def test_a_task_that_does_not_exist(instance: Any) -> None:
    with pytest.raises(vmodl.fault.ManagedObjectNotFound):
        _ = vim.Task("task-999999", instance._stub).info
