"""Faults by their names, as rules want them."""

from __future__ import annotations

from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.vcenter.managed import Managed

__all__ = ["named_fault"]


def named_fault(name: str, thing: Managed) -> Any:
    """A fault of this name about something; SystemError without a name, or with an unknown one."""
    reference = thing.reference
    try:
        kind = VmomiSupport.GuessWsdlType(name or "SystemError")
    except KeyError:
        kind = None
    if kind is None or not issubclass(kind, vmodl.MethodFault):
        return vmodl.fault.SystemError(reason=f"no fault is called {name}")
    return kind(**_details(kind, thing, reference))


def _details(kind: Any, thing: Managed, reference: Any) -> dict[str, Any]:
    """What clients look at in the faults that are most likely."""
    if issubclass(kind, vim.fault.InvalidPowerState):
        return {"existingState": str(thing.get("runtime.powerState"))}
    if issubclass(kind, vmodl.fault.ManagedObjectNotFound):
        return {"obj": reference}
    if issubclass(kind, vim.fault.NoPermission):  # NotAuthenticated is one
        own = "VirtualMachine.Interact.PowerOff"
        public = issubclass(kind, vim.fault.NotAuthenticated)
        return {"object": reference, "privilegeId": "System.View" if public else own}
    if issubclass(kind, vim.fault.TaskInProgress):
        return {"task": vim.Task("none")}
    if issubclass(kind, vmodl.fault.SystemError):
        return {"reason": "a rule says so"}
    return {}
