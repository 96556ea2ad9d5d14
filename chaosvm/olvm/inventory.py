"""Every VM with its place: VMs, hosts, clusters and data centres, one list each.

The engine's VM list only has links to hosts and clusters, and following them
costs a request each (or, with ``follow``, an error where a link is empty). So
the four lists are read side by side and joined here by id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from chaosvm.deadline import Deadline
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.search import by_names
from chaosvm.vm import VM, PowerState

__all__ = ["Places", "power_state", "read_one", "read_places", "read_vms", "status_of"]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_STATES = {
    "up": PowerState.POWERED_ON,
    "down": PowerState.POWERED_OFF,
    "suspended": PowerState.SUSPENDED,
    "paused": PowerState.PAUSED,
    "wait_for_launch": PowerState.TRANSITIONING,
    "powering_up": PowerState.TRANSITIONING,
    "powering_down": PowerState.TRANSITIONING,
    "reboot_in_progress": PowerState.TRANSITIONING,
    "migrating": PowerState.TRANSITIONING,
    "saving_state": PowerState.TRANSITIONING,
    "restoring_state": PowerState.TRANSITIONING,
    "image_locked": PowerState.TRANSITIONING,
}


@dataclass(frozen=True, slots=True)
class Places:
    """Hosts, clusters and data centres by id, as the SDK gives them."""

    hosts: dict[str, Any]
    clusters: dict[str, Any]
    datacenters: dict[str, Any]


def power_state(status: str) -> PowerState:
    """not_responding, unknown, unassigned and what came later: not known."""
    return _STATES.get(status, PowerState.UNKNOWN)


def status_of(told: Any) -> str:
    """The engine's word; it leaves it out for a VM whose disks are broken."""
    return told.status.value if told.status is not None else "unknown"


def read_vms(
    client: OLVMClient, deadline: Deadline, only: Sequence[str] | None = None
) -> tuple[list[VM], Places]:
    """All VMs, or at least those that answer to ``only``."""
    with ThreadPoolExecutor(2, thread_name_prefix="chaosvm-read") as pool:
        places = pool.submit(read_places, client, deadline)
        told = pool.submit(_told, client, deadline, only)
        return [_vm(each, places.result()) for each in told.result()], places.result()


def read_places(client: OLVMClient, deadline: Deadline) -> Places:
    return Places(
        hosts=_by_id(client, lambda system: system.hosts_service().list(), deadline),
        clusters=_by_id(client, lambda system: system.clusters_service().list(), deadline),
        datacenters=_by_id(client, lambda system: system.data_centers_service().list(), deadline),
    )


def _told(client: OLVMClient, deadline: Deadline, only: Sequence[str] | None) -> list[Any]:
    """The SDK's VMs, by a search where that is safe and finds all that is asked for."""
    search = by_names(only) if only else None
    if search is not None and only is not None:
        found = client.read(lambda system: system.vms_service().list(search=search), deadline)
        ids = [word for word in only if _UUID.fullmatch(word)]
        found = [*found, *(vm for vm_id in ids if (vm := read_one(client, vm_id, deadline)))]
        if {each.name for each in found}.union(each.id for each in found).issuperset(only):
            return list({each.id: each for each in found}.values())
        # Something was not found: it goes by another word, or the engine did
        # not understand the search. Only the whole list can tell.
    return list(client.read(lambda system: system.vms_service().list(), deadline))


def read_one(client: OLVMClient, vm_id: str, deadline: Deadline) -> Any:
    """One of the SDK's VMs, by id; None if it does not exist."""
    return client.read_if_there(
        lambda system: system.vms_service().vm_service(vm_id).get(), deadline
    )


def _by_id(
    client: OLVMClient, request: Callable[[Any], list[Any]], deadline: Deadline
) -> dict[str, Any]:
    return {each.id: each for each in client.read(request, deadline)}


def _vm(told: Any, places: Places) -> VM:
    cluster = places.clusters.get(_id(told.cluster))
    host = places.hosts.get(_id(told.host))
    datacenter = places.datacenters.get(_id(cluster.data_center)) if cluster else None
    status = status_of(told)
    names = [_name(datacenter), _name(cluster), told.name]
    return VM(
        id=told.id,
        name=told.name or told.id,
        platform="olvm",
        power_state=power_state(status),
        status=status,
        instance_uuid=told.id,
        path="/" + "/".join(name for name in names if name),
        datacenter=_name(datacenter),
        cluster=_name(cluster),
        host=_name(host),
        cpu_count=_cpu_count(told.cpu),
        memory_mb=told.memory // 1024**2 if told.memory else None,
        guest_os=_guest_os(told),
        hostname=told.fqdn or None,
        ip_addresses=_ip_addresses(told),
        # An empty list with a link is one that was not followed.
        tags=tuple(sorted(tag.name for tag in told.tags)) if told.tags else None,
        metadata=_metadata(told),
    )


def _metadata(told: Any) -> dict[str, Any]:
    """What only oVirt has; keys that say nothing about this VM are left out."""
    availability = told.high_availability
    metadata = {
        "description": told.description,
        "comment": told.comment,
        "origin": told.origin,
        "highly_available": availability.enabled if availability else None,
        "stateless": told.stateless,
        "pool_id": _id(told.vm_pool) or None,
        "start_time": told.start_time.isoformat() if told.start_time else None,
        "status_detail": told.status_detail,
        "stop_reason": told.stop_reason,
        "host_id": _id(told.host) or None,
        "cluster_id": _id(told.cluster) or None,
    }
    return {key: value for key, value in metadata.items() if value not in (None, "")}


def _cpu_count(cpu: Any) -> int | None:
    topology = cpu.topology if cpu else None
    if topology is None or not topology.sockets:
        return None
    return int(topology.sockets * (topology.cores or 1) * (topology.threads or 1))


def _guest_os(told: Any) -> str | None:
    """What the guest agent tells, or else what the VM was made for."""
    guest = told.guest_operating_system
    if guest is not None:
        version = guest.version.full_version if guest.version else None
        words = [guest.distribution or guest.family, version]
        if any(words):
            return " ".join(word for word in words if word)
    return (told.os.type if told.os else None) or None


def _ip_addresses(told: Any) -> tuple[str, ...] | None:
    devices = told.reported_devices or ()
    addresses = [ip.address for device in devices for ip in device.ips or ()]
    return tuple(dict.fromkeys(address for address in addresses if address)) or None


def _id(link: Any) -> str:
    return link.id if link is not None and link.id else ""


def _name(told: Any) -> str | None:
    return told.name if told is not None else None
