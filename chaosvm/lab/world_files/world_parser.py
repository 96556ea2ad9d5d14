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
from chaosvm.lab.world_files.locations import Locations
from chaosvm.lab.world_files.ranges import expand_entry
from chaosvm.settings import values

__all__ = ["build_world"]

Converters = dict[str, Callable[[str, Any], Any]]
# Place in the file, and fields.
Entries = list[tuple[str, dict[str, Any]]]

_EXAMPLE = '{"vms": [{"name": "web-{01..03}"}]}'
_ROOT = "the world"
_MOST_VMS = 1_000_000
_FIRST_MOID = 1000

_GENERATE: Converters = {
    "vms": words.positive_integer(_MOST_VMS),
    "clusters": words.positive_integer(10_000),
    "hosts": words.positive_integer(10_000),
    "running": lambda key, value: values.number(key, value, 0, 1),
}
_HOST: Converters = {
    "name": values.string,
    "id": words.unique_id,
    "address": values.string,
    "up": values.boolean,
    "cpu_count": words.topology,
    "memory_mb": words.positive_integer(2**40),
}
_VM: Converters = {
    "name": values.string,
    "id": words.unique_id,
    "moid": words.moid,
    "datacenter": values.string,
    "cluster": values.string,
    "host": values.string,
    "state": words.state,
    "busy_for": words.seconds,
    "up_for": words.seconds,
    "comes_back_after": words.seconds,
    "guest": words.guest,
    "guest_os": values.string,
    "cpu_count": words.topology,
    "memory_mb": words.positive_integer(2**40),
    "hostname": values.string,
    "ip_addresses": words.ip_addresses,
    "tags": values.string_list,
    "folder": words.folder,
    "attributes": words.text_mapping,
    "managed_by": values.string,
    "question": values.string,
    "description": values.string,
    "comment": values.string,
    "pool_id": words.unique_id,
    "origin": values.string,
    "created": words.date,
    **dict.fromkeys(("stuck", "template", "highly_available", "stateless"), values.boolean),
    **dict.fromkeys(("tells_start", "bootable", "fails_to_start"), values.boolean),
    "host_refuses": values.boolean,
}
# Fields that have another name in the simulation.
_VM_FIELDS = {
    "cpu_count": "topology",
    "memory_mb": "memory",
    "guest_os": "os",
    "hostname": "fqdn",
}


def build_world(data: Any) -> tuple[World, tuple[Rule, ...], str]:
    """The world that a mapping describes, its fault rules, and its title."""
    content = values.mapping(_ROOT, data, _TOP, _EXAMPLE)
    seed = content.get("seed", 0)
    world = World(durations=content.get("durations"), seed=seed)
    locations = Locations(world)
    world.reserve(_ids(content.get("datacenters", {}), content.get("vms", [])))
    _add_locations(locations, content.get("datacenters", {}))
    for name, parent in content.get("tags", {}).items():
        world.add_tag(name, parent)
    _add_vms(world, locations, content.get("vms", []))
    for place, fields in content.get("users", ()):
        people.add(world, place, fields)
    if "generate" in content:
        populate(world, seed=seed, **{"vms": 12, **content["generate"]})
    rules = tuple(_rule(world, place, fields) for place, fields in content.get("faults", ()))
    return world, rules, content.get("title", "")


# Reading -----------------------------------------------------------------------------


