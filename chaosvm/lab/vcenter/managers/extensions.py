"""ExtensionManager: the extensions that a vCenter brings, and those that clients register."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)

__all__ = ["ExtensionManager"]

_BUILT_IN = (
    ("VirtualCenter", "VMware vCenter Server"),
    ("com.vmware.vim.eam", "vSphere ESX Agent Manager"),
    ("com.vmware.vim.sms", "VMware vCenter Storage Monitoring Service"),
    ("hostdiag", "VC Hostdiag"),
)


class ExtensionManager(ManagedObject):
    kind = vim.ExtensionManager

    def __init__(self, inventory: Inventory) -> None:
        super().__init__("ExtensionManager")
        self._inventory = inventory
        self._extensions = {key: _extension(key, label) for key, label in _BUILT_IN}

    @managed_property
    def extensionList(self, session: Any = None) -> Any:
        return vim.Extension.Array(self._extensions.values())

    @method("FindExtension")
    def find(self, call: Call) -> Any:
        return self._extensions.get(call.get("extensionKey"))

    @method("RegisterExtension")
    def register(self, call: Call) -> None:
        extension = call.get("extension")
        if extension.key in self._extensions:
            raise SoapFault(
                vim.fault.AlreadyExists(name=extension.key), f"{extension.key} is registered."
            )
        self._extensions[extension.key] = extension

    @method("UpdateExtension")
    def update(self, call: Call) -> None:
        self._raise_if_unknown(call.get("extension").key)
        self._extensions[call.get("extension").key] = call.get("extension")

    @method("UnregisterExtension")
    def unregister(self, call: Call) -> None:
        self._raise_if_unknown(call.get("extensionKey"))
        del self._extensions[call.get("extensionKey")]

    @method("SetExtensionCertificate", "SetPublicKey", "SetServiceAccount")
    def set_identity(self, call: Call) -> None:
        """Accepted; no extension logs in with it."""
        self._raise_if_unknown(call.get("extensionKey"))

    @method("QueryManagedBy")
    def managed_by(self, call: Call) -> list[Any]:
        vms = self._inventory.world.vms
        key = call.get("extensionKey")
        return [vim.VirtualMachine(vm.moid) for vm in vms if vm.managed_by == key]

    @method("GetPublicKey")
    def public_key(self, call: Call) -> str:
        return ""

    def _raise_if_unknown(self, key: str) -> None:
        if key not in self._extensions:
            raise SoapFault(vim.fault.NotFound(), f"The extension {key} could not be found.")


def _extension(key: str, label: str) -> Any:
    return vim.Extension(
        description=vim.Description(label=label, summary=label),
        key=key,
        company="VMware, Inc.",
        version="8.0.3",
        lastHeartbeatTime=dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    )
