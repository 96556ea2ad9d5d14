"""Reads the status of hosts and clusters, and triggered alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.backend import Alarm, ClusterStatus, HostConnection, HostStatus
from chaosvm.vsphere.inventory import unescape
from chaosvm.vsphere.properties import ObjectProperties
from chaosvm.vsphere.retrieval import require_root, retrieve_with_pyvmomi
from chaosvm.vsphere.traversals import hosts_spec

__all__ = ["read_alarms", "read_clusters", "read_hosts"]

_Collector = vmodl.query.PropertyCollector
_HOST_PATHS = {
    "HostSystem": [
        "name",
        "parent",
        "runtime.connectionState",
        "runtime.inMaintenanceMode",
        "runtime.powerState",
    ],
    "ComputeResource": ["name"],
    "Folder": ["name"],
}
_CLUSTER_PATHS = {
    # The summary is declared as that of any compute resource, without the failover level.
    "ClusterComputeResource": ["name", "configuration.dasConfig.enabled", "summary"],
    "Folder": ["name"],
}
_CONNECTIONS = {
    "connected": HostConnection.CONNECTED,
    "disconnected": HostConnection.DISCONNECTED,
    "notResponding": HostConnection.NOT_RESPONDING,
}
_POWERED_ON = {"poweredOn": True, "poweredOff": False, "standBy": False}


def read_hosts(content: Any) -> list[HostStatus]:
    """Every host, in one request."""
    objects = _read(content, _HOST_PATHS)
    return [_host(item, objects) for item in objects.values() if item.kind == "HostSystem"]


def _host(item: ObjectProperties, objects: Mapping[str, ObjectProperties]) -> HostStatus:
    get = item.properties.get
    parent = objects.get(get("parent") or "")
    cluster = parent if parent and parent.kind == "ClusterComputeResource" else None
    state = get("runtime.connectionState") or ""
    connection = _CONNECTIONS.get(state, HostConnection.UNKNOWN)
    powered_on = _POWERED_ON.get(get("runtime.powerState") or "")
    maintenance = bool(get("runtime.inMaintenanceMode"))
    usable = connection is HostConnection.CONNECTED and powered_on is True and not maintenance
    return HostStatus(
        id=item.moid,
        name=_name(item),
        connection=connection,
        available=usable,
        maintenance=maintenance,
        status=state,
        cluster=_name(cluster) if cluster else None,
        powered_on=powered_on,
    )


def read_clusters(content: Any) -> list[ClusterStatus]:
    """Every cluster, in one request."""
    return [
        ClusterStatus(
            id=item.moid,
            name=_name(item),
            ha_enabled=item.properties.get("configuration.dasConfig.enabled"),
            failures_tolerated=getattr(
                item.properties.get("summary"), "currentFailoverLevel", None
            ),
        )
        for item in _read(content, _CLUSTER_PATHS).values()
        if item.kind == "ClusterComputeResource"
    ]


def _read(content: Any, paths: Mapping[str, Sequence[str]]) -> dict[str, ObjectProperties]:
    objects = retrieve_with_pyvmomi(content.propertyCollector, hosts_spec(content, paths))
    require_root(content, objects)
    return objects


def read_alarms(content: Any) -> list[Alarm]:
    """Every triggered alarm: the root folder has those of all objects below it.

    Two requests, however many alarms there are.
    """
    root = content.rootFolder
    states = [
        each for each in root.triggeredAlarmState or () if not getattr(each, "disabled", None)
    ]
    if not states:
        return []
    alarms = {each.alarm._GetMoId(): each.alarm for each in states}
    entities = {each.entity._GetMoId(): each.entity for each in states}
    names = retrieve_with_pyvmomi(
        content.propertyCollector, _names_spec([*alarms.values(), *entities.values()])
    )
    return [_alarm(each, names) for each in states]


def _alarm(state: Any, names: Mapping[str, ObjectProperties]) -> Alarm:
    def name(reference: Any, path: str) -> str:
        item = names.get(reference._GetMoId())
        value = item.properties.get(path) if item else None
        return unescape(value) if value else reference._GetMoId()

    return Alarm(
        name=name(state.alarm, "info.name"),
        status=str(state.overallStatus),
        entity=name(state.entity, "name"),
        entity_id=state.entity._GetMoId(),
        at=state.time,
        acknowledged=bool(state.acknowledged),
    )


def _names_spec(objects: Sequence[Any]) -> Any:
    return _Collector.FilterSpec(
        objectSet=[_Collector.ObjectSpec(obj=each) for each in objects],
        propSet=[
            _Collector.PropertySpec(type=vim.alarm.Alarm, pathSet=["info.name"]),
            _Collector.PropertySpec(type=vim.ManagedEntity, pathSet=["name"]),
        ],
        reportMissingObjectsInResults=True,
    )


def _name(item: ObjectProperties) -> str:
    return unescape(item.name or item.moid)
