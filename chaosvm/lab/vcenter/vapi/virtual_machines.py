"""VMs: lists, details, power and the guest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chaosvm.lab.simulation import Origin
from chaosvm.lab.vcenter.interfaces import Service
from chaosvm.lab.vcenter.managed_object import Call
from chaosvm.lab.vcenter.vapi import hardware
from chaosvm.lab.vcenter.vapi.connections import call_task, connections
from chaosvm.lab.vcenter.vapi.errors import VapiError
from chaosvm.lab.vcenter.vapi.inventory_lists import filtered
from chaosvm.lab.vcenter.vapi.operations import Operation, Request, operation_table
from chaosvm.lab.vcenter.vapi.structures import Structure
from chaosvm.lab.vcenter.virtual_machine import VirtualMachine

__all__ = ["VirtualMachines"]

_STATES = {"poweredOn": "POWERED_ON", "poweredOff": "POWERED_OFF", "suspended": "SUSPENDED"}
# The SOAP method of a power operation, and the state that it leads to.
_POWER_METHODS = {
    "start": ("PowerOnVM_Task", "poweredOn"),
    "stop": ("PowerOffVM_Task", "poweredOff"),
    "suspend": ("SuspendVM_Task", "suspended"),
    "reset": ("ResetVM_Task", None),
}
_GUEST_METHODS = {"shutdown": "ShutdownGuest", "reboot": "RebootGuest", "standby": "StandbyGuest"}
_MOST_LISTED = 4000  # vSphere Automation API, VM.list
_VM = "com.vmware.vcenter.vm"


class VirtualMachines:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._inventory = service.inventory

    def operations(self) -> Iterable[Operation]:
        yield from operation_table(
            "com.vmware.vcenter.VM",
            "/vcenter/vm",
            ("list", "GET", "", None, self._list),
            ("get", "GET", "/{vm}", None, self._get),
            ("delete", "DELETE", "/{vm}", None, self._delete),
        )
        power = [(name, "POST", f"?{name}", None, self._power(name)) for name in _POWER_METHODS]
        path = "/vcenter/vm/{vm}/power"
        yield from operation_table(
            f"{_VM}.power", path, ("get", "GET", "", None, self._power_state), *power
        )
        guest = [(name, "POST", f"?{name}", None, self._guest(name)) for name in _GUEST_METHODS]
        yield from operation_table(
            f"{_VM}.guest.power",
            "/vcenter/vm/{vm}/guest/power",
            ("get", "GET", "", None, self._guest_power),
            *guest,
        )
        yield from hardware.operations(self.find)
        yield from connections(self._inventory, self.find)

    def find(self, request: Request) -> VirtualMachine:
        moid = request.required("vm")
        vm = self._inventory.find(moid)
        if not isinstance(vm, VirtualMachine) or vm.machine.template:
            raise VapiError("not_found", f"There is no virtual machine {moid!r}.")
        return vm

    def _list(self, request: Request) -> list[Any]:
        inventory = self._inventory
        tests = {
            "vms": lambda vm: [vm.moid],
            "names": lambda vm: [vm.name],
            "power_states": lambda vm: [_STATES[_state(inventory.find(vm.moid))]],
            "folders": self._service.ancestor_moids,
            "datacenters": self._service.ancestor_moids,
            "clusters": self._service.ancestor_moids,
            "resource_pools": self._service.ancestor_moids,
            "hosts": self._service.ancestor_moids,
        }
        vms = [vm for vm in inventory.world.vms if not vm.template]
        found = list(filtered(vms, request.get("filter") or {}, tests))
        if len(found) > _MOST_LISTED:
            message = f"More than {_MOST_LISTED} virtual machines match: use a filter."
            raise VapiError("unable_to_allocate_resource", message)
        return [self._summary(inventory.find(vm.moid)) for vm in found]

    def _summary(self, vm: VirtualMachine) -> Any:
        return Structure(
            "com.vmware.vcenter.VM.summary",
            vm=vm.moid,
            name=vm.plain_name,
            power_state=_STATES[_state(vm)],
            cpu_count=vm.get("config.hardware.numCPU"),
            memory_size_MiB=vm.get("config.hardware.memoryMB"),
        )

    def _get(self, request: Request) -> Any:
        vm = self.find(request)
        return hardware.vm_info(vm, _STATES[_state(vm)])

    async def _delete(self, request: Request) -> None:
        await self._call(self.find(request), "Destroy_Task", request.origin)

    # Power -----------------------------------------------------------------------------

    def _power_state(self, request: Request) -> Any:
        state = _state(self.find(request))
        clean = True if state == "poweredOff" else None
        return Structure(f"{_VM}.power.info", state=_STATES[state], clean_power_off=clean)

    def _power(self, name: str) -> Any:
        method, goal = _POWER_METHODS[name]

        async def run(request: Request) -> None:
            vm = self.find(request)
            if _state(vm) == goal:
                message = f"Virtual machine is already {goal}."
                raise VapiError("already_in_desired_state", message)
            await self._call(vm, method, request.origin)

        return run

    async def _call(self, vm: VirtualMachine, method: str, origin: Origin) -> None:
        await call_task(self._inventory, vm, method, {}, origin)

    def _guest_power(self, request: Request) -> Any:
        vm = self.find(request)
        state = "RUNNING" if vm.get("guest.guestState") == "running" else "NOT_RUNNING"
        ready = bool(vm.get("guest.guestOperationsReady"))
        return Structure(f"{_VM}.guest.power.info", state=state, operations_ready=ready)

    def _guest(self, name: str) -> Any:
        method = _GUEST_METHODS[name]

        def run(request: Request) -> None:
            handler = self.find(request).handler(method)
            assert handler is not None
            handler(Call(method, {}, None, "", request.origin, {}))

        return run


def _state(vm: VirtualMachine) -> str:
    return str(vm.get("runtime.powerState"))
