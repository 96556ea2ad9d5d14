"""Faults that fault rules name."""

from __future__ import annotations

from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.fault_rules import Rule
from chaosvm.lab.vcenter.managed_object import ManagedObject

__all__ = ["build_fault"]


def build_fault(rule: Rule, target: ManagedObject) -> Any:
    """The fault that a rule names; SystemError if it names none or an unknown one."""
    try:
        kind = VmomiSupport.GuessWsdlType(rule.fault or "SystemError")
    except KeyError:
        kind = None
    if kind is None or not issubclass(kind, vmodl.MethodFault):
        return vmodl.fault.SystemError(reason=f"no fault is called {rule.fault}")
    return kind(**_details(kind, rule, target))


def _details(kind: Any, rule: Rule, target: ManagedObject) -> dict[str, Any]:
    """Fields that clients read from common faults."""
    reference = target.reference
    if issubclass(kind, vim.fault.InvalidPowerState):
        existing = rule.existing or str(target.get("runtime.powerState"))
        requested = {"requestedState": rule.requested} if rule.requested else {}
        return {"existingState": existing, **requested}
    if issubclass(kind, vmodl.fault.ManagedObjectNotFound):
        return {"obj": reference}
    if issubclass(kind, vim.fault.NoPermission):  # NotAuthenticated is one
        privilege = "VirtualMachine.Interact.PowerOff"
        is_anonymous = issubclass(kind, vim.fault.NotAuthenticated)
        return {"object": reference, "privilegeId": "System.View" if is_anonymous else privilege}
    if issubclass(kind, vim.fault.TaskInProgress):
        return {"task": vim.Task("none")}
    if issubclass(kind, vmodl.fault.SystemError):
        return {"reason": "a rule says so"}
    return {}
