"""The guest of a VM in a world file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chaosvm.lab.simulation import Guest, Service
from chaosvm.lab.world_files import converters as words
from chaosvm.settings import values

__all__ = ["guest"]

_BEHAVIORS: Mapping[str, Callable[..., Guest]] = {
    "obeys": Guest.obeys,
    "slow": Guest.slow,
    "ignores": Guest.ignores,
    "without_agent": Guest.without_agent,
    "deaf": Guest.deaf,
}
_EXPECTED = f"one of {', '.join(_BEHAVIORS)}, or with seconds as {{'slow': 5}}"
_EXAMPLE = '{"slow": 5, "agent_after": 20, "ports": {"22": "tcp", "8080": "http"}}'


def guest(key: str, value: Any) -> Guest:
    """The name of a behavior, {name: seconds}, or such a mapping with other fields."""
    if isinstance(value, str) and value in _BEHAVIORS:
        return _BEHAVIORS[value]()
    if not isinstance(value, dict) or not value:
        raise values.invalid(key, value, f"{_EXPECTED}{values.suggestion(value, _BEHAVIORS)}")
    fields = values.mapping(key, value, _FIELDS, _EXAMPLE)
    behaviors = [each for each in fields if each in _BEHAVIORS]
    if len(behaviors) > 1:
        raise values.invalid(key, value, f"only one of {', '.join(behaviors)}")
    made = Guest()
    for name in behaviors:
        made = _BEHAVIORS[name](fields.pop(name))
    return replace(made, **{_NAMES.get(name, name): field for name, field in fields.items()})


def _ports(key: str, value: Any) -> tuple[Service, ...]:
    """What answers, by port: tcp, http, or {"status": 503, "body": "..."} for HTTP."""
    if not isinstance(value, dict) or not value:
        raise values.invalid(key, value, 'a mapping such as {"22": "tcp", "8080": "http"}')
    return tuple(
        _service(f"{key}.{port}", values.integer(f"a port of {key}", port, 1, 65535), answer)
        for port, answer in value.items()
    )


def _service(key: str, port: int, answer: Any) -> Service:
    if isinstance(answer, dict):
        fields = values.mapping(key, answer, _HTTP, '{"status": 503, "body": "not now"}')
        return Service(port, http=True, **fields)
    return Service(port, http=words.one_of(key, answer, ("tcp", "http")) == "http")


_HTTP: dict[str, Callable[[str, Any], Any]] = {
    "status": lambda key, value: values.integer(key, value, 200, 599),
    "body": lambda key, value: value if value == "" else values.string(key, value),
}
_FIELDS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys((name for name in _BEHAVIORS if name != "deaf"), words.seconds),
    **dict.fromkeys(("agent_after", "ip_after"), words.seconds),
    **dict.fromkeys(("new_addresses", "agent"), values.boolean),
    "ports": _ports,
    "programs": values.string_list,
}
_NAMES = {"ports": "services"}
