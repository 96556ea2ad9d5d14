"""A virtual machine as a vCenter tells of it."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.interfaces import Session
from chaosvm.lab.vcenter.managed import Call, Refused, method
from chaosvm.lab.vcenter.power import Powered
from chaosvm.lab.vcenter.tree import TREE, told
from chaosvm.lab.vcenter.wholes import written

__all__ = ["VirtualMachine"]


class VirtualMachine(Powered):
    kind = vim.VirtualMachine

    def paths(self) -> list[str]:
        return list(TREE)

    def get(self, path: str, session: Session | None = None) -> Any:
        return told(self.estate, self.machine, path)

    def encode(self, path: str, version: str, session: Session | None) -> str:
        return written(self.estate, self.machine, path, version)

    @method("setCustomValue")
    def set_custom_value(self, call: Call) -> None:
        """By the attribute's name, which has to be known."""
        vm, name = self.machine, call.get("key")
        if not self.estate.fields.knows(name):
            raise Refused(vmodl.fault.InvalidArgument(invalidProperty="key"))
        self.estate.fields.set(vm, name, call.get("value"))
