"""The VM of a request to one of its collections."""

from __future__ import annotations

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.collection import Call
from chaosvm.lab.ovirt.requests import canonical_id
from chaosvm.lab.simulation import Machine, NotFound

__all__ = ["required_vm", "vm_of"]


def vm_of(call: Call) -> Machine | None:
    """The VM; None if the user sees none with this id. Raises a 404 for an invalid id."""
    try:
        vm = call.world.vm(canonical_id(call.parents[0]))
    except NotFound:
        return None
    return vm if call.user.sees(vm.id) else None


def required_vm(call: Call) -> Machine:
    vm = vm_of(call)
    if vm is None:
        raise Failure(404)
    return vm
