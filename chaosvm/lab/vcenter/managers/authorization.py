"""AuthorizationManager: roles, permissions, and who may do what, which is everybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.permissions import PRIVILEGES

__all__ = ["AuthorizationManager"]

_a = vim.AuthorizationManager


class AuthorizationManager(ManagedObject):
    kind = _a

    def __init__(self, inventory: Inventory) -> None:
        super().__init__("AuthorizationManager")
        self._inventory = inventory
        self._permissions = inventory.permissions

    @managed_property
    def roleList(self, session: Any = None) -> Any:
        return _a.Role.Array(role.value() for role in self._permissions.roles())

    @managed_property
    def privilegeList(self, session: Any = None) -> Any:
        return _a.Privilege.Array(
            _a.Privilege(
                privId=f"{group}.{name}",
                name=name,
                onParent=name == "Create",
                privGroupName=group,
            )
            for group, names in PRIVILEGES.items()
            for name in names
        )

    @managed_property
    def description(self, session: Any = None) -> Any:
        return vim.AuthorizationDescription(
            privilege=[
                vim.ElementDescription(key=each.privId, label=each.name, summary=each.name)
                for each in self.privilegeList()
            ],
            privilegeGroup=[
                vim.ElementDescription(key=group, label=group, summary=group)
                for group in PRIVILEGES
            ],
        )

    # Roles -----------------------------------------------------------------------------

    @method("AddAuthorizationRole")
    def add_role(self, call: Call) -> int:
        number: int = self._permissions.add_role(call.get("name"), call.get("privIds") or ())
        return number

    @method("UpdateAuthorizationRole")
    def update_role(self, call: Call) -> None:
        self._permissions.update_role(call.get("roleId"), call.get("newName"), call.get("privIds"))

    @method("RemoveAuthorizationRole")
    def remove_role(self, call: Call) -> None:
        self._permissions.remove_role(call.get("roleId"), bool(call.get("failIfUsed")))

    @method("MergePermissions")
    def merge(self, call: Call) -> None:
        self._permissions.merge(call.get("srcRoleId"), call.get("dstRoleId"))

    # Permissions -----------------------------------------------------------------------

    @method("RetrieveAllPermissions")
    def all(self, call: Call) -> list[Any]:
        permissions: list[Any] = self._permissions.all()
        return permissions

    @method("RetrieveRolePermissions")
    def of_role(self, call: Call) -> list[Any]:
        permissions: list[Any] = self._permissions.all(call.get("roleId"))
        return permissions

    @method("RetrieveEntityPermissions")
    def of_entity(self, call: Call) -> list[Any]:
        """Those of an entity and, if inherited ones are requested, of what contains it."""
        entities = [self._entity(call), *self._containers(call)] if call.get("inherited") else []
        return [
            each
            for entity in entities or [self._entity(call)]
            for each in self._permissions.of(entity.moid)
        ]

    @method("SetEntityPermissions")
    def set(self, call: Call) -> None:
        self._permissions.set(self._entity(call).reference, call.get("permission") or ())

    @method("ResetEntityPermissions")
    def reset(self, call: Call) -> None:
        self._permissions.reset(self._entity(call).reference, call.get("permission") or ())

    @method("RemoveEntityPermission")
    def remove(self, call: Call) -> None:
        self._permissions.remove(
            self._entity(call).moid, call.get("user"), bool(call.get("isGroup"))
        )

    def _entity(self, call: Call) -> ManagedObject:
        return self._found(call.get("entity"))

    def _found(self, reference: Any) -> ManagedObject:
        entity: ManagedObject | None = self._inventory.find(reference._moId)
        if entity is None:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=reference))
        return entity

    def _containers(self, call: Call) -> Iterator[ManagedObject]:
        parent = self._entity(call).get("parent")
        while parent is not None:
            container = self._found(parent)
            yield container
            parent = container.get("parent")

    # Privileges ------------------------------------------------------------------------

    @method("HasPrivilegeOnEntity")
    def has_privileges(self, call: Call) -> list[bool]:
        self._entity(call)
        return [True for _ in call.get("privId") or ()]

    @method("HasPrivilegeOnEntities", "HasUserPrivilegeOnEntities")
    def has_privileges_on_many(self, call: Call) -> list[Any]:
        availability = [
            _a.PrivilegeAvailability(privId=each, isGranted=True)
            for each in call.get("privId") or ()
        ]
        entities = call.get("entity") or call.get("entities") or ()
        return [
            _a.EntityPrivilege(
                entity=self._found(each).reference, privAvailability=list(availability)
            )
            for each in entities
        ]

    @method("FetchUserPrivilegeOnEntities")
    def privileges_of_user(self, call: Call) -> list[Any]:
        every = [each.privId for each in self.privilegeList()]
        return [
            _a.UserPrivilegeResult(entity=self._found(each).reference, privileges=list(every))
            for each in call.get("entities") or ()
        ]
