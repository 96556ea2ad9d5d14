"""Roles and permissions, which clients can read and change, and which nothing enforces."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.managed_object import SoapFault

__all__ = ["PRIVILEGES", "Permissions", "Role"]

# Privileges by group, those that roles for operating VMs are made of.
PRIVILEGES: Mapping[str, Sequence[str]] = {
    "System": ("Anonymous", "Read", "View"),
    "Alarm": ("Acknowledge", "Create", "Delete", "DisableActions", "Edit", "SetStatus"),
    "Authorization": ("ModifyPermissions", "ModifyRoles", "ReassignRolePermissions"),
    "Datacenter": ("Create", "Delete", "Move", "Rename"),
    "Datastore": ("AllocateSpace", "Browse", "DeleteFile", "FileManagement", "Rename"),
    "Folder": ("Create", "Delete", "Move", "Rename"),
    "Global": ("CancelTask", "Diagnostics", "LogEvent", "ManageCustomFields", "SetCustomField"),
    "Host.Config": ("Connection", "Maintenance", "Power", "Settings"),
    "InventoryService.Tagging": ("AttachTag", "CreateTag", "DeleteTag", "EditTag"),
    "Network": ("Assign", "Config", "Delete", "Move"),
    "Resource": ("AssignVMToPool", "ColdMigrate", "CreatePool", "DeletePool", "HotMigrate"),
    "ScheduledTask": ("Create", "Delete", "Edit", "Run"),
    "Sessions": ("TerminateSession", "ValidateSession"),
    "Task": ("Create", "Update"),
    "VirtualMachine.Config": ("AddNewDisk", "AddRemoveDevice", "EditDevice", "Rename", "Settings"),
    "VirtualMachine.GuestOperations": ("Execute", "Modify", "Query"),
    "VirtualMachine.Interact": (
        "AnswerQuestion",
        "ConsoleInteract",
        "DeviceConnection",
        "PowerOff",
        "PowerOn",
        "Reset",
        "Suspend",
        "ToolsInstall",
    ),
    "VirtualMachine.Inventory": ("Create", "Delete", "Move", "Register", "Unregister"),
    "VirtualMachine.Provisioning": ("Clone", "DeployTemplate", "MarkAsTemplate", "MarkAsVM"),
    "VirtualMachine.State": (
        "CreateSnapshot",
        "RemoveSnapshot",
        "RenameSnapshot",
        "RevertToSnapshot",
    ),
}
_ALL = tuple(f"{group}.{name}" for group, names in PRIVILEGES.items() for name in names)
_READ = ("System.Anonymous", "System.View", "System.Read")
_ADMIN = -1
_FIRST_ROLE = 1001


@dataclass(frozen=True, slots=True)
class Role:
    id: int
    name: str
    label: str
    privileges: Sequence[str]
    system: bool = False

    def value(self) -> Any:
        return vim.AuthorizationManager.Role(
            roleId=self.id,
            system=self.system,
            name=self.name,
            info=vim.Description(label=self.label, summary=self.label),
            privilege=list(self.privileges),
        )


_BUILT_IN = (
    Role(-5, "NoAccess", "No access", (), True),
    Role(-4, "Anonymous", "Anonymous", _READ[:1], True),
    Role(-3, "View", "View", _READ[:2], True),
    Role(-2, "ReadOnly", "Read-only", _READ, True),
    Role(_ADMIN, "Admin", "Administrator", _ALL, True),
)


class Permissions:
    """All roles, and the permissions by moid of their entity."""

    def __init__(self, root: str, administrator: str) -> None:
        self._lock = threading.RLock()
        self._numbers = itertools.count(_FIRST_ROLE)
        self._roles = {role.id: role for role in _BUILT_IN}
        self._permissions: dict[str, dict[tuple[str, bool], Any]] = {}
        folder = vim.Folder(root)
        self.set(folder, [_permission(folder, administrator, _ADMIN)])

    # Roles -----------------------------------------------------------------------------

    def roles(self) -> list[Role]:
        with self._lock:
            return list(self._roles.values())

    def add_role(self, name: str, privileges: Iterable[str]) -> int:
        with self._lock:
            self._raise_if_taken(name)
            number = next(self._numbers)
            self._roles[number] = Role(number, name, name, _granted(privileges))
            return number

    def update_role(self, id: int, name: str, privileges: Iterable[str] | None) -> None:
        with self._lock:
            role = self._changeable(id)
            if name != role.name:
                self._raise_if_taken(name)
            granted = role.privileges if privileges is None else _granted(privileges)
            self._roles[id] = replace(role, name=name, label=name, privileges=granted)

    def remove_role(self, id: int, fail_if_used: bool) -> None:
        with self._lock:
            self._changeable(id)
            used = self.all(id)
            if used and fail_if_used:
                raise SoapFault(vim.fault.RemoveFailed(), "The role is in use.")
            for each in used:
                self.remove(each.entity._moId, each.principal, each.group)
            del self._roles[id]

    def merge(self, source: int, target: int) -> None:
        """Give the holders of one role another one."""
        with self._lock:
            self._role(source), self._role(target)
            for each in self.all(source):
                each.roleId = target

    def _role(self, id: int) -> Role:
        if id not in self._roles:
            raise SoapFault(vim.fault.NotFound(), f"There is no role {id}.")
        return self._roles[id]

    def _changeable(self, id: int) -> Role:
        role = self._role(id)
        if role.system:
            raise SoapFault(vmodl.fault.InvalidArgument(), "A system role cannot be changed.")
        return role

    def _raise_if_taken(self, name: str) -> None:
        if any(role.name == name for role in self._roles.values()):
            raise SoapFault(vim.fault.AlreadyExists(name=name), f"The role '{name}' exists.")

    # Permissions -----------------------------------------------------------------------

    def of(self, moid: str) -> Any:
        """The permissions that are defined on an entity itself."""
        with self._lock:
            defined = list(self._permissions.get(moid, {}).values())
        return vim.AuthorizationManager.Permission.Array(defined)

    def all(self, role_id: int | None = None) -> list[Any]:
        with self._lock:
            every = [each for entity in self._permissions.values() for each in entity.values()]
        return [each for each in every if role_id is None or each.roleId == role_id]

    def set(self, entity: Any, permissions: Iterable[Any]) -> None:
        """Add permissions, or replace those of the same user or group."""
        with self._lock:
            for each in permissions:
                self._role(each.roleId)
                each.entity = entity
                defined = self._permissions.setdefault(entity._moId, {})
                defined[each.principal.lower(), each.group] = each

    def reset(self, entity: Any, permissions: Iterable[Any]) -> None:
        with self._lock:
            self._permissions.pop(entity._moId, None)
            self.set(entity, permissions)

    def remove(self, moid: str, principal: str, group: bool) -> None:
        with self._lock:
            if self._permissions.get(moid, {}).pop((principal.lower(), group), None) is None:
                raise SoapFault(vim.fault.NotFound(), f"'{principal}' has no permission there.")


def _permission(entity: Any, principal: str, role_id: int) -> Any:
    return vim.AuthorizationManager.Permission(
        entity=entity, principal=principal, group=False, roleId=role_id, propagate=True
    )


def _granted(privileges: Iterable[str]) -> tuple[str, ...]:
    """Privileges of a role, with those to see anything at all, which every role has."""
    granted = dict.fromkeys((*_READ, *privileges))
    unknown = [each for each in granted if each not in _ALL]
    if unknown:
        raise SoapFault(
            vmodl.fault.InvalidArgument(invalidProperty="privIds"), f"unknown privileges: {unknown}"
        )
    return tuple(granted)
