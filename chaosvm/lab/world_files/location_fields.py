"""The data centers, clusters and hosts of a world file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaosvm.lab.simulation import HighAvailability, ResourceScheduling
from chaosvm.lab.world_files import converters as words
from chaosvm.lab.world_files.entries import Converters, Entries, read_entries
from chaosvm.lab.world_files.locations import Locations
from chaosvm.settings import values

__all__ = ["add_locations", "all_locations", "datacenters"]

_HOST: Converters = {
    "name": values.string,
    "id": words.unique_id,
    "address": values.string,
    **dict.fromkeys(("up", "maintenance", "power_management"), values.boolean),
    "cpu_count": words.topology,
    "memory_mb": words.positive_integer(2**40),
}
_ISOLATION_RESPONSES = ("none", "powerOff")
_AUTOMATION = ("manual", "partiallyAutomated", "fullyAutomated")


def datacenters(key: str, value: Any) -> dict[str, Any]:
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
        "ha": _high_availability,
        "drs": _resource_scheduling,
    }
    return _by_name(key, value, cluster, '{"prod": {"hosts": ["esx-{01..04}"]}}')


def _high_availability(key: str, value: Any) -> HighAvailability:
    """True, or its rules."""
    if isinstance(value, bool):
        return HighAvailability(enabled=value)
    rules: Converters = {
        "admission_control": values.boolean,
        "failures": words.positive_integer(31),
        "failover_hosts": values.string_list,
        "isolation_response": lambda key, value: words.one_of(key, value, _ISOLATION_RESPONSES),
    }
    return HighAvailability(
        enabled=True, **values.mapping(key, value, rules, '{"failover_hosts": ["esx-04"]}')
    )


def _resource_scheduling(key: str, value: Any) -> ResourceScheduling:
    """True, or how much it does by itself."""
    if isinstance(value, bool):
        return ResourceScheduling(enabled=value)
    return ResourceScheduling(enabled=True, automation=words.one_of(key, value, _AUTOMATION))


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
        entries += [fields for _, fields in read_entries(f"{key}[{number}]", entry, _HOST)]
    return entries


def all_locations(datacenters: Mapping[str, dict[str, Any]]) -> Entries:
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


def add_locations(locations: Locations, datacenters: Mapping[str, dict[str, Any]]) -> None:
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
    return words.renamed(fields, {"cpu_count": "topology", "memory_mb": "memory"})
