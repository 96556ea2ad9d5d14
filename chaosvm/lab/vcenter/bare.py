"""Managers that a vCenter always has, and of which the lab models nothing.

Scripts take them from the service content without looking whether they are
there. Their lists are empty, and all that they are asked to do is MethodNotFound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyVmomi import vim

from chaosvm.lab.vcenter.managed import Managed

__all__ = ["BARE", "Bare"]

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
