"""What the parts of a world file may be: each function takes the place and the value."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from chaosvm import values
from chaosvm.lab.world import Guest, State, Topology

__all__ = [
    "MIB",
    "date",
    "folder",
    "guest",
    "ip_addresses",
    "moid",
    "number_of",
    "ranged_items",
    "seconds",
    "state",
    "text_mapping",
    "topology",
    "unique_id",
    "version",
]

MIB = 1024**2
_MOID = re.compile(r"([A-Za-z]+-)?\d+")
_VERSION = re.compile(r"(\d)\.(\d+)")
_LONGEST = 100 * 365 * 86_400
# Power states as activities have them; and what YAML makes of a plain on or off.
_STATES = {"powered_on": State.RUNNING, "powered_off": State.OFF, "on": State.RUNNING}
_BOOLEAN_STATES = {True: State.RUNNING, False: State.OFF}
_GUESTS: Mapping[str, Callable[..., Guest]] = {
    "obeys": Guest.obeys,
    "slow": Guest.slow,
    "ignores": Guest.ignores,
    "without_agent": Guest.without_agent,
    "deaf": Guest.deaf,
}


def seconds(key: str, value: Any) -> float:
    return values.number(key, value, 0, _LONGEST, "seconds")


def number_of(most: int) -> Callable[[str, Any], int]:
    """A whole number from 1 on."""
    return partial(_number_of, most=most)


def _number_of(key: str, value: Any, most: int) -> int:
    return values.integer(key, value, 1, most)


def state(key: str, value: Any) -> State:
    if isinstance(value, bool):
        return _BOOLEAN_STATES[value]
    if isinstance(value, str) and value in _STATES:
        return _STATES[value]
    return values.choice(key, value, State)


def guest(key: str, value: Any) -> Guest:
    """A word, or {word: seconds}."""
    expected = f"one of {', '.join(_GUESTS)}, or with seconds as {{'slow': 5}}"
    word, *given = next(iter(value.items())) if _is_pair(value) else (value,)
    if not isinstance(word, str) or word not in _GUESTS or (given and word == "deaf"):
        hint = values.nearest(word, _GUESTS) if isinstance(word, str) else ""
        raise values.invalid(key, value, f"{expected}{hint}")
    return _GUESTS[word](*(seconds(f"{key}.{word}", each) for each in given))


def _is_pair(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1


def unique_id(key: str, value: Any) -> str:
    expected = "a UUID such as 6f790959-1c2b-4d3e-8f40-a1b2c3d4e5f6"
    try:
        return str(uuid.UUID(values.text(key, value, expected)))
    except ValueError:
        raise values.invalid(key, value, expected) from None


def moid(key: str, value: Any) -> str:
    if not isinstance(value, str) or not _MOID.fullmatch(value):
        raise values.invalid(key, value, "a vCenter's id of a VM, such as vm-101")
    return value


def folder(key: str, value: Any) -> tuple[str, ...]:
    """As "data/prod", or as a list where a name has a slash in it."""
    expected = "the path of a folder such as data/prod, or a list of names"
    if isinstance(value, str):
        value = value.strip().split("/")
    if not isinstance(value, list) or not value:
        raise values.invalid(key, value, expected)
    return tuple(values.text(key, name, expected) for name in value)


def ip_addresses(key: str, value: Any) -> tuple[str, ...]:
    expected = "IP addresses such as 192.0.2.7"
    told = values.text_list(key, value, expected)
    for each in told:
        try:
            ipaddress.ip_address(each)
        except ValueError:
            raise values.invalid(key, each, expected) from None
    return told


def topology(key: str, value: Any) -> Topology:
    """How many CPUs, or how they are made up."""
    if isinstance(value, dict):
        parts = dict.fromkeys(("sockets", "cores", "threads"), number_of(1024))
        return Topology(**values.mapping(key, value, parts, '{"sockets": 2, "cores": 4}'))
    return Topology(values.integer(key, value, 1, 1024))


def version(key: str, value: Any) -> tuple[int, int]:
    found = _VERSION.fullmatch(str(value))
    if found is None:
        raise values.invalid(key, value, "a compatibility level such as 4.7")
    return int(found[1]), int(found[2])


def date(key: str, value: Any) -> dt.datetime:
    expected = "a date such as 2024-01-31 or 2024-01-31T12:00:00Z"
    try:
        found = dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise values.invalid(key, value, expected) from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def text_mapping(key: str, value: Any) -> dict[str, str]:
    expected = "a mapping of names to texts"
    if not isinstance(value, dict):
        raise values.invalid(key, value, expected)
    return {
        values.text(key, name, expected): values.text(f"{key}.{name}", text)
        for name, text in value.items()
    }


def ranged_items(key: str, value: Any, example: str) -> list[Any]:
    if not isinstance(value, list):
        raise values.invalid(key, value, f"a list such as {example}")
    return value
