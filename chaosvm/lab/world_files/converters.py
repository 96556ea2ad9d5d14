"""Converters for the values of a world file: each takes the place in the file and the value."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import uuid
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from chaosvm.lab.fault_rules import ACTIONS
from chaosvm.lab.simulation import Durations, State, Topology
from chaosvm.settings import values

__all__ = [
    "MIB",
    "action",
    "count",
    "date",
    "durations",
    "folder",
    "ip_addresses",
    "moid",
    "positive_integer",
    "list_items",
    "one_of",
    "renamed",
    "seconds",
    "state",
    "tags",
    "text_mapping",
    "topology",
    "unique_id",
    "version",
]

MIB = 1024**2
_MOID = re.compile(r"([A-Za-z]+-)?\d+")
_VERSION = re.compile(r"(\d)\.(\d+)")
_MAX_SECONDS = 100 * 365 * 86_400
# Power states as in activities; YAML reads a bare on or off as a boolean.
_STATES = {"powered_on": State.RUNNING, "powered_off": State.OFF, "on": State.RUNNING}
_BOOLEAN_STATES = {True: State.RUNNING, False: State.OFF}


def seconds(key: str, value: Any) -> float:
    return values.number(key, value, 0, _MAX_SECONDS, "seconds")


def positive_integer(maximum: int) -> Callable[[str, Any], int]:
    """A converter for integers from 1 to ``maximum``."""
    return partial(_positive_integer, maximum=maximum)


def _positive_integer(key: str, value: Any, maximum: int) -> int:
    return values.integer(key, value, 1, maximum)


def state(key: str, value: Any) -> State:
    if isinstance(value, bool):
        return _BOOLEAN_STATES[value]
    if isinstance(value, str) and value in _STATES:
        return _STATES[value]
    return values.choice(key, value, State)


def unique_id(key: str, value: Any) -> str:
    expected = "a UUID such as 6f790959-1c2b-4d3e-8f40-a1b2c3d4e5f6"
    try:
        return str(uuid.UUID(values.string(key, value, expected)))
    except ValueError:
        raise values.invalid(key, value, expected) from None


def moid(key: str, value: Any) -> str:
    if not isinstance(value, str) or not _MOID.fullmatch(value):
        raise values.invalid(key, value, "a vCenter's id of a VM, such as vm-101")
    return value


def folder(key: str, value: Any) -> tuple[str, ...]:
    """A path such as "data/prod", or a list of names, which may contain slashes."""
    expected = "the path of a folder such as data/prod, or a list of names"
    if isinstance(value, str):
        value = value.strip().split("/")
    if not isinstance(value, list) or not value:
        raise values.invalid(key, value, expected)
    return tuple(values.string(key, name, expected) for name in value)


def ip_addresses(key: str, value: Any) -> tuple[str, ...]:
    expected = "IP addresses such as 192.0.2.7"
    addresses = values.string_list(key, value, expected)
    for each in addresses:
        try:
            ipaddress.ip_address(each)
        except ValueError:
            raise values.invalid(key, each, expected) from None
    return addresses


def topology(key: str, value: Any) -> Topology:
    """The number of CPUs, or a mapping of sockets, cores and threads."""
    if isinstance(value, dict):
        parts = dict.fromkeys(("sockets", "cores", "threads"), positive_integer(1024))
        return Topology(**values.mapping(key, value, parts, '{"sockets": 2, "cores": 4}'))
    return Topology(values.integer(key, value, 1, 1024))


def version(key: str, value: Any) -> tuple[int, int]:
    match = _VERSION.fullmatch(str(value))
    if match is None:
        raise values.invalid(key, value, "a compatibility level such as 4.7")
    return int(match[1]), int(match[2])


def date(key: str, value: Any) -> dt.datetime:
    expected = "a date such as 2024-01-31 or 2024-01-31T12:00:00Z"
    try:
        match = dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise values.invalid(key, value, expected) from None
    return match if match.tzinfo else match.replace(tzinfo=dt.UTC)


def text_mapping(key: str, value: Any) -> dict[str, str]:
    expected = "a mapping of names to strings"
    if not isinstance(value, dict):
        raise values.invalid(key, value, expected)
    return {
        values.string(key, name, expected): values.string(f"{key}.{name}", text)
        for name, text in value.items()
    }


def list_items(key: str, value: Any, example: str) -> list[Any]:
    if not isinstance(value, list):
        raise values.invalid(key, value, f"a list such as {example}")
    return value


def durations(key: str, value: Any) -> Durations:
    """Seconds by operation; ``times`` multiplies all others."""
    converters: dict[str, Any] = {
        "times": lambda key, value: values.number(key, value, 0.001, 100_000),
        **dict.fromkeys(Durations.__slots__, seconds),
    }
    seconds_by_name = values.mapping(key, value, converters, '{"times": 100, "boot": 30}')
    defaults = Durations().times(seconds_by_name.pop("times", 1))
    return Durations(
        **{name: seconds_by_name.get(name, getattr(defaults, name)) for name in defaults.__slots__}
    )


def tags(key: str, value: Any) -> dict[str, str | None]:
    """A list of tags, or a mapping of tags to their parents."""
    if isinstance(value, dict):
        return {
            values.string(key, name): None
            if parent is None
            else values.string(f"{key}.{name}", parent)
            for name, parent in value.items()
        }
    return dict.fromkeys(values.string_list(key, value, '["web"], or {"gold": "tier"}'))


def one_of(key: str, value: Any, known: Collection[str]) -> str:
    if isinstance(value, str) and value in known:
        return value
    hint = values.suggestion(value, known)
    raise values.invalid(key, value, f"one of {', '.join(known)}{hint}")


def renamed(fields: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Fields by their names in the simulation, and memory in bytes."""
    fields = {names.get(key, key): value for key, value in fields.items()}
    if "memory" in fields:
        fields["memory"] *= MIB
    return fields


def count(key: str, value: Any) -> int:
    return values.integer(key, value, 0, 1_000_000_000)


def action(key: str, value: Any) -> str:
    return one_of(key, value, ACTIONS)
