"""A world as people write it down: see docs/lab.md for the form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any

from chaosvm import values
from chaosvm.errors import InvalidValue
from chaosvm.lab.faults import ACTIONS, Rule, rule
from chaosvm.lab.world import Cluster, Durations, Host, State, World
from chaosvm.lab.world.generated import populate
from chaosvm.lab.worlds import people, words
from chaosvm.lab.worlds.places import Places
from chaosvm.lab.worlds.ranges import spread_entry

__all__ = ["world"]

Known = dict[str, Callable[[str, Any], Any]]
# Each with the place where it is written.
Entries = list[tuple[str, dict[str, Any]]]

_EXAMPLE = '{"vms": [{"name": "web-{01..03}"}]}'
_THE_FILE = "the world"
_MOST_VMS = 1_000_000
_FIRST_MOID = 1000

_GENERATE: Known = {
    "vms": words.number_of(_MOST_VMS),
    "clusters": words.number_of(10_000),
    "hosts": words.number_of(10_000),
    "running": lambda key, value: values.number(key, value, 0, 1),
}
_HOST: Known = {
    "name": values.text,
    "id": words.unique_id,
    "address": values.text,
    "up": values.boolean,
    "cpu_count": words.topology,
    "memory_mb": words.number_of(2**40),
}
_VM: Known = {
    "name": values.text,
    "id": words.unique_id,
    "moid": words.moid,
    "datacenter": values.text,
    "cluster": values.text,
    "host": values.text,
    "state": words.state,
    "busy_for": words.seconds,
    "up_for": words.seconds,
    "comes_back_after": words.seconds,
    "guest": words.guest,
    "guest_os": values.text,
    "cpu_count": words.topology,
    "memory_mb": words.number_of(2**40),
    "hostname": values.text,
    "ip_addresses": words.ip_addresses,
    "tags": values.text_list,
    "folder": words.folder,
    "attributes": words.text_mapping,
    "managed_by": values.text,
    "question": values.text,
    "description": values.text,
    "comment": values.text,
    "pool_id": words.unique_id,
    "origin": values.text,
    "created": words.date,
    **dict.fromkeys(("stuck", "template", "highly_available", "stateless"), values.boolean),
    **dict.fromkeys(("tells_start", "bootable", "fails_to_start"), values.boolean),
    "host_refuses": values.boolean,
}
# What the world calls otherwise.
_FIELDS = {
    "cpu_count": "topology",
    "memory_mb": "memory",
    "guest_os": "os",
    "hostname": "fqdn",
}


def world(told: Any) -> tuple[World, tuple[Rule, ...], str]:
    """The world that a mapping describes, its rules, and its title."""
    read = values.mapping(_THE_FILE, told, _TOP, _EXAMPLE)
    seed = read.get("seed", 0)
    made = World(durations=read.get("durations"), seed=seed)
    places = Places(made)
    made.reserve(_ids(read.get("datacenters", {}), read.get("vms", [])))
    _add_places(places, read.get("datacenters", {}))
    for name, parent in read.get("tags", {}).items():
        made.add_tag(name, parent)
    _add_vms(made, places, read.get("vms", []))
    for place, fields in read.get("users", ()):
        people.add(made, place, fields)
    if "generate" in read:
        populate(made, seed=seed, **{"vms": 12, **read["generate"]})
    rules = tuple(_rule(made, place, fields) for place, fields in read.get("faults", ()))
    return made, rules, read.get("title", "")


# Reading -----------------------------------------------------------------------------


def _at_top(convert: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Places are counted from the top of the file: "vms[3].state"."""
    return lambda key, value: convert(key.removeprefix(f"{_THE_FILE}."), value)


def _durations(key: str, value: Any) -> Durations:
    """Seconds by what takes them; ``times`` is a factor for all the others."""
    known: Known = {
        "times": lambda key, value: values.number(key, value, 0.001, 100_000),
        **dict.fromkeys(Durations.__slots__, words.seconds),
    }
    given = values.mapping(key, value, known, '{"times": 100, "boot": 30}')
    usual = Durations().times(given.pop("times", 1))
    return Durations(**{name: given.get(name, getattr(usual, name)) for name in usual.__slots__})


def _generate(key: str, value: Any) -> dict[str, Any]:
    return values.mapping(key, value, _GENERATE, '{"vms": 200, "clusters": 4}')


def _datacenters(key: str, value: Any) -> dict[str, Any]:
    datacenter: Known = {
        "id": words.unique_id,
        "description": values.text,
        "clusters": _clusters,
        "hosts": _hosts,
    }
    example = '{"dc-1": {"clusters": {"prod": {"hosts": ["esx-{01..04}"]}}}}'
    return _by_name(key, value, datacenter, example)


