"""Tags of VMs, and their parents."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Tag", "TagRegistry", "tag_id"]


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of VMs, and its parent. ``first_name`` is the name it had before it was renamed."""

    name: str
    parent: str | None = None
    description: str = ""
    first_name: str = ""

    @property
    def id(self) -> str:
        return tag_id(self.first_name or self.name)


def tag_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


class TagRegistry:
    """The tags that were added, by name."""

    def __init__(self) -> None:
        self._tags: dict[str, Tag] = {}

    def put(self, tag: Tag) -> None:
        self._tags[tag.name] = tag

    def drop(self, name: str) -> None:
        self._tags.pop(name, None)

    def all(self, used: Iterable[str]) -> list[Tag]:
        """Those that were added, and those that are only used."""
        tags = dict(self._tags)
        for name in used:
            if name not in tags:
                tags[name] = Tag(name)
        return list(tags.values())

    def with_ancestors(self, names: Iterable[str]) -> tuple[str, ...]:
        found = list(names)
        for name in found:
            parent = self._tags[name].parent if name in self._tags else None
            if parent is not None and parent not in found:
                found.append(parent)
        return tuple(found)
