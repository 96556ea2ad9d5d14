"""Builds a world from a world file; docs/lab.md describes the format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any

from chaosvm.errors import InvalidValue
from chaosvm.lab.fault_rules import Rule, rule
from chaosvm.lab.simulation import Cluster, Host, State, World
from chaosvm.lab.simulation.generated import populate
from chaosvm.lab.world_files import converters as words
from chaosvm.lab.world_files import people
from chaosvm.lab.world_files.entries import Converters, Entries, read_entries
from chaosvm.lab.world_files.location_fields import add_locations, all_locations, datacenters
from chaosvm.lab.world_files.locations import Locations
from chaosvm.lab.world_files.outage_fields import outages, plan_outage
from chaosvm.lab.world_files.vm_fields import VM, add_described_vm
from chaosvm.settings import values

__all__ = ["build_world"]

_EXAMPLE = '{"vms": [{"name": "web-{01..03}"}]}'
_ROOT = "the world"
_MOST_VMS = 1_000_000
_FIRST_MOID = 1000
_YEARS = 10.0**9  # seconds

_GENERATE: Converters = {
    "vms": words.positive_integer(_MOST_VMS),
    "clusters": words.positive_integer(10_000),
    "hosts": words.positive_integer(10_000),
    "running": lambda key, value: values.number(key, value, 0, 1),
}


def build_world(data: Any) -> tuple[World, tuple[Rule, ...], str]:
    """The world that a mapping describes, its fault rules, and its title."""
    content = values.mapping(_ROOT, data, _TOP, _EXAMPLE)
    seed = content.get("seed", 0)
    world = World(durations=content.get("durations"), seed=seed)
    locations = Locations(world)
    world.reserve(_ids(content.get("datacenters", {}), content.get("vms", [])))
    add_locations(locations, content.get("datacenters", {}))
    for name, parent in content.get("tags", {}).items():
        world.add_tag(name, parent)
    _add_vms(world, locations, content.get("vms", []))
    for place, fields in content.get("users", ()):
        people.add(world, place, fields)
    if "generate" in content:
        populate(world, seed=seed, **{"vms": 12, **content["generate"]})
    _set_time(world, content)
    for place, fields in content.get("outages", ()):
        plan_outage(world, place, fields)
    rules = tuple(_rule(world, place, fields) for place, fields in content.get("faults", ()))
    return world, rules, content.get("title", "")


def _set_time(world: World, content: Mapping[str, Any]) -> None:
    for key in ("speed", "clock_offset", "event_retention"):
        if key in content:
            setattr(world, key, content[key])


# Reading -----------------------------------------------------------------------------


def _at_top(convert: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Report places relative to the file, such as "vms[3].state"."""
    return lambda key, value: convert(key.removeprefix(f"{_ROOT}."), value)


def _generate(key: str, value: Any) -> dict[str, Any]:
    return values.mapping(key, value, _GENERATE, '{"vms": 200, "clusters": 4}')


def _vms(key: str, value: Any) -> Entries:
    items = words.list_items(key, value, '[{"name": "web-{01..03}"}]')
    return [
        entry
        for number, item in enumerate(items)
        for entry in read_entries(f"{key}[{number}]", item, VM)
    ]


def _faults(key: str, value: Any) -> Entries:
    converters: Converters = {
        "method": values.string,
        "action": words.action,
        "vm": values.string,
        "skip": words.count,
        "times": words.count,
        "seconds": words.seconds,
        "code": lambda key, value: values.integer(key, value, 200, 599),
        "message": values.string,
        "fault": values.string,
    }
    example = '{"method": "stop", "action": "drop_after", "vm": "web-01", "times": 1}'
    entries = []
    for number, item in enumerate(words.list_items(key, value, f"[{example}]")):
        place = f"{key}[{number}]"
        fields = values.mapping(place, item, converters, example)
        for required_key in ("method", "action"):
            if required_key not in fields:
                raise InvalidValue(
                    f"{place} is {item!r}, which has no {required_key}: as in {example}"
                )
        entries.append((place, fields))
    return entries


