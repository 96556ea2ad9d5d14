"""Objects that every engine has from its installation, recorded from a real one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.bodies import of_json
from chaosvm.lab.simulation import World

__all__ = ["recorded", "seeded", "seeds_of"]


@cache
def recorded(name: str) -> Any:
    source = files("chaosvm.lab.ovirt.kinds").joinpath("recorded_objects.json")
    return json.loads(source.read_text(encoding="utf-8"))[name]


def seeded(tag: str, item_id: str, **members: Any) -> Element:
    """An element with an id and these members; a reference is a mapping with an id."""
    return of_json(tag, {"id": item_id, **members})


def seeds_of(
    path: str, tag: str, without: tuple[str, ...] = ()
) -> Callable[[World], Iterator[tuple[str, Element]]]:
    """The recorded objects of a collection at the top, without some of their members."""

    def seeds(world: World) -> Iterator[tuple[str, Element]]:
        for item in recorded(path):
            yield path, of_json(tag, _without(item, without))

    return seeds


def _without(item: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    return {name: value for name, value in item.items() if name not in names}
