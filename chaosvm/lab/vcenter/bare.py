"""Managers that a vCenter always has, and of which the lab models little or nothing.

Scripts take them from the service content without looking whether they are
there. Their lists are empty, but for what every vCenter has: its roles, and a
license. All that they are asked to do is MethodNotFound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.managed import Managed, prop

__all__ = ["BARE", "bare"]

# By the property of the service content.
BARE: Mapping[str, Any] = {
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


class Bare(Managed):
    def __init__(self, name: str) -> None:
        super().__init__(name[0].upper() + name[1:])
        self.kind = BARE[name]  # type: ignore[misc]


_READ = ("System.Anonymous", "System.View", "System.Read")
_INTERACT = ("AnswerQuestion", "PowerOff", "PowerOn", "Reset", "Suspend")
# The roles that are always there: number, name, label, and what they may do.
_ROLES: Sequence[tuple[int, str, str, Sequence[str]]] = (
    (-5, "NoAccess", "No access", ()),
    (-4, "Anonymous", "Anonymous", _READ[:1]),
    (-3, "View", "View", _READ[:2]),
    (-2, "ReadOnly", "Read-only", _READ),
    (
        -1,
        "Admin",
        "Administrator",
        (*_READ, *(f"VirtualMachine.Interact.{each}" for each in _INTERACT)),
    ),
)


class AuthorizationManager(Bare):
    @prop
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


class LicenseManager(Bare):
    @prop
    def licenses(self, session: Any = None) -> Any:
        license = vim.LicenseManager.LicenseInfo(
            licenseKey="00000-00000-00000-00000-00000",
            editionKey="eval",
            name="Evaluation Mode",
            total=0,
            costUnit="",
        )
        return vim.LicenseManager.LicenseInfo.Array([license])


_WITH_MORE: Mapping[str, type[Bare]] = {
    "authorizationManager": AuthorizationManager,
    "licenseManager": LicenseManager,
}


def bare(name: str) -> Bare:
    return _WITH_MORE.get(name, Bare)(name)
