"""Faults by their names, as rules want them."""

from __future__ import annotations

from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.faults import Rule
from chaosvm.lab.vcenter.managed import Managed

__all__ = ["named_fault"]


def named_fault(rule: Rule, thing: Managed) -> Any:
    """The rule's fault about something; SystemError without a name, or with an unknown one."""
    try:
        kind = VmomiSupport.GuessWsdlType(rule.fault or "SystemError")
    except KeyError:
        kind = None
    if kind is None or not issubclass(kind, vmodl.MethodFault):
        return vmodl.fault.SystemError(reason=f"no fault is called {rule.fault}")
    return kind(**_details(kind, rule, thing))


def _details(kind: Any, rule: Rule, thing: Managed) -> dict[str, Any]:
    """What clients look at in the faults that are most likely."""
    reference = thing.reference
    if issubclass(kind, vim.fault.InvalidPowerState):
        existing = rule.existing or str(thing.get("runtime.powerState"))
        requested = {"requestedState": rule.requested} if rule.requested else {}
        return {"existingState": existing, **requested}
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
