"""Accounts besides the lab's own, and their permissions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Role", "User"]


class Role(StrEnum):
    """What a user may see and do."""

    # May only log in.
    NONE = "none"
    # Sees some VMs and may do everything with them.
    USER = "user"
    # Sees everything.
    READER = "reader"
    # Sees everything, and may do everything with VMs except reset.
    OPERATOR = "operator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    name: str
    password: str
    role: Role = Role.USER
    vm_ids: frozenset[str] = frozenset()
    disabled: bool = False

    @property
    def sees_all(self) -> bool:
        return self.role in (Role.READER, Role.OPERATOR, Role.ADMIN)

    def sees(self, vm_id: str) -> bool:
        return self.sees_all or (self.role is Role.USER and vm_id in self.vm_ids)

    def may(self, action: str, vm_id: str) -> bool:
        match self.role:
            case Role.ADMIN:
                return True
            case Role.OPERATOR:
                return action in ("start", "stop", "shutdown", "reboot", "suspend")
            case Role.USER:
                return vm_id in self.vm_ids
        return False
