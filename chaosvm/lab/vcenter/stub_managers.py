"""Managers that every vCenter has and the lab does not simulate.

Scripts take them from the service content without checking that they exist.
Their lists are empty, except for the built-in roles and a license. Their methods
answer MethodNotFound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.managed_object import ManagedObject, managed_property

__all__ = ["STUB_MANAGERS", "stub_manager"]

# By property of the service content.
STUB_MANAGERS: Mapping[str, Any] = {
    "alarmManager": vim.alarm.AlarmManager,
    "authorizationManager": vim.AuthorizationManager,
    "customizationSpecManager": vim.CustomizationSpecManager,
    "diagnosticManager": vim.DiagnosticManager,
    "extensionManager": vim.ExtensionManager,
    "fileManager": vim.FileManager,
    "guestOperationsManager": vim.vm.guest.GuestOperationsManager,
    "licenseManager": vim.LicenseManager,
    "perfManager": vim.PerformanceManager,
    "scheduledTaskManager": vim.scheduler.ScheduledTaskManager,
    "setting": vim.option.OptionManager,
    "userDirectory": vim.UserDirectory,
    "virtualDiskManager": vim.VirtualDiskManager,
}


class StubManager(ManagedObject):
    def __init__(self, name: str) -> None:
        super().__init__(name[0].upper() + name[1:])
        self.kind = STUB_MANAGERS[name]  # type: ignore[misc]


_READ_PRIVILEGES = ("System.Anonymous", "System.View", "System.Read")
_INTERACT_PRIVILEGES = ("AnswerQuestion", "PowerOff", "PowerOn", "Reset", "Suspend")
# Built-in roles: id, name, label and privileges.
_ROLES: Sequence[tuple[int, str, str, Sequence[str]]] = (
    (-5, "NoAccess", "No access", ()),
    (-4, "Anonymous", "Anonymous", _READ_PRIVILEGES[:1]),
    (-3, "View", "View", _READ_PRIVILEGES[:2]),
    (-2, "ReadOnly", "Read-only", _READ_PRIVILEGES),
    (
        -1,
        "Admin",
        "Administrator",
        (*_READ_PRIVILEGES, *(f"VirtualMachine.Interact.{each}" for each in _INTERACT_PRIVILEGES)),
    ),
)


class AuthorizationManager(StubManager):
    @managed_property
    def roleList(self, session: Any = None) -> Any:
        return vim.AuthorizationManager.Role.Array(
            vim.AuthorizationManager.Role(
                roleId=number,
                system=True,
                name=name,
                info=vim.Description(label=label, summary=label),
                privilege=list(privileges),
            )
            for number, name, label, privileges in _ROLES
        )


class LicenseManager(StubManager):
    @managed_property
    def licenses(self, session: Any = None) -> Any:
        license = vim.LicenseManager.LicenseInfo(
            licenseKey="00000-00000-00000-00000-00000",
            editionKey="eval",
            name="Evaluation Mode",
            total=0,
            costUnit="",
        )
        return vim.LicenseManager.LicenseInfo.Array([license])


_SPECIAL_MANAGERS: Mapping[str, type[StubManager]] = {
    "authorizationManager": AuthorizationManager,
    "licenseManager": LicenseManager,
}


def stub_manager(name: str) -> StubManager:
    return _SPECIAL_MANAGERS.get(name, StubManager)(name)