def _clusters(key: str, value: Any) -> dict[str, Any]:
    cluster: Known = {
        "id": words.unique_id,
        "description": values.text,
        "version": words.version,
        "hosts": _hosts,
    }
    return _by_name(key, value, cluster, '{"prod": {"hosts": ["esx-{01..04}"]}}')


def _by_name(key: str, value: Any, known: Known, example: str) -> dict[str, Any]:
    """A mapping of names; nothing, or {}, after a name is fine."""
    if not isinstance(value, dict) or not value:
        raise values.invalid(key, value, f"a mapping such as {example}")
    return {
        values.text(key, name): values.mapping(f"{key}.{name}", item, known, example)
        if item not in (None, {})
        else {}
        for name, item in value.items()
    }


def _hosts(key: str, value: Any) -> list[dict[str, Any]]:
    """Names, or mappings with one; both perhaps with a range."""
    found = []
    for number, item in enumerate(words.ranged_items(key, value, '["esx-{01..04}"]')):
        entry = {"name": item} if isinstance(item, str) else item
        found += [fields for _, fields in _entries(f"{key}[{number}]", entry, _HOST)]
    return found


def _vms(key: str, value: Any) -> Entries:
    items = words.ranged_items(key, value, '[{"name": "web-{01..03}"}]')
    return [
        entry
        for number, item in enumerate(items)
        for entry in _entries(f"{key}[{number}]", item, _VM)
    ]


def _entries(place: str, item: Any, known: Known) -> Entries:
    """Each machine or host that an entry means, with the place where it is written."""
    spread = spread_entry(place, item) if isinstance(item, dict) else [item]
    read = [values.mapping(place, entry, known, '{"name": "web-01"}') for entry in spread]
    if "name" not in read[0]:
        raise InvalidValue(f"{place} is {item!r}, which has no name")
    return [(place, fields) for fields in read]


def _tags(key: str, value: Any) -> dict[str, str | None]:
    """Tags in a list or, each with the one that it is a part of, in a mapping."""
    if isinstance(value, dict):
        return {
            values.text(key, name): None if parent is None else values.text(f"{key}.{name}", parent)
            for name, parent in value.items()
        }
    return dict.fromkeys(values.text_list(key, value, '["web"], or {"gold": "tier"}'))


def _faults(key: str, value: Any) -> Entries:
    known: Known = {
        "method": values.text,
        "action": _action,
        "vm": values.text,
        "skip": lambda key, value: values.integer(key, value, 0, 1_000_000_000),
        "times": lambda key, value: values.integer(key, value, 0, 1_000_000_000),
        "seconds": words.seconds,
        "code": lambda key, value: values.integer(key, value, 200, 599),
        "message": values.text,
        "fault": values.text,
    }
    example = '{"method": "stop", "action": "drop_after", "vm": "web-01", "times": 1}'
    found = []
    for number, item in enumerate(words.ranged_items(key, value, f"[{example}]")):
        place = f"{key}[{number}]"
        fields = values.mapping(place, item, known, example)
        for needed in ("method", "action"):
            if needed not in fields:
                raise InvalidValue(f"{place} is {item!r}, which has no {needed}: as in {example}")
        found.append((place, fields))
    return found


def _action(key: str, value: Any) -> str:
    if isinstance(value, str) and value in ACTIONS:
        return value
    hint = values.nearest(value, ACTIONS) if isinstance(value, str) else ""
    raise values.invalid(key, value, f"one of {', '.join(ACTIONS)}{hint}")


_TOP: Known = {
    "title": _at_top(values.text),
    "seed": _at_top(lambda key, value: values.integer(key, value, 0, 2**63 - 1)),
    "durations": _at_top(_durations),
    "generate": _at_top(_generate),
    "datacenters": _at_top(_datacenters),
    "tags": _at_top(_tags),
    "vms": _at_top(_vms),
    "users": _at_top(people.users),
    "faults": _at_top(_faults),
}

# Making ------------------------------------------------------------------------------


def _ids(datacenters: Mapping[str, dict[str, Any]], vms: Entries) -> Iterable[str]:
    """All that are written. Of two things with one id, one would be lost."""
    taken: dict[str, str] = {}
    for place, told in _each_place(datacenters):
        if "id" in told:
            _refuse_taken(f"{place}.id", told["id"], place, taken)
        names: dict[str, str] = {}
        for host in told.get("hosts", ()):
            _refuse_taken(f"{place}.hosts", host["name"], host["name"], names)
            if "id" in host:
                _refuse_taken(f"{place}.hosts", host["id"], host["name"], taken)
    for place, told in vms:
        for key in ("id", "moid"):
            if key in told:
                _refuse_taken(f"{place}.{key}", told[key], told["name"], taken)
    return taken


