"""Lists of hosts, clusters, folders and the like, with their filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from chaosvm.lab.vcenter.compute_resources import ClusterCompute, ResourcePool
from chaosvm.lab.vcenter.entities import Datacenter, Datastore, Entity, Folder, Network
from chaosvm.lab.vcenter.host_system import HostSystem
from chaosvm.lab.vcenter.interfaces import Inventory
from chaosvm.lab.vcenter.vapi.errors import VapiError
from chaosvm.lab.vcenter.vapi.operations import Operation, Request
from chaosvm.lab.vcenter.vapi.structures import Structure

__all__ = ["ancestors", "filtered", "inventory_operations"]

_FOLDER_TYPES = {
    "root": "DATACENTER",
    "vm": "VIRTUAL_MACHINE",
    "host": "HOST",
    "datastore": "DATASTORE",
    "network": "NETWORK",
}
_CONNECTION_STATES = {
    "connected": "CONNECTED",
    "disconnected": "DISCONNECTED",
    "notResponding": "NOT_RESPONDING",
}
_POWER_STATES = {"poweredOn": "POWERED_ON", "poweredOff": "POWERED_OFF", "standBy": "STANDBY"}

Test = Callable[[Any], Iterable[Any]]


def ancestors(entity: Any) -> set[str]:
    """The moids of what an entity is in."""
    found = set()
    while (entity := getattr(entity, "parent_entity", None)) is not None:
        found.add(entity.moid)
    return found


@dataclass(frozen=True, slots=True)
class _List:
    """One kind of entity: its service, the fields of a summary, and further filters."""

    kind: type[Entity]
    service: str
    path: str
    summary: Callable[[Any], Mapping[str, Any]]
    # What a filter's values are compared with, by the filter's name.
    filters: Mapping[str, Test] = field(default_factory=dict)
    info: Callable[[Any], Mapping[str, Any]] | None = None

    @property
    def key(self) -> str:
        return self.service.rpartition(".")[2]


def _parent(entity: Any) -> Iterable[Any]:
    return [entity.parent_entity.moid] if entity.parent_entity is not None else []


def _host_summary(host: Any) -> Mapping[str, Any]:
    runtime = host.runtime()
    return {
        "connection_state": _CONNECTION_STATES[str(runtime.connectionState)],
        "power_state": _POWER_STATES.get(str(runtime.powerState)),
    }


def _cluster_summary(cluster: Any) -> Mapping[str, Any]:
    config = cluster.configurationEx()
    return {
        "ha_enabled": bool(config.dasConfig.enabled),
        "drs_enabled": bool(config.drsConfig.enabled),
    }


def _datastore_info(store: Any) -> Mapping[str, Any]:
    summary = store.summary()
    return {
        "type": summary.type,
        "accessible": summary.accessible,
        "free_space": summary.freeSpace,
        "multiple_host_access": bool(summary.multipleHostAccess),
        "thin_provisioning_supported": True,
    }


def _datacenter_info(datacenter: Any) -> Mapping[str, Any]:
    return {
        "datastore_folder": datacenter.datastore_folder.moid,
        "host_folder": datacenter.host_folder.moid,
        "network_folder": datacenter.network_folder.moid,
        "vm_folder": datacenter.vm_folder.moid,
    }


_LISTS = (
    _List(
        HostSystem,
        "com.vmware.vcenter.host",
        "/vcenter/host",
        _host_summary,
        {
            "connection_states": lambda host: [_host_summary(host)["connection_state"]],
            "standalone": lambda host: [not isinstance(host.parent_entity, ClusterCompute)],
            "clusters": ancestors,
        },
    ),
    _List(
        ClusterCompute,
        "com.vmware.vcenter.cluster",
        "/vcenter/cluster",
        _cluster_summary,
        info=lambda cluster: {"resource_pool": cluster.pool.moid},
    ),
    _List(
        Datacenter,
        "com.vmware.vcenter.datacenter",
        "/vcenter/datacenter",
        lambda datacenter: {},
        info=_datacenter_info,
    ),
    _List(
        Folder,
        "com.vmware.vcenter.folder",
        "/vcenter/folder",
        lambda folder: {"type": _FOLDER_TYPES[folder.content]},
        {"type": lambda folder: [_FOLDER_TYPES[folder.content]], "parent_folders": _parent},
    ),
    _List(
        Datastore,
        "com.vmware.vcenter.datastore",
        "/vcenter/datastore",
        lambda store: {
            "type": store.summary().type,
            "free_space": store.summary().freeSpace,
            "capacity": store.summary().capacity,
        },
        {"types": lambda store: [store.summary().type]},
        _datastore_info,
    ),
    _List(
        Network,
        "com.vmware.vcenter.network",
        "/vcenter/network",
        lambda network: {"type": "STANDARD_PORTGROUP"},
        {"types": lambda network: ["STANDARD_PORTGROUP"]},
    ),
    _List(
        ResourcePool,
        "com.vmware.vcenter.resource_pool",
        "/vcenter/resource-pool",
        lambda pool: {},
        {"parent_resource_pools": _parent, "clusters": ancestors, "hosts": ancestors},
        lambda pool: {"resource_pools": [each._moId for each in pool.resourcePool()]},
    ),
)


def inventory_operations(inventory: Inventory) -> Iterable[Operation]:
    for each in _LISTS:
        yield Operation(each.service, "list", partial(_list, inventory, each), "GET", each.path)
        if each.info is not None:
            path = f"{each.path}/{{{each.key}}}"
            yield Operation(each.service, "get", partial(_get, inventory, each), "GET", path)


def _list(inventory: Inventory, listed: _List, request: Request) -> list[Any]:
    entities = [each for each in inventory.tree.by_moid.values() if isinstance(each, listed.kind)]
    tests: dict[str, Test] = {
        f"{listed.key}s": lambda entity: [entity.moid],
        "names": lambda entity: [entity.plain_name],
        "folders": ancestors,
        "datacenters": ancestors,
        **listed.filters,
    }
    return [
        Structure(
            f"{listed.service}.summary",
            **{listed.key: entity.moid},
            name=entity.plain_name,
            **listed.summary(entity),
        )
        for entity in filtered(entities, request.get("filter") or {}, tests)
    ]


def filtered(entities: Iterable[Any], wanted: Mapping[str, Any], tests: Mapping[str, Test]) -> Any:
    """The entities that have one of the requested values for each field of a filter.

    A field that is unset or empty matches all (vcenter.VM.FilterSpec in the API reference).
    """
    unknown = wanted.keys() - tests.keys()
    if unknown:
        raise VapiError("invalid_argument", f"There is no filter {', '.join(sorted(unknown))}.")
    sets = {name: _values(values) for name, values in wanted.items() if values not in (None, [])}
    for entity in entities:
        if all(values.intersection(tests[name](entity)) for name, values in sets.items()):
            yield entity


def _values(values: Any) -> set[Any]:
    flat = values if isinstance(values, list) else [values]
    words = {"true": True, "false": False}
    return {words.get(each, each) if isinstance(each, str) else each for each in flat}


def _get(inventory: Inventory, listed: _List, request: Request) -> Any:
    moid = request.required(listed.key)
    entity = inventory.find(moid)
    if not isinstance(entity, listed.kind) or listed.info is None:
        raise VapiError("not_found", f"There is no {listed.key} {moid!r}.")
    return Structure(f"{listed.service}.info", name=entity.plain_name, **listed.info(entity))
