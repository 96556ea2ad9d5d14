"""Tags of VMs."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

__all__ = ["Tag", "tag_id"]


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of VMs, and its parent."""

    name: str
    parent: str | None = None

    @property
    def id(self) -> str:
        return tag_id(self.name)


def tag_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))