def _each_place(datacenters: Mapping[str, dict[str, Any]]) -> Entries:
    """Data centers and clusters."""
    found: Entries = []
    for name, told in datacenters.items():
        place = f"datacenters.{name}"
        found.append((place, told))
        found += [(f"{place}.clusters.{key}", of) for key, of in told.get("clusters", {}).items()]
    return found


def _add_places(places: Places, datacenters: Mapping[str, dict[str, Any]]) -> None:
    for name, told in datacenters.items():
        clusters, hosts = told.pop("clusters", {}), told.pop("hosts", ())
        datacenter = places.datacenter(name, **told)
        for cluster_name, cluster_told in clusters.items():
            inside = cluster_told.pop("hosts", ())
            cluster = places.cluster(cluster_name, datacenter, **cluster_told)
            for fields in inside:
                places.host(cluster=cluster, **_host_fields(fields))
        for fields in hosts:
            places.standalone(around=datacenter, **_host_fields(fields))


def _host_fields(told: dict[str, Any]) -> dict[str, Any]:
    return _renamed(told, {"cpu_count": "topology", "memory_mb": "memory"})


def _renamed(told: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    fields = {names.get(key, key): value for key, value in told.items()}
    if "memory" in fields:
        fields["memory"] *= words.MIB
    return fields


def _add_vms(made: World, places: Places, entries: Entries) -> None:
    """Those without a moid get one that no other has, wherever in the file that one is."""
    numbers = (int(told["moid"].rpartition("-")[2]) for _, told in entries if "moid" in told)
    fresh = count(max(_FIRST_MOID, *numbers, _FIRST_MOID) + 1)
    for place, told in entries:
        told.setdefault("moid", f"vm-{next(fresh)}")
        _add_vm(made, places, place, told)


def _refuse_taken(place: str, number: str, name: str, taken: dict[str, str]) -> None:
    if number in taken:
        raise InvalidValue(f"{place} is {number!r}, which is already that of {taken[number]!r}")
    taken[number] = name


def _add_vm(made: World, places: Places, place: str, told: dict[str, Any]) -> None:
    cluster, host = _place_of(places, place, told)
    _refuse_impossible(made, place, told, cluster, host)
    busy_for, stuck = told.pop("busy_for", 0), told.pop("stuck", False)
    vm = made.add_vm(cluster=cluster, host=host, **_renamed(told, _FIELDS))
    if stuck:
        made.stick(vm.id, vm.state)
    if busy_for:
        made.occupy(vm.id, busy_for)


def _refuse_impossible(
    made: World, place: str, told: dict[str, Any], cluster: Cluster | None, host: Host | None
) -> None:
    """What runs is on a host that is up; a template never runs."""
    if told.get("template"):
        if told.setdefault("state", State.OFF).on_a_host:
            raise InvalidValue(f"{place}.state is {told['state'].value!r}, and a template is off")
        return
    # A platform may have lost sight of a VM together with its host.
    state = told.get("state", State.RUNNING)
    if not state.on_a_host or state in (State.NOT_RESPONDING, State.UNREACHABLE):
        return
    if host is not None and not host.up:
        raise InvalidValue(f"{place}.host is {host.name!r}, which is down, and the VM runs")
    hosts = [each for each in made.hosts if cluster and each.cluster_id == cluster.id]
    if cluster is not None and not any(each.up for each in hosts):
        raise InvalidValue(
            f"{place}.cluster is {cluster.name!r}, which has no host that is up, and the VM runs"
        )


def _place_of(
    places: Places, place: str, told: dict[str, Any]
) -> tuple[Cluster | None, Host | None]:
    return places.find(place, *(told.pop(key, None) for key in ("datacenter", "cluster", "host")))


def _rule(made: World, place: str, fields: dict[str, Any]) -> Rule:
    wanted = fields.get("vm")
    if wanted and not any(wanted in (vm.name, vm.id, vm.moid) for vm in made.vms):
        hint = values.nearest(wanted, (vm.name for vm in made.vms))
        raise InvalidValue(f"{place}.vm is {wanted!r}, and no VM is called so{hint}")
    return rule(fields.pop("method"), fields.pop("action"), **fields)
