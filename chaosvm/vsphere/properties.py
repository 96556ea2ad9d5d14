"""Which properties are read of each type of managed object, and how values are converted.

Both parsers (``response_parser`` and pyvmomi) reduce values to the same plain
form: a reference to its moid, an enumeration to a string, a list to the part
that is needed. Only leaf properties are requested: newer servers put values
into ``runtime`` and ``summary`` that older clients cannot parse.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from sys import intern
from typing import Any
from xml.etree.ElementTree import Element

from pyVmomi.VmomiSupport import ManagedObject

__all__ = [
    "ALL_PATHS",
    "FROM_TEXT",
    "FROM_TREE",
    "ObjectProperties",
    "PropertyPaths",
    "normalize",
    "paths_for_fields",
]

# Property paths by type of managed object.
PropertyPaths = Mapping[str, Sequence[str]]


@dataclass(slots=True)
class ObjectProperties:
    """The properties of a managed object, as read at one time."""

    kind: str
    moid: str
    properties: dict[str, Any]

    @property
    def name(self) -> str | None:
        return self.properties.get("name")


_LOCATION = ["name", "parent"]
_VAPP_LOCATION = [*_LOCATION, "parentFolder", "parentVApp"]

ALL_PATHS: PropertyPaths = {
    "VirtualMachine": [
        *_LOCATION,
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
    "HostSystem": [*_LOCATION, "runtime.connectionState", "runtime.inMaintenanceMode"],
    "ComputeResource": _LOCATION,
    "Datacenter": _LOCATION,
    "Folder": _LOCATION,
    "VirtualApp": _VAPP_LOCATION,
    "CustomFieldsManager": ["field"],
}

# The properties that a field of a VM (or a key of its metadata) is derived from, in addition
# to its name and location, which are always read.
_PATHS_OF_FIELD = {
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


def paths_for_fields(fields: Collection[str]) -> PropertyPaths:
    """The paths that these fields of a VM need; other fields remain unset."""
    if not _PATHS_OF_FIELD.keys() >= set(fields):
        return ALL_PATHS
    vm_paths = sorted({path for field in fields for path in _PATHS_OF_FIELD[field]})
    paths = {
        "VirtualMachine": [*_LOCATION, "parentVApp", *vm_paths],
        "Datacenter": _LOCATION,
        "Folder": _LOCATION,
        "VirtualApp": _VAPP_LOCATION,
    }
    hosts = (
        {"HostSystem": _LOCATION, "ComputeResource": _LOCATION}
        if "runtime.host" in vm_paths
        else {}
    )
    return paths | hosts


def _parse_boolean(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text]


def _parse_empty(text: str, empty: Any) -> Any:
    if text:
        raise ValueError(text)
    return empty


# Parsers of values that are text in the XML. Values that many objects share are interned.
FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "name": str,
    "parent": intern,
    "parentVApp": intern,
    "parentFolder": intern,
    "config.template": _parse_boolean,
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
    "runtime.inMaintenanceMode": _parse_boolean,
    "runtime.question.text": str,
    "guest.hostName": str,
    "guest.ipAddress": str,
    "guest.toolsStatus": intern,
    "guest.toolsRunningStatus": intern,
    "info.state": intern,
    # Empty lists.
    "customValue": lambda text: _parse_empty(text, []),
    "field": lambda text: _parse_empty(text, {}),
    "guest.net": lambda text: _parse_empty(text, []),
}


_TAG = "{urn:vim25}"
# The elements of the items of a list.
Items = Iterable[Element]


def _text(item: Element, name: str) -> str:
    """The text of a required field. Raises KeyError if the item does not have it."""
    element = item.find(_TAG + name)
    if element is None:
        raise KeyError(name)
    return element.text or ""


def _parse_attributes(items: Items) -> list[tuple[int, str]]:
    return [(int(_text(item, "key")), _text(item, "value")) for item in items]


def _parse_definitions(items: Items) -> dict[int, str]:
    return {int(_text(item, "key")): _text(item, "name") for item in items}


def _parse_addresses(items: Items) -> list[str]:
    return [field.text or "" for nic in items for field in nic if field.tag == f"{_TAG}ipAddress"]


# Parsers of lists, each with a string that the XML contains unless the result is empty.
FROM_TREE: Mapping[str, tuple[Callable[[Items], Any], str]] = {
    "customValue": (_parse_attributes, "<"),
    "field": (_parse_definitions, "<"),
    "guest.net": (_parse_addresses, "<ipAddress>"),
}

FROM_PYVMOMI: Mapping[str, Callable[[Any], Any]] = {
    "customValue": lambda values: [(item.key, item.value) for item in values],
    "field": lambda fields: {item.key: item.name for item in fields},
    "guest.net": lambda nics: [address for nic in nics for address in nic.ipAddress or ()],
}


def normalize(name: str, value: Any) -> Any:
    """Reduces a value of pyvmomi's to the plain form."""
    if value is None:
        return None
    if name in FROM_PYVMOMI:
        return FROM_PYVMOMI[name](value)
    if isinstance(value, ManagedObject):
        return value._GetMoId()
    # pyvmomi's enumerations are subclasses of str.
    return str(value) if isinstance(value, str) else value
