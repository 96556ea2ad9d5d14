"""What a vCenter does when it is asked to switch a VM or to tell its guest something.

A VM that is in the wrong state makes the task fail, as with vcsim; a template, a
VM that another task holds, and whatever is asked of a guest, is refused at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.server import IGNORED, TASK_RULE
from chaosvm.lab.vcenter.interfaces import Estate
from chaosvm.lab.vcenter.managed import Call, Managed, Refused, method
from chaosvm.lab.vcenter.named import named_fault
from chaosvm.lab.vcenter.tasks import never
from chaosvm.lab.vcenter.words import BUSY, POWER_STATES, question_of, tools_running
from chaosvm.lab.world import Asked, Machine, State

__all__ = ["Powered", "PowersOnMany"]

_WRONG_STATE = "The attempted operation cannot be performed in the current state."


class Powered(Managed):
    """A VM, as far as its power and its guest are concerned."""

    kind = vim.VirtualMachine

    def __init__(self, estate: Estate, vm: Machine) -> None:
        super().__init__(vm.moid)
        self.estate = estate
        self.vm_id = vm.id

    @property
    def machine(self) -> Machine:
        return self.estate.world.vm(self.vm_id)

    # Tasks -----------------------------------------------------------------------------

    @method("PowerOnVM_Task")
    def power_on(self, call: Call) -> Any:
        return self.powered_on(call.asked).reference

    def powered_on(self, asked: Asked) -> Any:
        if self.machine.template:
            raise Refused(vmodl.fault.NotSupported(), "A template cannot be powered on.")
        durations = self.estate.world.durations
        return self._switched(
            "VirtualMachine.powerOn",
            asked,
            _wrong_for_power_on,
            self.estate.world.power.start,
            lambda vm: POWER_STATES[vm.state] == "poweredOn",
            max(durations.launch, durations.restore),
        )

    @method("PowerOffVM_Task")
    def power_off(self, call: Call) -> Any:
        return self._switched(
            "VirtualMachine.powerOff",
            call.asked,
            lambda vm: _wrong_unless_on(vm, "poweredOff"),
            self.estate.world.power.cut,
            lambda vm: POWER_STATES[vm.state] == "poweredOff",
            self.estate.world.durations.power_off,
        ).reference

    @method("SuspendVM_Task")
    def suspend(self, call: Call) -> Any:
        durations = self.estate.world.durations
        return self._switched(
            "VirtualMachine.suspend",
            call.asked,
            lambda vm: _wrong_unless_on(vm, "suspended"),
            self.estate.world.power.suspend,
            lambda vm: vm.state is State.SUSPENDED,
            durations.before_saving + durations.save,
        ).reference

    @method("ResetVM_Task")
    def reset(self, call: Call) -> Any:
        return self._switched(
            "VirtualMachine.reset",
            call.asked,
            lambda vm: _wrong_unless_on(vm, "poweredOn"),
            self.estate.world.power.reset,
            lambda vm: vm.booting_again,
            0.0,
        ).reference

    def _switched(
        self,
        name: str,
        asked: Asked,
        wrong: Callable[[Machine], Any],
        switch: Callable[[str, Asked], None],
        done: Callable[[Machine], bool],
        seconds: float,
    ) -> Any:
        tasks = self.estate.tasks
        with self.estate.world.present():
            vm = self.machine
            self._refuse_busy(vm)
            fault = wrong(vm)
            if fault is not None:
                return tasks.failed(self, vm, name, asked, fault, _WRONG_STATE)
            rule = TASK_RULE.get()
            if rule is not None and rule.action == "failed_task":
                fault = named_fault(rule, self)
                return tasks.failed(self, vm, name, asked, fault, rule.message)
            if IGNORED.get() or (rule is not None and rule.action == "stuck_task"):
                return tasks.started(self, vm, name, asked, never, seconds)
            task = tasks.started(self, vm, name, asked, done, seconds)
            if rule is None:
                switch(vm.id, asked)
            else:
                loop = asyncio.get_running_loop()
                loop.call_later(rule.seconds, switch, vm.id, asked)
            return task

    def _refuse_busy(self, vm: Machine) -> None:
        running = self.estate.tasks.running_on(vm.moid)
        busy = vm.busy_until > self.estate.world.now or vm.state in BUSY
        if running is None and not busy:
            return
        fault = vim.fault.TaskInProgress(task=running or vim.Task("none"))
        raise Refused(fault, "The operation is not allowed while another task is in progress.")

    # The guest -------------------------------------------------------------------------

    @method("ShutdownGuest")
    def shut_down_guest(self, call: Call) -> None:
        self._told_guest(call.asked, self.estate.world.power.shut_down)

    @method("RebootGuest")
    def reboot_guest(self, call: Call) -> None:
        self._told_guest(call.asked, self.estate.world.power.reboot)

    @method("StandbyGuest")
    def standby_guest(self, call: Call) -> None:
        self._told_guest(call.asked, self.estate.world.power.suspend)

    def _told_guest(self, asked: Asked, tell: Callable[[str, Asked], None]) -> None:
        with self.estate.world.present():
            vm = self.machine
            wrong = _wrong_unless_on(vm, "poweredOn")
            if wrong is not None:
                raise Refused(wrong, _WRONG_STATE)
            self._refuse_busy(vm)
            if not tools_running(vm):
                raise Refused(
                    vim.fault.ToolsUnavailable(),
                    "Cannot complete operation because VMware Tools is not running in this "
                    "virtual machine.",
                )
            if vm.state is State.RUNNING and not IGNORED.get():
                tell(vm.id, asked)

    @method("AnswerVM")
    def answer(self, call: Call) -> None:
        with self.estate.world.present():
            vm = self.machine
            if question_of(vm) is None or call.get("questionId") != vm.moid:
                raise Refused(vmodl.fault.InvalidArgument(invalidProperty="questionId"))
            if vm.question is not None:
                self.estate.world.change(vm.id, question=None)
            if vm.state is State.PAUSED:
                self.estate.world.power.start(vm.id, call.asked)


def _wrong_for_power_on(vm: Machine) -> Any:
    if POWER_STATES[vm.state] == "poweredOn":
        return _wrong_state("poweredOn", vm)
    return _wrong_place(vm)


def _wrong_unless_on(vm: Machine, wanted: str) -> Any:
    if POWER_STATES[vm.state] != "poweredOn":
        return _wrong_state(wanted, vm)
    return _wrong_place(vm)


def _wrong_state(wanted: str, vm: Machine) -> Any:
    return vim.fault.InvalidPowerState(requestedState=wanted, existingState=POWER_STATES[vm.state])


def _wrong_place(vm: Machine) -> Any:
    """A VM whose host or files cannot be reached."""
    if vm.state in (State.UNREACHABLE, State.NOT_RESPONDING):
        return vim.fault.HostNotConnected()
    if vm.state in (State.DISKS_ILLEGAL, State.UNASSIGNED):
        return vim.fault.InvalidState()
    return None


class PowersOnMany(Managed):
    """A data center, which can power on many VMs at once."""

    estate: Estate

    @method("PowerOnMultiVM_Task")
    def power_on_many(self, call: Call) -> Any:
        """Its success says nothing: each VM that was tried has a task of its own."""
        result = vim.cluster.PowerOnVmResult()
        for reference in call.get("vm") or ():
            machine = self.estate.find(reference._moId)
            if not isinstance(machine, Powered):
                raise Refused(vmodl.fault.ManagedObjectNotFound(obj=reference))
            self._try(machine, call.asked, result)
        task = self.estate.tasks.done(self, "Datacenter.powerOnMultiVM", call.asked, result)
        return task.reference

    def _try(self, machine: Powered, asked: Asked, result: Any) -> None:
        fault = _wrong_for_power_on(machine.machine)
        if fault is None:
            try:
                task = machine.powered_on(asked).reference
            except Refused as refused:
                fault = refused.fault
            else:
                attempt = vim.cluster.AttemptedVmInfo(vm=machine.reference, task=task)
                result.attempted = [*result.attempted, attempt]
                return
        missed = vim.cluster.NotAttemptedVmInfo(vm=machine.reference, fault=fault)
        result.notAttempted = [*result.notAttempted, missed]
