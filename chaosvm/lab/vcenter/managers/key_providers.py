"""CryptoManager: there are no key providers."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, managed_property, method
from chaosvm.lab.vcenter.methods.task_method import task_method

__all__ = ["CryptoManager"]


class CryptoManager(ManagedObject):
    kind = vim.encryption.CryptoManagerKmip

    def __init__(self, inventory: Inventory) -> None:
        super().__init__("CryptoManager")
        self.inventory = inventory

    @property
    def task_entity(self) -> Any:
        return self.inventory.root

    def raise_if_busy(self) -> None:
        """It never is."""

    @managed_property
    def enabled(self, session: Any = None) -> bool:
        return False

    @method("ListKeys", "ListKmipServers", "ListKmsClusters", "QueryCryptoKeyStatus")
    def nothing(self, call: Call) -> None:
        """There are none."""

    @task_method("RetrieveKmipServersStatus_Task")
    def status(self, call: Call) -> Any:
        return vim.encryption.CryptoManagerKmip.ClusterStatus.Array([])
