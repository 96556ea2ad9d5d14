"""Accounts in a world file: who may see and do what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.lab.simulation import NotFound, Role, World
from chaosvm.lab.world_files import converters as words
from chaosvm.settings import values

__all__ = ["add", "users"]

_USER: dict[str, Callable[[str, Any], Any]] = {
    "name": values.string,
    "password": values.string,
    "role": lambda key, value: values.choice(key, value, Role),
    "vms": values.string_list,
    "disabled": values.boolean,
}


def users(key: str, value: Any) -> list[tuple[str, dict[str, Any]]]:
    example = '[{"name": "plain@internal", "password": "secret", "vms": ["web-01"]}]'
    return [
        (f"{key}[{number}]", values.mapping(f"{key}[{number}]", item, _USER, example))
        for number, item in enumerate(words.list_items(key, value, example))
    ]


def add(made: World, place: str, fields: dict[str, Any]) -> None:
    for needed in ("name", "password"):
        if needed not in fields:
            raise InvalidValue(f"{place} has no {needed}")
    try:
        made.add_user(**fields)
    except NotFound as error:
        raise InvalidValue(f"{place}.vms: {error}") from None
