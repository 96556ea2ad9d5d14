"""VirtualMachine: properties, power methods and custom attributes."""

from __future__ import annotations

import secrets
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.interfaces import Session
from chaosvm.lab.vcenter.managed_object import Call, SoapFault, method
from chaosvm.lab.vcenter.methods.upkeep import UpkeepMethods
from chaosvm.lab.vcenter.property_tree import TREE, vm_property
from chaosvm.lab.vcenter.property_xml import property_xml
from chaosvm.lab.vcenter.states import POWER_STATES

__all__ = ["VirtualMachine"]


class VirtualMachine(UpkeepMethods):
    kind = vim.VirtualMachine

    def paths(self) -> list[str]:
        return list(TREE)

    def get(self, path: str, session: Session | None = None) -> Any:
        return vm_property(self.inventory, self.machine, path)

    def encode(self, path: str, version: str, session: Session | None) -> str:
        return property_xml(self.inventory, self.machine, path, version)

    @method("AcquireTicket")
    def acquire_ticket(self, call: Call) -> Any:
        """A ticket for a console that does not exist."""
        if POWER_STATES[self.machine.state] != "poweredOn":
            raise SoapFault(vim.fault.InvalidPowerState(), "The virtual machine is not powered on.")
        return vim.VirtualMachine.Ticket(
            ticket=secrets.token_hex(8), cfgFile="", host="localhost", port=443
        )

    @method("setCustomValue")
    def set_custom_value(self, call: Call) -> None:
        """Set a custom attribute by name; it must be defined."""
        vm, name = self.machine, call.get("key")
        if not self.inventory.fields.is_defined(name):
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="key"))
        self.inventory.fields.set(vm, name, call.get("value"))
