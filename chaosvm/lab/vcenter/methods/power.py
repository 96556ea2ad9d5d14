"""Power and guest methods of VMs.

As in vcsim, a wrong power state fails the task. Templates and VMs that are busy with
another task are refused without a task, as are guest methods in a wrong state.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.fault_injection import IGNORED
from chaosvm.lab.simulation import Machine, Origin, State, reserved_memory
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, SoapFault, method
from chaosvm.lab.vcenter.methods.task_method import run_task, task_method
from chaosvm.lab.vcenter.states import BUSY, POWER_STATES, question_of, tools_running
from chaosvm.lab.vcenter.tasks import Pending, Task

__all__ = ["PowerMethods", "MultiVMPowerOn"]

_WRONG_STATE = "The attempted operation cannot be performed in the current state."
_NO_FAILOVER = "Insufficient resources to satisfy configured failover level for vSphere HA."


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

    @property
    def plain_name(self) -> str:
        return self.machine.name

    def raise_if_busy(self) -> None:
        """Refuse what another task is in the way of."""
        vm = self.machine
        running = self.inventory.tasks.running_on(vm.moid)
        busy = vm.busy_until > self.inventory.world.now or vm.state in BUSY
        if running is None and not busy:
            return
        fault = vim.fault.TaskInProgress(task=running or vim.Task("none"))
        raise SoapFault(fault, "The operation is not allowed while another task is in progress.")

    def raise_if_unavailable(self) -> None:
        """Refuse what needs the VM's host and files."""
        _raise_if(_availability_fault(self.machine))

    # Tasks -----------------------------------------------------------------------------

    @method("PowerOnVM_Task")
    def power_on(self, call: Call) -> Any:
        return self.start_power_on(call.origin).reference

    def start_power_on(self, origin: Origin) -> Task:
        if self.machine.template:
            raise SoapFault(vmodl.fault.NotSupported(), "A template cannot be powered on.")
        return run_task(self, "PowerOnVM_Task", origin, partial(self._power_on, origin))

    def _power_on(self, origin: Origin) -> Pending:
        durations = self.inventory.world.durations
        _raise_if(_power_on_fault(self.machine))
        self._require_host()
        self.inventory.world.power.start(self.vm_id, origin, host_id=self._host_with_room())
        return Pending(
            lambda: POWER_STATES[self.machine.state] == "poweredOn",
            max(durations.launch, durations.restore),
        )

    def _require_host(self) -> None:
        """A VM only starts on another host than its own if DRS may move it."""
        vm, world = self.machine, self.inventory.world
        host, cluster = world.registered_host(vm), world.cluster(vm.cluster_id)
        moves = cluster is not None and cluster.drs.enabled and bool(world.usable_hosts(vm))
        if host is not None and not host.usable and not moves:
            raise SoapFault(vim.fault.InvalidHostState(host=self.inventory.host_of(vm)))

    def _host_with_room(self) -> str | None:
        """Where what is reserved for the VM fits, and a failover still has room."""
        vm, world = self.machine, self.inventory.world
        hosts, cluster = world.usable_hosts(vm), world.cluster(vm.cluster_id)
        if cluster is not None and not cluster.drs.enabled and vm.home_id is not None:
            hosts = [host for host in hosts if host.id == vm.home_id]
        if not hosts:
            return None
        fitting = [host for host in hosts if world.availability.has_room(host, vm)]
        if not fitting:
            raise _insufficient_memory(max(map(world.availability.unreserved, hosts)), vm)
        admitted = [host for host in fitting if world.availability.admits(vm, host.id)]
        if not admitted:
            raise SoapFault(vim.fault.InsufficientFailoverResourcesFault(), _NO_FAILOVER)
        home = [host for host in admitted if host.id == vm.home_id]
        return world.least_loaded(home or admitted)

    @task_method("PowerOffVM_Task")
    def power_off(self, call: Call) -> Pending:
        _raise_if(_fault_unless_on(self.machine, "poweredOff"))
        self.inventory.world.power.power_off(self.vm_id, call.origin)
        return Pending(
            lambda: POWER_STATES[self.machine.state] == "poweredOff",
            self.inventory.world.durations.power_off,
        )

    @task_method("SuspendVM_Task")
    def suspend(self, call: Call) -> Pending:
        durations = self.inventory.world.durations
        _raise_if(_fault_unless_on(self.machine, "suspended"))
        self.inventory.world.power.suspend(self.vm_id, call.origin)
        return Pending(
            lambda: self.machine.state is State.SUSPENDED, durations.before_saving + durations.save
        )

    @task_method("ResetVM_Task")
    def reset(self, call: Call) -> Pending:
        _raise_if(_fault_unless_on(self.machine, "poweredOn"))
        self.inventory.world.power.reset(self.vm_id, call.origin)
        return Pending(lambda: self.machine.booting_again)

    @method("TerminateVM")
    def terminate(self, call: Call) -> None:
        """Stop the VM's process at once, without a task."""
        with self.inventory.world.present():
            _raise_if(_fault_unless_on(self.machine, "poweredOff"))
            self.inventory.world.power.power_off(self.vm_id, call.origin)

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
            _raise_if(_fault_unless_on(vm, "poweredOn"))
            self.raise_if_busy()
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


def _insufficient_memory(left: int, vm: Machine) -> SoapFault:
    """Both of its fields are in bytes."""
    fault = vim.fault.InsufficientMemoryResourcesFault(
        unreserved=max(0, left), requested=reserved_memory(vm)
    )
    return SoapFault(fault, "The host does not have sufficient memory resources.")


def _raise_if(fault: Any) -> None:
    if fault is not None:
        raise SoapFault(fault, _WRONG_STATE)


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
        return vmodl.fault.HostNotConnected()
    if vm.state in (State.DISKS_ILLEGAL, State.UNASSIGNED):
        return vim.fault.InvalidState()
    return None


class MultiVMPowerOn(ManagedObject):
    """PowerOnMultiVM_Task, a method of data centers."""

    inventory: Inventory

    @task_method("PowerOnMultiVM_Task")
    def power_on_many(self, call: Call) -> Any:
        """Succeeds even if VMs do not power on: each attempted VM has its own task."""
        result = vim.cluster.PowerOnVmResult()
        for reference in call.get("vm") or ():
            machine = self.inventory.find(reference._moId)
            if not isinstance(machine, PowerMethods):
                raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=reference))
            self._try(machine, call.origin, result)
        return result

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
