"""Every VM with its place in the inventory, read by one property collector request.

One traversal fetches VMs, hosts, clusters, datacenters, folders and vApps with
the few properties needed of each; they are joined here. Only leaf properties
are asked for: newer servers put values into ``runtime`` and ``summary`` that
older clients cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.errors import PlatformError, ProtocolError
from chaosvm.vm import VM, PowerState
from chaosvm.vsphere.faults import POWER_STATES, platform_error, text_of

__all__ = ["Inventory", "read_inventory"]

_PLACE = ["name", "parent"]
_PROPERTIES = {
    "VirtualMachine": [
        *_PLACE,
        "parentVApp",
        "customValue",
        "config.template",
        "config.instanceUuid",
        "config.uuid",
        "config.guestFullName",
        "config.guestId",
        "config.hardware.numCPU",
        "config.hardware.memoryMB",
        "config.managedBy",
        "config.ftInfo.role",
        "runtime.powerState",
        "runtime.connectionState",
        "runtime.host",
        "runtime.question",
        "guest.hostName",
        "guest.ipAddress",
        "guest.net",
        "guest.toolsStatus",
        "guest.toolsRunningStatus",
    ],
    "HostSystem": [*_PLACE, "runtime.connectionState", "runtime.inMaintenanceMode"],
    "ComputeResource": _PLACE,
    "Datacenter": _PLACE,
    "Folder": _PLACE,
    "VirtualApp": [*_PLACE, "parentFolder", "parentVApp"],
    "CustomFieldsManager": ["field"],
}

# The three characters that vCenter escapes in names.
_ESCAPED = {"%2f": "/", "%5c": "\\", "%25": "%"}


@dataclass(frozen=True, slots=True)
class _Object:
    """A managed object as the property collector told it: never asked again."""

    kind: str
    moid: str
    properties: dict[str, Any]

    def get(self, name: str) -> Any:
        return self.properties.get(name)

    @property
    def name(self) -> str | None:
        return self.properties.get("name")


@dataclass(slots=True)
class Inventory:
    """What one reading brought."""

    vms: list[VM] = field(default_factory=list)
    datacenters: list[str] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    hosts: list[dict[str, Any]] = field(default_factory=list)


def read_inventory(content: Any) -> Inventory:
    """Ask the server, and join. Raises NotAuthenticated when the session is dead."""
    return _join({item.moid: item for item in _retrieve(content)})


def _retrieve(content: Any) -> Iterator[_Object]:
    collector = content.propertyCollector
    options = vmodl.query.PropertyCollector.RetrieveOptions()
    page = collector.RetrievePropertiesEx([_filter_spec(content)], options)
    root_seen = False
    while page is not None:
        for told in page.objects or ():
            _refuse_dead_session(told)
            item = _object(told)
            root_seen = root_seen or item.moid == content.rootFolder._GetMoId()
            yield item
        token = page.token
        page = collector.ContinueRetrievePropertiesEx(token) if token else None
    if not root_seen:
        # Even an inventory without VMs has its root folder: this is no answer,
        # and a session that died is the usual reason.
        raise vim.fault.NotAuthenticated(msg="the root folder is missing from the inventory")


def _refuse_dead_session(told: Any) -> None:
    """With a dead session the server answers 200 and an empty inventory."""
    for missing in told.missingSet or ():
        if isinstance(missing.fault, vim.fault.NotAuthenticated):
            raise missing.fault


def _object(told: Any) -> _Object:
    kind = type(told.obj).__name__.rsplit(".", 1)[-1]
    properties = {item.name: getattr(item, "val", None) for item in told.propSet or ()}
    return _Object(kind, told.obj._GetMoId(), properties)


@lru_cache(maxsize=1)
def _types() -> dict[str, Any]:
    return {kind: getattr(vim, kind) for kind in _PROPERTIES}


def _filter_spec(content: Any) -> Any:
    collector = vmodl.query.PropertyCollector
    objects = [
        collector.ObjectSpec(obj=content.rootFolder, selectSet=_to_machines()),
        collector.ObjectSpec(obj=content.rootFolder, selectSet=_to_hosts()),
    ]
    if content.customFieldsManager is not None:
        objects.append(collector.ObjectSpec(obj=content.customFieldsManager))
    wanted = [
        collector.PropertySpec(type=kind, pathSet=_PROPERTIES[name])
        for name, kind in _types().items()
    ]
    return collector.FilterSpec(objectSet=objects, propSet=wanted)


def _step(name: str, kind: Any, path: str, *then: str) -> Any:
    collector = vmodl.query.PropertyCollector
    following = [collector.SelectionSpec(name=other) for other in then]
    return collector.TraversalSpec(name=name, type=kind, path=path, selectSet=following)


def _to_machines() -> list[Any]:
    """Down the VM folders of every datacenter, and into vApps.

    Two walks rather than one: vcsim follows a path whatever the type of the
    object, and would go from each VM over its pool to all the pool's VMs.
    """
    below = ("vm children", "datacenter to vm folder", "vapp to vms")
    return [
        _step("vm children", vim.Folder, "childEntity", *below),
        _step("datacenter to vm folder", vim.Datacenter, "vmFolder", "vm children"),
        _step("vapp to vms", vim.VirtualApp, "vm"),
    ]


def _to_hosts() -> list[Any]:
    """Down the host folders to hosts, clusters, and vApps wherever they are nested."""
    below = ("host children", "datacenter to host folder", "compute to hosts", "compute to pool")
    return [
        _step("host children", vim.Folder, "childEntity", *below),
        _step("datacenter to host folder", vim.Datacenter, "hostFolder", "host children"),
        _step("compute to hosts", vim.ComputeResource, "host"),
        _step("compute to pool", vim.ComputeResource, "resourcePool", "pool to pools"),
        _step("pool to pools", vim.ResourcePool, "resourcePool", "pool to pools", "app to vms"),
        _step("app to vms", vim.VirtualApp, "vm"),
    ]


def _join(objects: dict[str, _Object]) -> Inventory:
    fields = _custom_fields(objects)
    inventory = Inventory()
    for item in objects.values():
        if item.kind == "VirtualMachine":
            inventory.vms.append(_vm(item, objects, fields))
        elif item.kind == "Datacenter":
            inventory.datacenters.append(_unescaped(item.name or item.moid))
        elif item.kind == "ClusterComputeResource":
            inventory.clusters.append(_unescaped(item.name or item.moid))
        elif item.kind == "HostSystem":
            inventory.hosts.append(_host(item, objects))
    return inventory


def _custom_fields(objects: dict[str, _Object]) -> dict[int, str]:
    return {
        definition.key: definition.name
        for item in objects.values()
        if item.kind == "CustomFieldsManager"
        for definition in item.get("field") or ()
    }


def _host(item: _Object, objects: dict[str, _Object]) -> dict[str, Any]:
    return {
        "name": _unescaped(item.name or item.moid),
        "id": item.moid,
        "cluster": _cluster_of(item, objects),
        "connection_state": _word(item.get("runtime.connectionState")),
        "maintenance": bool(item.get("runtime.inMaintenanceMode")),
    }


def _vm(item: _Object, objects: dict[str, _Object], fields: dict[int, str]) -> VM:
    get = item.get
    raw_name = item.name or item.moid
    name = _unescaped(raw_name)
    above = _above(item, objects)
    host = objects.get(_moid(get("runtime.host")))
    status = _word(get("runtime.powerState")) or "unknown"
    return VM(
        id=item.moid,
        name=name,
        aliases=() if name == raw_name else (raw_name,),
        platform="vsphere",
        power_state=_power_state(status, _word(get("runtime.connectionState"))),
        status=status,
        instance_uuid=get("config.instanceUuid"),
        path=_path([item, *above]),
        datacenter=_nearest_name("Datacenter", above),
        cluster=_cluster_of(host, objects),
        host=_unescaped(host.name) if host and host.name else None,
        folder=_folder_path(above),
        cpu_count=get("config.hardware.numCPU"),
        memory_mb=get("config.hardware.memoryMB"),
        guest_os=get("config.guestFullName"),
        tools_status=_word(get("guest.toolsStatus")),
        hostname=get("guest.hostName"),
        ip_addresses=_ip_addresses(item),
        template=bool(get("config.template")),
        metadata=_metadata(item, fields, above),
    )


def _metadata(item: _Object, fields: dict[int, str], above: list[_Object]) -> dict[str, Any]:
    """What only vSphere has; keys that say nothing about this VM are left out."""
    get = item.get
    managed_by = get("config.managedBy")
    question = get("runtime.question")
    told = {
        "bios_uuid": get("config.uuid"),
        "guest_id": get("config.guestId"),
        "connection_state": _word(get("runtime.connectionState")),
        "tools_running_status": _word(get("guest.toolsRunningStatus")),
        "managed_by": managed_by.extensionKey if managed_by else None,
        "fault_tolerance_role": get("config.ftInfo.role"),
        "question": question.text if question else None,
        "vapp": _nearest_name("VirtualApp", above),
        "custom_attributes": {
            fields.get(value.key, str(value.key)): value.value for value in get("customValue") or ()
        },
        # Whose names the server does not tell.
        "nameless_attributes": [
            value.key for value in get("customValue") or () if value.key not in fields
        ],
    }
    return {key: value for key, value in told.items() if value not in (None, {}, [], "")}


def _power_state(word: str, connection: str | None) -> PowerState:
    """A VM whose host is not connected has the state it had when last seen: not known."""
    if connection not in (None, "connected"):
        return PowerState.UNKNOWN
    return POWER_STATES.get(word, PowerState.UNKNOWN)


def _ip_addresses(item: _Object) -> tuple[str, ...] | None:
    """The guest's own, primary first; None when it told none."""
    addresses = [item.get("guest.ipAddress")]
    for nic in item.get("guest.net") or ():
        addresses.extend(nic.ipAddress or ())
    return tuple(dict.fromkeys(address for address in addresses if address)) or None


