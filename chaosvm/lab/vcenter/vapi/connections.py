"""Network cards and hosts that are connected and disconnected; and how tasks are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pyVmomi import vim

from chaosvm.lab.simulation import Origin
from chaosvm.lab.vcenter.host_system import HostSystem
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import Call, SoapFault
from chaosvm.lab.vcenter.vapi.errors import VapiError
from chaosvm.lab.vcenter.vapi.operations import Operation, Request, operation_table

__all__ = ["call_task", "connections"]

_POLL_SECONDS = 0.01
_HOST_METHODS = {"connect": "ReconnectHost_Task", "disconnect": "DisconnectHost_Task"}


async def call_task(
    inventory: Inventory, entity: Any, method: str, arguments: Mapping[str, Any], origin: Origin
) -> None:
    """Carry out a SOAP method, and wait for its task. Raises SoapFault."""
    reference = entity.handler(method)(Call(method, arguments, None, "", origin, {}))
    task = inventory.tasks.find(reference._moId)
    while (info := task.info()).state == "running":
        await asyncio.sleep(_POLL_SECONDS)
    if info.error is not None:
        raise SoapFault(info.error, info.error.msg)


def connections(inventory: Inventory, find_vm: Callable[[Request], Any]) -> Iterable[Operation]:
    def card(connected: bool) -> Callable[[Request], Any]:
        async def run(request: Request) -> None:
            vm = find_vm(request)
            if vm.get("runtime.powerState") != "poweredOn":
                message = "The virtual machine is not powered on."
                raise VapiError("not_allowed_in_current_state", message)
            device = _card(vm, request.required("nic"))
            if device.connectable.connected is connected:
                message = f"The card is {'connected' if connected else 'disconnected'} already."
                raise VapiError("already_in_desired_state", message)
            device.connectable.connected = connected
            change = vim.vm.device.VirtualDeviceSpec(device=device, operation="edit")
            spec = vim.vm.ConfigSpec(deviceChange=[change])
            await call_task(inventory, vm, "ReconfigVM_Task", {"spec": spec}, request.origin)

        return run

    def host(method: str) -> Callable[[Request], Any]:
        async def run(request: Request) -> None:
            moid = request.required("host")
            entity = inventory.find(moid)
            if not isinstance(entity, HostSystem):
                raise VapiError("not_found", f"There is no host {moid!r}.")
            if entity.host.connected is (method == _HOST_METHODS["connect"]):
                raise VapiError("already_in_desired_state", "The host is so already.")
            await call_task(inventory, entity, method, {}, request.origin)

        return run

    yield from operation_table(
        "com.vmware.vcenter.vm.hardware.ethernet",
        "/vcenter/vm/{vm}/hardware/ethernet/{nic}",
        ("connect", "POST", "?connect", None, card(True)),
        ("disconnect", "POST", "?disconnect", None, card(False)),
    )
    yield from operation_table(
        "com.vmware.vcenter.host",
        "/vcenter/host/{host}",
        *((name, "POST", f"?{name}", None, host(method)) for name, method in _HOST_METHODS.items()),
    )


def _card(vm: Any, key: str) -> Any:
    for device in vm.get("config.hardware.device"):
        if isinstance(device, vim.vm.device.VirtualEthernetCard) and str(device.key) == key:
            return device
    raise VapiError("not_found", f"The virtual machine has no network card {key!r}.")
