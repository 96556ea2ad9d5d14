"""Outages that happen in a world at given times."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.lab.simulation import World
from chaosvm.lab.world_files import converters as words
from chaosvm.lab.world_files.entries import Converters, Entries
from chaosvm.settings import values

__all__ = ["outages", "plan_outage"]

_HOST = ("fails", "is_lost", "is_rebooted", "is_disconnected")
_VM = ("crashes", "hangs", "is_paused", "is_powered_off")
_EXAMPLE = '{"after": 30, "host": "esx-02", "what": "fails", "back_after": 120}'
_FIELDS: Converters = {
    "after": words.seconds,
    "host": values.string,
    "vm": values.string,
    "what": lambda key, value: words.one_of(key, value, (*_HOST, *_VM)),
    "back_after": words.seconds,
}


def outages(key: str, value: Any) -> Entries:
    return [
        _outage(f"{key}[{number}]", item)
        for number, item in enumerate(words.list_items(key, value, f"[{_EXAMPLE}]"))
    ]


def _outage(place: str, item: Any) -> tuple[str, dict[str, Any]]:
    fields = values.mapping(place, item, _FIELDS, _EXAMPLE)
    target = [key for key in ("host", "vm") if key in fields]
    if len(target) != 1:
        raise InvalidValue(f"{place} is {item!r}, which needs a host or a vm: as in {_EXAMPLE}")
    known = _HOST if target == ["host"] else _VM
    fields.setdefault("what", known[0])
    if fields["what"] not in known:
        raise values.invalid(
            f"{place}.what", fields["what"], f"for a {target[0]} one of {', '.join(known)}"
        )
    if "back_after" in fields and fields["what"] not in ("fails", "is_lost"):
        raise InvalidValue(f"{place}.back_after is only for hosts that fail or are lost")
    return place, fields


def plan_outage(world: World, place: str, fields: dict[str, Any]) -> None:
    """Schedule it this many seconds after the world was created."""
    world.call_later(fields.get("after", 0.0), _what_happens(world, place, fields))


def _what_happens(world: World, place: str, fields: dict[str, Any]) -> Callable[[], object]:
    what, back_after = fields["what"], fields.get("back_after")
    if "host" in fields:
        _raise_if_unknown(f"{place}.host", fields["host"], (each.name for each in world.hosts))
        host = world.outages.find(fields["host"])
        return {
            "fails": partial(world.outages.fail, host.id, back_after),
            "is_lost": partial(world.outages.lose, host.id, back_after),
            "is_rebooted": partial(world.host_operations.reboot, host.id),
            "is_disconnected": partial(world.host_operations.disconnect, host.id),
        }[what]
    _raise_if_unknown(f"{place}.vm", fields["vm"], (each.name for each in world.vms))
    vm = world.vm(fields["vm"])
    return {
        "crashes": partial(world.power.crash, vm.id),
        "hangs": partial(world.hang, vm.id),
        "is_paused": partial(world.power.pause, vm.id),
        "is_powered_off": partial(world.power.power_off, vm.id),
    }[what]


def _raise_if_unknown(place: str, name: str, names: Iterable[str]) -> None:
    known = list(names)
    if known.count(name) != 1:
        reason = "which two have" if name in known else "which does not exist"
        raise InvalidValue(f"{place} is {name!r}, {reason}{values.suggestion(name, known)}")
