"""Power and guest methods of VMs.

As in vcsim, a wrong power state fails the task. Templates and VMs that are busy with
another task are refused without a task, as are guest methods in a wrong state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.fault_injection import IGNORED, TASK_RULE
from chaosvm.lab.simulation import Machine, Origin, State
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, SoapFault, method
from chaosvm.lab.vcenter.rule_faults import build_fault
from chaosvm.lab.vcenter.states import BUSY, POWER_STATES, question_of, tools_running
from chaosvm.lab.vcenter.tasks import never_done

__all__ = ["PowerMethods", "MultiVMPowerOn"]

_WRONG_STATE = "The attempted operation cannot be performed in the current state."


class PowerMethods(ManagedObject):
    """A VM's power and guest methods."""

    kind = vim.VirtualMachine

    def __init__(self, inventory: Inventory, vm: Machine) -> None:
        super().__init__(vm.moid)
        self.inventory = inventory
        self.vm_id = vm.id

    @property
    def machine(self) -> Machine:
        return self.inventory.world.vm(self.vm_id)

    # Tasks -----------------------------------------------------------------------------

    @method("PowerOnVM_Task")
    def power_on(self, call: Call) -> Any:
        return self.start_power_on(call.origin).reference

    def start_power_on(self, origin: Origin) -> Any:
        if self.machine.template:
            raise SoapFault(vmodl.fault.NotSupported(), "A template cannot be powered on.")
        durations = self.inventory.world.durations
        return self._start_task(
            "VirtualMachine.powerOn",
            origin,
            _power_on_fault,
            self.inventory.world.power.start,
            lambda vm: POWER_STATES[vm.state] == "poweredOn",
            max(durations.launch, durations.restore),
        )

    @method("PowerOffVM_Task")
    def power_off(self, call: Call) -> Any:
        return self._start_task(
            "VirtualMachine.powerOff",
            call.origin,
            lambda vm: _fault_unless_on(vm, "poweredOff"),
            self.inventory.world.power.power_off,
            lambda vm: POWER_STATES[vm.state] == "poweredOff",
            self.inventory.world.durations.power_off,
        ).reference

    @method("SuspendVM_Task")
    def suspend(self, call: Call) -> Any:
        durations = self.inventory.world.durations
        return self._start_task(
            "VirtualMachine.suspend",
            call.origin,
            lambda vm: _fault_unless_on(vm, "suspended"),
            self.inventory.world.power.suspend,
            lambda vm: vm.state is State.SUSPENDED,
            durations.before_saving + durations.save,
        ).reference

    @method("ResetVM_Task")
    def reset(self, call: Call) -> Any:
        return self._start_task(
            "VirtualMachine.reset",
            call.origin,
            lambda vm: _fault_unless_on(vm, "poweredOn"),
            self.inventory.world.power.reset,
            lambda vm: vm.booting_again,
            0.0,
        ).reference

    def _start_task(
        self,
        name: str,
        origin: Origin,
        fault_of: Callable[[Machine], Any],
        operation: Callable[[str, Origin], None],
        is_done: Callable[[Machine], bool],
        seconds: float,
    ) -> Any:
        tasks = self.inventory.tasks
        with self.inventory.world.present():
            vm = self.machine
            self._raise_if_busy(vm)
            fault = fault_of(vm)
            if fault is not None:
                return tasks.failed(self, vm, name, origin, fault, _WRONG_STATE)
            rule = TASK_RULE.get()
            if rule is not None and rule.action == "failed_task":
                fault = build_fault(rule, self)
                return tasks.failed(self, vm, name, origin, fault, rule.message)
            if IGNORED.get() or (rule is not None and rule.action == "stuck_task"):
                return tasks.started(self, vm, name, origin, never_done, seconds)
            task = tasks.started(self, vm, name, origin, is_done, seconds)
            if rule is None:
                operation(vm.id, origin)
            else:
                loop = asyncio.get_running_loop()
                loop.call_later(rule.seconds, operation, vm.id, origin)
            return task

    def _raise_if_busy(self, vm: Machine) -> None:
        running = self.inventory.tasks.running_on(vm.moid)
        busy = vm.busy_until > self.inventory.world.now or vm.state in BUSY
        if running is None and not busy:
            return
        fault = vim.fault.TaskInProgress(task=running or vim.Task("none"))
        raise SoapFault(fault, "The operation is not allowed while another task is in progress.")

    # The guest -------------------------------------------------------------------------

    @method("ShutdownGuest")
    def shut_down_guest(self, call: Call) -> None:
        self._run_in_guest(call.origin, self.inventory.world.power.shut_down)

    @method("RebootGuest")
    def reboot_guest(self, call: Call) -> None:
        self._run_in_guest(call.origin, self.inventory.world.power.reboot)

    @method("StandbyGuest")
    def standby_guest(self, call: Call) -> None:
        self._run_in_guest(call.origin, self.inventory.world.power.suspend)

    def _run_in_guest(self, origin: Origin, operation: Callable[[str, Origin], None]) -> None:
        with self.inventory.world.present():
            vm = self.machine
            fault = _fault_unless_on(vm, "poweredOn")
            if fault is not None:
                raise SoapFault(fault, _WRONG_STATE)
            self._raise_if_busy(vm)
            if not tools_running(vm):
                raise SoapFault(
                    vim.fault.ToolsUnavailable(),
                    "Cannot complete operation because VMware Tools is not running in this "
                    "virtual machine.",
                )
            if vm.state is State.RUNNING and not IGNORED.get():
                operation(vm.id, origin)

    @method("AnswerVM")
    def answer(self, call: Call) -> None:
        with self.inventory.world.present():
            vm = self.machine
            if question_of(vm) is None or call.get("questionId") != vm.moid:
                raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="questionId"))
            if vm.question is not None:
                self.inventory.world.change(vm.id, question=None)
            if vm.state is State.PAUSED:
                self.inventory.world.power.start(vm.id, call.origin)