def _at_top(convert: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """Report places relative to the file, such as "vms[3].state"."""
    return lambda key, value: convert(key.removeprefix(f"{_ROOT}."), value)


def _generate(key: str, value: Any) -> dict[str, Any]:
    return values.mapping(key, value, _GENERATE, '{"vms": 200, "clusters": 4}')


def _datacenters(key: str, value: Any) -> dict[str, Any]:
    datacenter: Converters = {
        "id": words.unique_id,
        "description": values.string,
        "clusters": _clusters,
        "hosts": _hosts,
    }
    example = '{"dc-1": {"clusters": {"prod": {"hosts": ["esx-{01..04}"]}}}}'
    return _by_name(key, value, datacenter, example)


def _clusters(key: str, value: Any) -> dict[str, Any]:
    cluster: Converters = {
        "id": words.unique_id,
        "description": values.string,
        "version": words.version,
        "hosts": _hosts,
    }
    return _by_name(key, value, cluster, '{"prod": {"hosts": ["esx-{01..04}"]}}')


def _by_name(key: str, value: Any, converters: Converters, example: str) -> dict[str, Any]:
    """A mapping by name, whose values may be empty."""
    if not isinstance(value, dict) or not value:
        raise values.invalid(key, value, f"a mapping such as {example}")
    return {
        values.string(key, name): values.mapping(f"{key}.{name}", item, converters, example)
        if item not in (None, {})
        else {}
        for name, item in value.items()
    }


def _hosts(key: str, value: Any) -> list[dict[str, Any]]:
    """Names, or mappings with a name; either may contain a range."""
    entries = []
    for number, item in enumerate(words.list_items(key, value, '["esx-{01..04}"]')):
        entry = {"name": item} if isinstance(item, str) else item
        entries += [fields for _, fields in _entries(f"{key}[{number}]", entry, _HOST)]
    return entries


def _vms(key: str, value: Any) -> Entries:
    items = words.list_items(key, value, '[{"name": "web-{01..03}"}]')
    return [
        entry
        for number, item in enumerate(items)
        for entry in _entries(f"{key}[{number}]", item, _VM)
    ]


def _entries(place: str, item: Any, converters: Converters) -> Entries:
    """The machines or hosts of an entry, with its place in the file."""
    expanded = expand_entry(place, item) if isinstance(item, dict) else [item]
    converted = [
        values.mapping(place, entry, converters, '{"name": "web-01"}') for entry in expanded
    ]
    if "name" not in converted[0]:
        raise InvalidValue(f"{place} is {item!r}, which has no name")
    return [(place, fields) for fields in converted]


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
    "datacenters": _at_top(_datacenters),
    "tags": _at_top(words.tags),
    "vms": _at_top(_vms),
    "users": _at_top(people.users),
    "faults": _at_top(_faults),
}

# Building ----------------------------------------------------------------------------


def _ids(datacenters: Mapping[str, dict[str, Any]], vms: Entries) -> Iterable[str]:
    """All ids in the file. Raises InvalidValue for a duplicate."""
    owners: dict[str, str] = {}
    for place, fields in _all_locations(datacenters):
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


def _all_locations(datacenters: Mapping[str, dict[str, Any]]) -> Entries:
    """Data centers and clusters."""
    entries: Entries = []
    for name, fields in datacenters.items():
        place = f"datacenters.{name}"
        entries.append((place, fields))
        entries += [
            (f"{place}.clusters.{key}", cluster)
            for key, cluster in fields.get("clusters", {}).items()
        ]
    return entries


def _add_locations(locations: Locations, datacenters: Mapping[str, dict[str, Any]]) -> None:
    for name, fields in datacenters.items():
        clusters, hosts = fields.pop("clusters", {}), fields.pop("hosts", ())
        datacenter = locations.datacenter(name, **fields)
        for cluster_name, cluster_fields in clusters.items():
            cluster_hosts = cluster_fields.pop("hosts", ())
            cluster = locations.cluster(cluster_name, datacenter, **cluster_fields)
            for host in cluster_hosts:
                locations.host(cluster=cluster, **_host_fields(host))
        for host in hosts:
            locations.standalone(datacenter=datacenter, **_host_fields(host))


def _host_fields(fields: dict[str, Any]) -> dict[str, Any]:
    return _renamed(fields, {"cpu_count": "topology", "memory_mb": "memory"})


def _renamed(fields: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    fields = {names.get(key, key): value for key, value in fields.items()}
    if "memory" in fields:
        fields["memory"] *= words.MIB
    return fields


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
    busy_for, stuck = fields.pop("busy_for", 0), fields.pop("stuck", False)
    vm = world.add_vm(cluster=cluster, host=host, **_renamed(fields, _VM_FIELDS))
    if stuck:
        world.stick(vm.id, vm.state)
    if busy_for:
        world.occupy(vm.id, busy_for)


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
