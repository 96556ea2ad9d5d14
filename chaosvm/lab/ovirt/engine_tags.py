"""The tags of the engine, which has a root tag above those of the simulation."""

from __future__ import annotations

from collections.abc import Sequence

from chaosvm.lab.ovirt.templates import BLANK
from chaosvm.lab.simulation import Tag, World, tag_id

__all__ = ["ROOT_TAG", "ancestors", "engine_tags", "parent_id"]

ROOT_TAG = BLANK.id


def engine_tags(world: World) -> Sequence[Tag]:
    """All tags with their parents, and the root tag at the end."""
    tags = list(world.tags)
    names = {tag.name for tag in tags}
    parents = dict.fromkeys(tag.parent for tag in tags if tag.parent and tag.parent not in names)
    return [*tags, *(Tag(name) for name in parents if name), Tag("root")]


def ancestors(world: World, name: str | None) -> Sequence[str]:
    """A tag and those above it."""
    parents = {tag.name: tag.parent for tag in world.tags}
    found: list[str] = []
    while name is not None and name not in found:
        found.append(name)
        name = parents.get(name)
    return found


def parent_id(world: World, tag: Tag) -> str:
    if tag.parent is None:
        return ROOT_TAG
    ids = {each.name: each.id for each in world.tags}
    return ids.get(tag.parent, tag_id(tag.parent))