def _power_on_fault(vm: Machine) -> Any:
    if POWER_STATES[vm.state] == "poweredOn":
        return _power_state_fault("poweredOn", vm)
    return _availability_fault(vm)


def _fault_unless_on(vm: Machine, requested: str) -> Any:
    if POWER_STATES[vm.state] != "poweredOn":
        return _power_state_fault(requested, vm)
    return _availability_fault(vm)


def _power_state_fault(requested: str, vm: Machine) -> Any:
    return vim.fault.InvalidPowerState(
        requestedState=requested, existingState=POWER_STATES[vm.state]
    )


def _availability_fault(vm: Machine) -> Any:
    """The fault of a VM whose host or files are unavailable."""
    if vm.state in (State.UNREACHABLE, State.NOT_RESPONDING):
        return vim.fault.HostNotConnected()
    if vm.state in (State.DISKS_ILLEGAL, State.UNASSIGNED):
        return vim.fault.InvalidState()
    return None


class MultiVMPowerOn(ManagedObject):
    """PowerOnMultiVM_Task, a method of data centers."""

    inventory: Inventory

    @method("PowerOnMultiVM_Task")
    def power_on_many(self, call: Call) -> Any:
        """Succeeds even if VMs do not power on: each attempted VM has its own task."""
        result = vim.cluster.PowerOnVmResult()
        for reference in call.get("vm") or ():
            machine = self.inventory.find(reference._moId)
            if not isinstance(machine, PowerMethods):
                raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=reference))
            self._try(machine, call.origin, result)
        task = self.inventory.tasks.done(self, "Datacenter.powerOnMultiVM", call.origin, result)
        return task.reference

    def _try(self, machine: PowerMethods, origin: Origin, result: Any) -> None:
        fault = _power_on_fault(machine.machine)
        if fault is None:
            try:
                task = machine.start_power_on(origin).reference
            except SoapFault as error:
                fault = error.fault
            else:
                attempt = vim.cluster.AttemptedVmInfo(vm=machine.reference, task=task)
                result.attempted = [*result.attempted, attempt]
                return
        not_attempted = vim.cluster.NotAttemptedVmInfo(vm=machine.reference, fault=fault)
        result.notAttempted = [*result.notAttempted, not_attempted]
