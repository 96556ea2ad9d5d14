"""Helpers that build the tables of search fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaosvm.lab.ovirt.engine_tags import engine_tags
from chaosvm.lab.ovirt.search_fields import NUMERIC, STRING, Field, Type, Value, choices
from chaosvm.lab.simulation import Cluster, Host, World

__all__ = [
    "ARCHITECTURE",
    "MIB",
    "Get",
    "choice",
    "datacenter_of",
    "level",
    "name_of",
    "number",
    "tag_tree",
    "words",
]

Get = Callable[[Any], Value]

MIB = 1024**2
ARCHITECTURE = choices(undefined=0, x86=4, ppc=3, s390x=7, x86_64=1, ppc64=2, ppc64le=5, ppcle=6)


def number(column: str, value: Get, relations: tuple[str, ...] = NUMERIC) -> Field:
    return Field(column, value, Type.INTEGER, relations)


def choice(column: str, words: Mapping[Any, Any], value: Get) -> Field:
    """A field with an enumeration."""
    numbers = {str(word).upper(): str(number) for word, number in words.items()}
    return Field(column, value, Type.INTEGER, STRING, numbers, free=False)


def name_of(item: Any) -> str | None:
    return item.name if item else None


def level(cluster: Cluster | None) -> str | None:
    return ".".join(map(str, cluster.version)) if cluster else None


def datacenter_of(world: World, host: Host) -> str | None:
    cluster = world.cluster(host.cluster_id)
    return name_of(world.datacenter(cluster.datacenter_id)) if cluster else None


def tag_tree(world: World) -> Mapping[str | None, Sequence[str]]:
    """Child tags by parent, without the root tag."""
    tree: dict[str | None, list[str]] = {}
    for tag in engine_tags(world)[:-1]:
        tree.setdefault(tag.parent, []).append(tag.name)
    return tree


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())
