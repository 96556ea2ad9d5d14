"""UserDirectory: the one account of the lab."""

from __future__ import annotations

from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.managed_object import Call, ManagedObject, managed_property, method

__all__ = ["UserDirectory"]

_DOMAIN = "vsphere.local"


class UserDirectory(ManagedObject):
    kind = vim.UserDirectory

    def __init__(self, username: str) -> None:
        super().__init__("UserDirectory")
        self._username = username

    @managed_property
    def domainList(self, session: Any = None) -> list[str]:
        return [_DOMAIN]

    @method("RetrieveUserGroups")
    def search(self, call: Call) -> list[Any]:
        searched = (call.get("searchStr") or "").lower()
        name = self._username.lower()
        matches = searched == name if call.get("exactMatch") else searched in name
        if not matches or not call.get("findUsers"):
            return []
        return [
            vim.UserSearchResult(principal=self._username, fullName=self._username, group=False)
        ]