def _above(item: _Object, objects: dict[str, _Object]) -> list[_Object]:
    """The entities around it, nearest first, up to the root folder, which is not among them."""
    found: list[_Object] = []
    current: _Object | None = item
    while current is not None and len(found) < 100:
        parent = _parent(current, objects)
        if parent is None or (parent.get("parent") is None and parent.kind == "Folder"):
            break
        found.append(parent)
        current = parent
    return found


def _parent(item: _Object, objects: dict[str, _Object]) -> _Object | None:
    """A vApp comes before a folder: it is the nearer of the two."""
    for name in ("parentVApp", "parentFolder", "parent"):
        parent = objects.get(_moid(item.get(name)))
        if parent is not None:
            return parent
    return None


def _path(chain: list[_Object]) -> str:
    return "/" + "/".join(item.name or item.moid for item in reversed(chain))


def _folder_path(above: list[_Object]) -> str | None:
    for position, item in enumerate(above):
        if item.kind == "Folder":
            return _path(above[position:])
    return None


def _nearest_name(kind: str, above: list[_Object]) -> str | None:
    return next((_unescaped(item.name) for item in above if item.kind == kind and item.name), None)


def _cluster_of(host: _Object | None, objects: dict[str, _Object]) -> str | None:
    """None for a standalone host: the ComputeResource around it is no cluster."""
    around = objects.get(_moid(host.get("parent"))) if host else None
    if around is None or around.kind != "ClusterComputeResource" or not around.name:
        return None
    return _unescaped(around.name)


def _moid(reference: Any) -> str:
    return reference._GetMoId() if reference is not None else ""


def _word(value: Any) -> str | None:
    return str(value) if value else None


def _unescaped(name: str) -> str:
    return re.sub("%(2f|5c|25)", lambda match: _ESCAPED[match[0].lower()], name, flags=re.I)


def fault_in_reading(fault: Any) -> PlatformError:
    if isinstance(fault, vim.fault.NoPermission):
        return platform_error(fault)
    if isinstance(fault, vmodl.fault.InvalidType | vmodl.query.InvalidProperty):
        return ProtocolError(f"the vCenter lacks a property that is needed: {text_of(fault)}")
    return PlatformError(f"the inventory could not be read: {text_of(fault)}")
