"""Managers of the service content.

Options, roles, licenses, users, performance counters, guest operations, alarms and scheduled
tasks; and stubs of which only the existence is modelled.
"""

from __future__ import annotations

from chaosvm.lab.vcenter.managers.alarms import AlarmManager
from chaosvm.lab.vcenter.managers.authorization import AuthorizationManager
from chaosvm.lab.vcenter.managers.extensions import ExtensionManager
from chaosvm.lab.vcenter.managers.files import FileManager, VirtualDiskManager
from chaosvm.lab.vcenter.managers.guest_operations import guest_operations
from chaosvm.lab.vcenter.managers.key_providers import CryptoManager
from chaosvm.lab.vcenter.managers.licenses import LicenseAssignmentManager, LicenseManager
from chaosvm.lab.vcenter.managers.performance import PerformanceManager
from chaosvm.lab.vcenter.managers.scheduled_tasks import ScheduledTaskManager
from chaosvm.lab.vcenter.managers.stubs import stub_managers
from chaosvm.lab.vcenter.managers.users import UserDirectory

__all__ = [
    "AlarmManager",
    "AuthorizationManager",
    "CryptoManager",
    "ExtensionManager",
    "FileManager",
    "LicenseAssignmentManager",
    "LicenseManager",
    "PerformanceManager",
    "ScheduledTaskManager",
    "UserDirectory",
    "VirtualDiskManager",
    "guest_operations",
    "stub_managers",
]
