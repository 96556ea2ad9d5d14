"""What is asked of each kind of managed object, and what becomes of the values.

Every value is reduced to something plain as it is read: a reference to its
moid, an enumeration to its word, a list to the part of it that is needed. So
the rest does not see which of the two readers brought it. Only leaf properties
are asked for: newer servers put values into ``runtime`` and ``summary`` that
older clients cannot read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any
from xml.etree.ElementTree import Element

from pyVmomi.VmomiSupport import ManagedObject

__all__ = [
    "ALL",
    "FROM_TEXT",
    "FROM_TREE",
    "ObjectProperties",
    "PropertyPaths",
    "normalize",
    "wanted_for",
]

# The paths that are asked of each kind.
PropertyPaths = Mapping[str, list[str]]


@dataclass(slots=True)
class ObjectProperties:
    """A managed object as the property collector told it: never asked again."""

    kind: str
    moid: str
    properties: dict[str, Any]

    @property
    def name(self) -> str | None:
        return self.properties.get("name")


_PLACE = ["name", "parent"]
_APP = [*_PLACE, "parentFolder", "parentVApp"]

ALL: PropertyPaths = {
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
        "config.managedBy.extensionKey",
        "config.ftInfo.role",
        "config.flags.snapshotPowerOffBehavior",
        "runtime.powerState",
        "runtime.connectionState",
        "runtime.host",
        "runtime.question.text",
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
    "VirtualApp": _APP,
    "CustomFieldsManager": ["field"],
}

# What a field of a VM (or a key of its metadata) is made of, beside its name and its
# place, which are always asked.
_PATHS = {
    "name": [],
    "id": [],
    "path": [],
    "folder": [],
    "datacenter": [],
    "cluster": ["runtime.host"],
    "host": ["runtime.host"],
    "power_state": ["runtime.powerState", "runtime.connectionState"],
    "instance_uuid": ["config.instanceUuid"],
    "guest_os": ["config.guestFullName"],
    "cpu_count": ["config.hardware.numCPU"],
    "memory_mb": ["config.hardware.memoryMB"],
    "template": ["config.template"],
    "hostname": ["guest.hostName"],
    "ip_addresses": ["guest.ipAddress", "guest.net"],
    "managed_by": ["config.managedBy.extensionKey"],
    "fault_tolerance_role": ["config.ftInfo.role"],
}


def wanted_for(fields: Collection[str]) -> PropertyPaths:
    """As much as these fields of a VM need; the others come out as not known."""
    if not _PATHS.keys() >= set(fields):
        return ALL
    paths = sorted({path for field in fields for path in _PATHS[field]})
    wanted = {
        "VirtualMachine": [*_PLACE, "parentVApp", *paths],
        "Datacenter": _PLACE,
        "Folder": _PLACE,
        "VirtualApp": _APP,
    }
    hosts = {"HostSystem": _PLACE, "ComputeResource": _PLACE} if "runtime.host" in paths else {}
    return wanted | hosts


def _boolean(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text]


def _empty(text: str, nothing: Any) -> Any:
    if text:
        raise ValueError(text)
    return nothing


# Values that stand in the XML as text. What many objects share is kept once.
FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "name": str,
    "parent": intern,
    "parentVApp": intern,
    "parentFolder": intern,
    "config.template": _boolean,
    "config.instanceUuid": str,
    "config.uuid": str,
    "config.guestFullName": intern,
    "config.guestId": intern,
    "config.hardware.numCPU": int,
    "config.hardware.memoryMB": int,
    "config.managedBy.extensionKey": intern,
    "config.ftInfo.role": int,
    "config.flags.snapshotPowerOffBehavior": intern,
    "runtime.powerState": intern,
    "runtime.connectionState": intern,
    "runtime.host": intern,
    "runtime.inMaintenanceMode": _boolean,
    "runtime.question.text": str,
    "guest.hostName": str,
    "guest.ipAddress": str,
    "guest.toolsStatus": intern,
    "guest.toolsRunningStatus": intern,
    "info.state": intern,
    # Lists with nothing in them.
    "customValue": lambda text: _empty(text, []),
    "field": lambda text: _empty(text, {}),
    "guest.net": lambda text: _empty(text, []),
}


_TAG = "{urn:vim25}"
# What a list is read from: the elements of its items, in any iterable.
Items = Iterable[Element]


def _text(item: Element, name: str) -> str:
    """What one required field of an item holds; KeyError where it has none."""
    found = item.find(_TAG + name)
    if found is None:
        raise KeyError(name)
    return found.text or ""


def _attributes(items: Items) -> list[tuple[int, str]]:
    return [(int(_text(item, "key")), _text(item, "value")) for item in items]


def _definitions(items: Items) -> dict[int, str]:
    return {int(_text(item, "key")): _text(item, "name") for item in items}


def _addresses(items: Items) -> list[str]:
    return [told.text or "" for nic in items for told in nic if told.tag == f"{_TAG}ipAddress"]


# Lists, of which not everything is needed; and what must be in one for there to be anything.
FROM_TREE: Mapping[str, tuple[Callable[[Items], Any], str]] = {
    "customValue": (_attributes, "<"),
    "field": (_definitions, "<"),
    "guest.net": (_addresses, "<ipAddress>"),
}

FROM_PYVMOMI: Mapping[str, Callable[[Any], Any]] = {
    "customValue": lambda values: [(each.key, each.value) for each in values],
    "field": lambda fields: {each.key: each.name for each in fields},
    "guest.net": lambda nics: [address for nic in nics for address in nic.ipAddress or ()],
}


def normalize(name: str, value: Any) -> Any:
    """A value of pyvmomi's, as the other reader gives it."""
    if value is None:
        return None
    if name in FROM_PYVMOMI:
        return FROM_PYVMOMI[name](value)
    if isinstance(value, ManagedObject):
        return value._GetMoId()
    # Strings come as subclasses of str: enumerations, for one.
    return str(value) if isinstance(value, str) else value
