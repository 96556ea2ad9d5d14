"""Every VM with its place in the inventory, read by one property collector request.

One traversal fetches VMs, hosts, clusters, datacenters, folders and vApps with
the few properties needed of each; they are joined here.
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
    NothingShown,
    is_unknown,
    platform_error,
    text_of,
)
from chaosvm.vsphere.properties import ALL, ObjectProperties, PropertyPaths
from chaosvm.vsphere.retrieval import retrieve
from chaosvm.vsphere.traversals import everything

__all__ = [
    "Inventory",
    "ObjectGraph",
    "fault_in_reading",
    "power_state",
    "read_everything",
    "read_inventory",
]

# The three characters that vCenter escapes in names.
_ESCAPED = {"%2f": "/", "%5c": "\\", "%25": "%"}
_NOTHING: tuple[Any, ...] = (None, {}, [], "")


@dataclass(slots=True)
class Inventory:
    """What one reading brought."""

    vms: list[VM] = field(default_factory=list)
    datacenters: list[str] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    hosts: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """What is the same for everything in one folder or vApp."""

    path: str = ""
    folder: str | None = None
    datacenter: str | None = None
    vapp: str | None = None


@dataclass(frozen=True, slots=True)
class _Home:
    """What is the same for every VM on one host."""

    host: str | None = None
    cluster: str | None = None
    alone: bool = False  # the host is known to be in no cluster


def read_inventory(content: Any) -> Inventory:
    """Ask the server, and join. Raises NotAuthenticated when the session is dead."""
    objects = read_everything(content, ALL)
    inventory = Inventory(objects.vms())
    for item in objects.told.values():
        if item.kind == "Datacenter":
            inventory.datacenters.append(_unescaped(item.name or item.moid))
        elif item.kind == "ClusterComputeResource":
            inventory.clusters.append(_unescaped(item.name or item.moid))
        elif item.kind == "HostSystem":
            inventory.hosts.append(objects.host(item))
    return inventory


def read_everything(content: Any, wanted: PropertyPaths) -> ObjectGraph:
    told = retrieve(content, everything(content, wanted))
    if content.rootFolder._GetMoId() not in told:
        # Even an inventory without VMs has its root folder: this is no answer,
        # and a session that died is the usual reason.
        raise NothingShown("the root folder is missing from the inventory")
    return ObjectGraph(told)


class ObjectGraph:
    """What was told of objects that belong together, by moid."""

    def __init__(self, told: dict[str, ObjectProperties]) -> None:
        self.told = told
        self._places: dict[str, _Place] = {}
        self._homes: dict[str, _Home] = {}

    def vms(self) -> list[VM]:
        return [self._vm(item) for item in self.told.values() if item.kind == "VirtualMachine"]

    def host(self, item: ObjectProperties) -> dict[str, Any]:
        return {
            "name": _unescaped(item.name or item.moid),
            "id": item.moid,
            "cluster": self._cluster_of(item),
            "connection_state": item.properties.get("runtime.connectionState") or None,
            "maintenance": bool(item.properties.get("runtime.inMaintenanceMode")),
        }

    def _vm(self, item: ObjectProperties) -> VM:
        get = item.properties.get
        raw_name = item.name or item.moid
        name = _unescaped(raw_name)
        place = self._place(self._parent(item))
        home = self._home(get("runtime.host"))
        status = get("runtime.powerState") or "unknown"
        return VM(
            id=item.moid,
            name=name,
            aliases=() if name == raw_name else (raw_name,),
            platform="vsphere",
            power_state=power_state(status, get("runtime.connectionState")),
            status=status,
            instance_uuid=get("config.instanceUuid"),
            path=f"{place.path}/{raw_name}",
            datacenter=place.datacenter,
            cluster=home.cluster,
            host=home.host,
            folder=place.folder,
            cpu_count=get("config.hardware.numCPU"),
            memory_mb=get("config.hardware.memoryMB"),
            guest_os=get("config.guestFullName"),
            tools_status=get("guest.toolsStatus") or None,
            hostname=get("guest.hostName"),
            ip_addresses=_ip_addresses(item),
            template=bool(get("config.template")),
            metadata=self._metadata(item, place.vapp, home.alone),
        )

    def _metadata(self, item: ObjectProperties, vapp: str | None, alone: bool) -> dict[str, Any]:
        """What only vSphere has; keys that say nothing about this VM are left out."""
        get = item.properties.get
        attributes = get("customValue") or ()
        behaviour = get("config.flags.snapshotPowerOffBehavior")
        told = {
            "bios_uuid": get("config.uuid"),
            "guest_id": get("config.guestId"),
            "connection_state": get("runtime.connectionState"),
            "tools_running_status": get("guest.toolsRunningStatus"),
            "managed_by": get("config.managedBy.extensionKey"),
            "fault_tolerance_role": get("config.ftInfo.role"),
            "reverts_at_power_off": behaviour == "revert" or None,
            "question": get("runtime.question.text"),
            "vapp": vapp,
            "standalone_host": alone or None,
            "custom_attributes": {
                self._fields.get(key, str(key)): value for key, value in attributes
            },
            # Whose names the server does not tell.
            "nameless_attributes": [key for key, _ in attributes if key not in self._fields],
        }
        return {key: value for key, value in told.items() if value not in _NOTHING}

    @cached_property
    def _fields(self) -> dict[int, str]:
        """The names of custom attributes."""
        managers = (item for item in self.told.values() if item.kind == "CustomFieldsManager")
        return {
            key: name
            for item in managers
            for key, name in (item.properties.get("field") or {}).items()
        }

    def _home(self, moid: str | None) -> _Home:
        if moid is None:
            return _Home()
        if moid not in self._homes:
            host = self.told.get(moid)
            name = _unescaped(host.name) if host and host.name else None
            around = self._around(host)
            alone = around is not None and around.kind == "ComputeResource"
            self._homes[moid] = _Home(name, self._cluster_of(host), alone)
        return self._homes[moid]

    def _cluster_of(self, host: ObjectProperties | None) -> str | None:
        """None for a standalone host: the ComputeResource around it is no cluster."""
        around = self._around(host)
        if around is None or around.kind != "ClusterComputeResource" or not around.name:
            return None
        return _unescaped(around.name)

    def _around(self, host: ObjectProperties | None) -> ObjectProperties | None:
        return self.told.get(host.properties.get("parent") or "") if host else None

    # Where things are ----------------------------------------------------------------

    def _parent(self, item: ObjectProperties) -> ObjectProperties | None:
        """A vApp comes before a folder: it is the nearer of the two."""
        for name in ("parentVApp", "parentFolder", "parent"):
            parent = self.told.get(item.properties.get(name) or "")
            if parent is not None:
                return parent
        return None

    def _place(self, around: ObjectProperties | None) -> _Place:
        if around is None:
            return _Place()
        if around.moid not in self._places:
            # Should something be its own parent, it has no place.
            self._places[around.moid] = _Place()
            self._places[around.moid] = self._place_in(around)
        return self._places[around.moid]

    def _place_in(self, around: ObjectProperties) -> _Place:
        above = self._parent(around)
        if around.kind == "Folder" and around.properties.get("parent") is None:
            return _Place()  # the root folder is in no path
        place = self._place(above)
        path = f"{place.path}/{around.name or around.moid}"
        name = _unescaped(around.name) if around.name else None
        return _Place(
            path=path,
            folder=path if around.kind == "Folder" else place.folder,
            datacenter=name if around.kind == "Datacenter" and name else place.datacenter,
            vapp=name if around.kind == "VirtualApp" and name else place.vapp,
        )


def power_state(word: str, connection: str | None) -> PowerState:
    """A VM whose host is not connected has the state it had when last seen: not known."""
    if connection not in (None, "connected"):
        return PowerState.UNKNOWN
    return POWER_STATES.get(word, PowerState.UNKNOWN)


def _ip_addresses(item: ObjectProperties) -> tuple[str, ...] | None:
    """The guest's own, primary first; None when it told none."""
    addresses = [item.properties.get("guest.ipAddress"), *(item.properties.get("guest.net") or ())]
    return tuple(dict.fromkeys(address for address in addresses if address)) or None


def _unescaped(name: str) -> str:
    if "%" not in name:
        return name
    return re.sub("%(2f|5c|25)", lambda match: _ESCAPED[match[0].lower()], name, flags=re.I)


def fault_in_reading(fault: Any) -> PlatformError:
    if isinstance(fault, vim.fault.NoPermission) or is_unknown(fault):
        return platform_error(fault)
    if isinstance(fault, vmodl.fault.InvalidType | vmodl.query.InvalidProperty):
        return ProtocolError(f"the vCenter lacks a property that is needed: {text_of(fault)}")
    return PlatformError(f"the inventory could not be read: {text_of(fault)}")