_TOP: Converters = {
    "title": _at_top(values.string),
    "seed": _at_top(lambda key, value: values.integer(key, value, 0, 2**63 - 1)),
    "durations": _at_top(words.durations),
    "generate": _at_top(_generate),
    "speed": _at_top(lambda key, value: values.number(key, value, 0.001, 100_000, "times")),
    "clock_offset": _at_top(lambda key, value: values.number(key, value, -_YEARS, _YEARS)),
    "event_retention": _at_top(words.seconds),
    "datacenters": _at_top(datacenters),
    "tags": _at_top(words.tags),
    "vms": _at_top(_vms),
    "users": _at_top(people.users),
    "faults": _at_top(_faults),
    "outages": _at_top(outages),
}

# Building ----------------------------------------------------------------------------


def _ids(datacenters: Mapping[str, dict[str, Any]], vms: Entries) -> Iterable[str]:
    """All ids in the file. Raises InvalidValue for a duplicate."""
    owners: dict[str, str] = {}
    for place, fields in all_locations(datacenters):
        if "id" in fields:
            _raise_if_taken(f"{place}.id", fields["id"], place, owners)
        names: dict[str, str] = {}
        for host in fields.get("hosts", ()):
            _raise_if_taken(f"{place}.hosts", host["name"], host["name"], names)
            if "id" in host:
                _raise_if_taken(f"{place}.hosts", host["id"], host["name"], owners)
    for place, fields in vms:
        for key in ("id", "moid"):
            if key in fields:
                _raise_if_taken(f"{place}.{key}", fields[key], fields["name"], owners)
    return owners


def _add_vms(world: World, locations: Locations, entries: Entries) -> None:
    """Add VMs; those without a moid get an unused one."""
    numbers = (int(fields["moid"].rpartition("-")[2]) for _, fields in entries if "moid" in fields)
    unused_numbers = count(max(_FIRST_MOID, *numbers, _FIRST_MOID) + 1)
    for place, fields in entries:
        fields.setdefault("moid", f"vm-{next(unused_numbers)}")
        _add_vm(world, locations, place, fields)


def _raise_if_taken(place: str, id: str, name: str, owners: dict[str, str]) -> None:
    if id in owners:
        raise InvalidValue(f"{place} is {id!r}, which is already that of {owners[id]!r}")
    owners[id] = name


def _add_vm(world: World, locations: Locations, place: str, fields: dict[str, Any]) -> None:
    names = (fields.pop(key, None) for key in ("datacenter", "cluster", "host"))
    cluster, host = locations.find(place, *names)
    _raise_if_impossible(world, place, fields, cluster, host)
    add_described_vm(world, cluster, host, fields)


def _raise_if_impossible(
    world: World, place: str, fields: dict[str, Any], cluster: Cluster | None, host: Host | None
) -> None:
    """A running VM needs a running host; a template is powered off."""
    if fields.get("template"):
        if fields.setdefault("state", State.OFF).on_a_host:
            raise InvalidValue(f"{place}.state is {fields['state'].value!r}, but a template is off")
        return
    # In these states the host may be down.
    state = fields.get("state", State.RUNNING)
    if not state.on_a_host or state in (State.NOT_RESPONDING, State.UNREACHABLE):
        return
    if host is not None and not host.usable:
        raise InvalidValue(f"{place}.host is {host.name!r}, which is down, but the VM is running")
    hosts = [each for each in world.hosts if cluster and each.cluster_id == cluster.id]
    if cluster is not None and not any(each.usable for each in hosts):
        raise InvalidValue(f"{place}.cluster is {cluster.name!r}, which has no host that is up")


def _rule(world: World, place: str, fields: dict[str, Any]) -> Rule:
    name = fields.get("vm")
    if name and not any(name in (vm.name, vm.id, vm.moid) for vm in world.vms):
        hint = values.suggestion(name, (vm.name for vm in world.vms))
        raise InvalidValue(f"{place}.vm is {name!r}, but there is no such VM{hint}")
    return rule(fields.pop("method"), fields.pop("action"), **fields)
