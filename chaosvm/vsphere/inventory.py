"""All VMs with their location in the inventory, read in one property collector request.

One request returns VMs, hosts, clusters, datacenters, folders and vApps with the
few properties needed of each; this module joins them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.errors import PlatformError, ProtocolError
from chaosvm.vm import VM, PowerState
from chaosvm.vsphere.faults import (
    POWER_STATES,
    fault_text,
    is_outcome_unknown,
    platform_error,
)
from chaosvm.vsphere.properties import ALL_PATHS, ObjectProperties, PropertyPaths
from chaosvm.vsphere.retrieval import require_root, retrieve
from chaosvm.vsphere.traversals import inventory_spec

__all__ = [
    "Inventory",
    "ObjectGraph",
    "ip_addresses",
    "power_state",
    "read_error",
    "read_inventory",
    "read_object_graph",
    "unescape",
]

# The three characters that vCenter escapes in names.
_ESCAPES = {"%2f": "/", "%5c": "\\", "%25": "%"}
_EMPTY: tuple[Any, ...] = (None, {}, [], "")


@dataclass(slots=True)
class Inventory:
    """The whole inventory of a vCenter, or of an ESXi host."""

    vms: list[VM] = field(default_factory=list)
    datacenters: list[str] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    hosts: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Location:
    """The location that all objects in one folder or vApp share."""

    path: str = ""
    folder: str | None = None
    datacenter: str | None = None
    vapp: str | None = None


@dataclass(frozen=True, slots=True)
class _HostLocation:
    """The location that all VMs on one host share."""

    host: str | None = None
    cluster: str | None = None
    standalone: bool = False  # the host is known not to be in a cluster


def read_inventory(content: Any) -> Inventory:
    """Read all. Raises NotAuthenticated or RootFolderMissing if the session has ended."""
    graph = read_object_graph(content, ALL_PATHS)
    inventory = Inventory(graph.vms())
    for item in graph.objects.values():
        if item.kind == "Datacenter":
            inventory.datacenters.append(unescape(item.name or item.moid))
        elif item.kind == "ClusterComputeResource":
            inventory.clusters.append(unescape(item.name or item.moid))
        elif item.kind == "HostSystem":
            inventory.hosts.append(graph.host(item))
    return inventory


def read_object_graph(content: Any, paths: PropertyPaths) -> ObjectGraph:
    """Read these properties of all objects. Raises as ``read_inventory``."""
    objects = retrieve(content, inventory_spec(content, paths))
    require_root(content, objects)
    return ObjectGraph(objects)


class ObjectGraph:
    """Managed objects by moid, which refer to each other."""

    def __init__(self, objects: dict[str, ObjectProperties]) -> None:
        self.objects = objects
        self._locations: dict[str, _Location] = {}
        self._host_locations: dict[str, _HostLocation] = {}

    def vms(self) -> list[VM]:
        return [self._vm(item) for item in self.objects.values() if item.kind == "VirtualMachine"]

    def host(self, item: ObjectProperties) -> dict[str, Any]:
        return {
            "name": unescape(item.name or item.moid),
            "id": item.moid,
            "cluster": self._cluster_of(item),
            "connection_state": item.properties.get("runtime.connectionState") or None,
            "maintenance": bool(item.properties.get("runtime.inMaintenanceMode")),
        }

    def _vm(self, item: ObjectProperties) -> VM:
        get = item.properties.get
        raw_name = item.name or item.moid
        name = unescape(raw_name)
        location = self._location(self._parent(item))
        host_location = self._host_location(get("runtime.host"))
        status = get("runtime.powerState") or "unknown"
        return VM(
            id=item.moid,
            name=name,
            aliases=() if name == raw_name else (raw_name,),
            platform="vsphere",
            power_state=power_state(status, get("runtime.connectionState")),
            status=status,
            instance_uuid=get("config.instanceUuid"),
            path=f"{location.path}/{raw_name}",
            datacenter=location.datacenter,
            cluster=host_location.cluster,
            host=host_location.host,
            folder=location.folder,
            cpu_count=get("config.hardware.numCPU"),
            memory_mb=get("config.hardware.memoryMB"),
            guest_os=get("config.guestFullName"),
            tools_status=get("guest.toolsStatus") or None,
            hostname=get("guest.hostName"),
            ip_addresses=ip_addresses(item),
            template=bool(get("config.template")),
            metadata=self._metadata(item, location.vapp, host_location.standalone),
        )

    def _metadata(
        self, item: ObjectProperties, vapp: str | None, standalone: bool
    ) -> dict[str, Any]:
        """Properties that only vSphere has; empty ones are left out."""
        get = item.properties.get
        attributes = get("customValue") or ()
        behavior = get("config.flags.snapshotPowerOffBehavior")
        metadata = {
            "bios_uuid": get("config.uuid"),
            "guest_id": get("config.guestId"),
            "connection_state": get("runtime.connectionState"),
            "tools_running_status": get("guest.toolsRunningStatus"),
            "managed_by": get("config.managedBy.extensionKey"),
            "fault_tolerance_role": get("config.ftInfo.role"),
            "reverts_at_power_off": behavior == "revert" or None,
            "question": get("runtime.question.text"),
            "vapp": vapp,
            "standalone_host": standalone or None,
            "custom_attributes": {
                self._fields.get(key, str(key)): value for key, value in attributes
            },
            # Keys of attributes whose names the server does not return.
            "nameless_attributes": [key for key, _ in attributes if key not in self._fields],
        }
        return {key: value for key, value in metadata.items() if value not in _EMPTY}

    @cached_property
    def _fields(self) -> dict[int, str]:
        """The names of custom attributes."""
        managers = (item for item in self.objects.values() if item.kind == "CustomFieldsManager")
        return {
            key: name
            for item in managers
            for key, name in (item.properties.get("field") or {}).items()
        }

    def _host_location(self, moid: str | None) -> _HostLocation:
        if moid is None:
            return _HostLocation()
        if moid not in self._host_locations:
            host = self.objects.get(moid)
            name = unescape(host.name) if host and host.name else None
            parent = self._host_parent(host)
            standalone = parent is not None and parent.kind == "ComputeResource"
            self._host_locations[moid] = _HostLocation(name, self._cluster_of(host), standalone)
        return self._host_locations[moid]

    def _cluster_of(self, host: ObjectProperties | None) -> str | None:
        """None for a standalone host, whose parent is a plain ComputeResource."""
        parent = self._host_parent(host)
        if parent is None or parent.kind != "ClusterComputeResource" or not parent.name:
            return None
        return unescape(parent.name)

    def _host_parent(self, host: ObjectProperties | None) -> ObjectProperties | None:
        return self.objects.get(host.properties.get("parent") or "") if host else None

    # Locations -----------------------------------------------------------------------

    def _parent(self, item: ObjectProperties) -> ObjectProperties | None:
        """The vApp if there is one, else the folder."""
        for reference in ("parentVApp", "parentFolder", "parent"):
            parent = self.objects.get(item.properties.get(reference) or "")
            if parent is not None:
                return parent
        return None

    def _location(self, container: ObjectProperties | None) -> _Location:
        """The location of the objects in a folder, datacenter or vApp."""
        if container is None:
            return _Location()
        if container.moid not in self._locations:
            # Ends the recursion if a container is its own ancestor.
            self._locations[container.moid] = _Location()
            self._locations[container.moid] = self._read_location(container)
        return self._locations[container.moid]

    def _read_location(self, container: ObjectProperties) -> _Location:
        parent = self._parent(container)
        if container.kind == "Folder" and container.properties.get("parent") is None:
            return _Location()  # paths do not include the root folder
        outer = self._location(parent)
        path = f"{outer.path}/{container.name or container.moid}"
        name = unescape(container.name) if container.name else None
        return _Location(
            path=path,
            folder=path if container.kind == "Folder" else outer.folder,
            datacenter=name if container.kind == "Datacenter" and name else outer.datacenter,
            vapp=name if container.kind == "VirtualApp" and name else outer.vapp,
        )


def power_state(vsphere_state: str, connection_state: str | None) -> PowerState:
    """Unknown if the host is not connected: vCenter then returns the last known state."""
    if connection_state not in (None, "connected"):
        return PowerState.UNKNOWN
    return POWER_STATES.get(vsphere_state, PowerState.UNKNOWN)


def ip_addresses(item: ObjectProperties) -> tuple[str, ...] | None:
    """The guest's addresses, primary first; None if it has not reported any."""
    addresses = [item.properties.get("guest.ipAddress"), *(item.properties.get("guest.net") or ())]
    return tuple(dict.fromkeys(address for address in addresses if address)) or None


def unescape(name: str) -> str:
    """The name as people wrote it."""
    if "%" not in name:
        return name
    return re.sub("%(2f|5c|25)", lambda match: _ESCAPES[match[0].lower()], name, flags=re.I)


def read_error(fault: Any) -> PlatformError:
    """For a fault that ended a request for properties."""
    if isinstance(fault, vim.fault.NoPermission) or is_outcome_unknown(fault):
        return platform_error(fault)
    if isinstance(fault, vmodl.fault.InvalidType | vmodl.query.InvalidProperty):
        return ProtocolError(f"the vCenter lacks a required property: {fault_text(fault)}")
    return PlatformError(f"the inventory could not be read: {fault_text(fault)}")
