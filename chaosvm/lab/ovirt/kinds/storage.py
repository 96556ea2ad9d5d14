"""Storage domains, their profiles and connections. Source: the recordings ``storage*``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.collection import Call
from chaosvm.lab.ovirt.kinds.recorded import seeded
from chaosvm.lab.ovirt.registry import Kind, Registry, View
from chaosvm.lab.simulation import World, derived_id

__all__ = ["STORAGE", "domain_id", "profile_of"]

_GIB = 2**30
_SPACE = {"available": 400 * _GIB, "committed": 10 * _GIB, "used": 100 * _GIB}
_NFS = {"address": "127.0.0.1", "path": "/export/data", "type": "nfs"}
_DOMAIN: dict[str, Any] = {
    "description": "",
    "comment": "",
    "backup": False,
    "block_size": 512,
    "critical_space_action_blocker": 5,
    "discard_after_delete": False,
    "external_status": "ok",
    "storage_format": "v5",
    "supports_discard": False,
    "supports_discard_zeroes_data": False,
    "type": "data",
    "warning_low_space_indicator": 10,
    "wipe_after_delete": False,
    **_SPACE,
}


def domain_id(datacenter_id: str | None) -> str:
    """The storage domain that has the disks of a data center."""
    return derived_id("storage_domain", datacenter_id or "")


def profile_of(datacenter_id: str | None) -> str:
    return derived_id("disk_profile", datacenter_id or "")


def _name(number: int) -> str:
    return "nfs-data" if number == 0 else f"nfs-data-{number + 1}"


def _domain(datacenter_id: str, name: str, **members: Any) -> Element:
    return seeded(
        "storage_domain",
        domain_id(datacenter_id),
        name=name,
        master=True,
        storage=_NFS,
        data_centers={"data_center": [{"id": datacenter_id}]},
        **_DOMAIN,
        **members,
    )


def _domains(world: World) -> Iterator[tuple[str, Element]]:
    for number, datacenter in enumerate(world.datacenters):
        yield "storagedomains", _domain(datacenter.id, _name(number))


def _attached(world: World) -> Iterator[tuple[str, Element]]:
    for number, datacenter in enumerate(world.datacenters):
        path = f"datacenters/{datacenter.id}/storagedomains"
        of = {"id": datacenter.id}
        yield path, _domain(datacenter.id, _name(number), status="active", data_center=of)


def _profiles(world: World) -> Iterator[tuple[str, Element]]:
    for number, datacenter in enumerate(world.datacenters):
        domain = {"id": domain_id(datacenter.id)}
        name = _name(number)
        profile = profile_of(datacenter.id)
        yield "diskprofiles", seeded("disk_profile", profile, name=name, storage_domain=domain)


def _connections(world: World) -> Iterator[tuple[str, Element]]:
    for datacenter in world.datacenters:
        connection = derived_id("storage_connection", datacenter.id)
        yield "storageconnections", seeded("storage_connection", connection, **_NFS)


def _attach(call: Call, registry: Registry, element: Element) -> Element:
    return registry.copied("storagedomains", element)


STORAGE: Sequence[Kind] = (
    Kind(
        path="storagedomains",
        element="storage_domain",
        links="diskprofiles disks storageconnections permissions templates vms disksnapshots",
        actions="isattached updateovfstore refreshluns reduceluns",
        defaults=_DOMAIN | {"master": False, "status": "unattached"},
        mandatory=("name|id", "type", "storage.type"),
        taken="Cannot add Storage. The Storage Domain name is already in use, please choose a "
        "unique name and try again.",
        entity="storagedomains",
        added=(956, "Storage Domain {name} was added by {user}"),
        updated=(974, "Storage Domain {name} was updated by {user}"),
        removed=(960, "Storage Domain {name} was removed by {user}"),
        hidden=frozenset(("host",)),
        seeds=_domains,
    ),
    Kind(
        path="datacenters/{id}/storagedomains",
        element="storage_domain",
        parent="data_center",
        links="disks",
        actions="activate deactivate",
        defaults={"status": "active"},
        mandatory=("id|name",),
        keeps_id=True,
        added=(962, "Storage Domain {name} was attached to Data Center {data_center} by {user}"),
        removed=(
            964,
            "Storage Domain {name} was detached from Data Center {data_center} by {user}",
        ),
        completes=_attach,
        switches={"activate": ("status", "active"), "deactivate": ("status", "maintenance")},
        seeds=_attached,
    ),
    Kind(
        path="diskprofiles",
        element="disk_profile",
        parent="storage_domain",
        views=(View("storagedomains/{id}/diskprofiles", "storage_domain"),),
        links="permissions",
        mandatory=("name", "storage_domain.id"),
        added=(10120, "Disk Profile {name} was successfully added (User: {user})."),
        refers=("storage_domain",),
        seeds=_profiles,
    ),
    Kind(
        path="storageconnections",
        element="storage_connection",
        mandatory=("type",),
        seeds=_connections,
    ),
)
