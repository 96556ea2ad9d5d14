"""Reads the inventory: lists of VMs, hosts, clusters and data centers, joined by id.

The engine's VM list only links to hosts and clusters. Following a link costs a
request, and ``follow`` fails where a link is empty. So the four lists are read
concurrently and joined here.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

from chaosvm.backend import GuestStatus
from chaosvm.olvm.bulk_reads import read_by_id, read_by_name
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.elements import boolean, inner, ip_addresses, link_id, vm_status
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline
from chaosvm.selection import VMIndex
from chaosvm.vm import VM, PowerState

__all__ = ["Inventory", "Place", "Places", "power_state", "read_status"]

T = TypeVar("T")
ToVM = Callable[[Element], VM]

# Up to this many ids are read one by one in any inventory, and in a large one: more
# would take as long as the whole list.
_FEW_IDS, _MAX_IDS = 10, 50
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
class Place:
    """A host, a cluster or a data center."""

    id: str
    name: str
    # Hosts only.
    status: str | None = None
    cluster_id: str | None = None
    # Clusters only; a cluster may be in no data center.
    datacenter_id: str | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Hosts, clusters and data centers by id."""

    hosts: dict[str, Place]
    clusters: dict[str, Place]
    datacenters: dict[str, Place]


def power_state(status: str) -> PowerState:
    """UNKNOWN for not_responding, unknown, unassigned and any status added later."""
    return _STATES.get(status, PowerState.UNKNOWN)


class Inventory:
    """Reads VMs, and caches the places and which VM each name resolved to."""

    def __init__(self, client: OLVMClient) -> None:
        self._client = client
        self._ids: dict[str, str] = {}  # from name, path or id
        self._places: Places | None = None
        self.total: int | None = None  # number of VMs in the last complete list

    def read_all(self, deadline: Deadline) -> tuple[list[VM], Places]:
        return self._with_places(deadline, lambda to_vm: self._list(to_vm, deadline))

    def read_named(self, names: Sequence[str], allow_cached: bool, deadline: Deadline) -> list[VM]:
        """Every VM that one of these names, paths or ids refers to, and possibly others.

        With ``allow_cached``, a single name resolves to the same VM as before, as
        long as that VM still has it.
        """
        if allow_cached and len(names) == 1:
            cached = self._read_cached(names[0], deadline)
            if cached is not None:
                return [cached]
        vms, _ = self._with_places(deadline, lambda to_vm: self._named(to_vm, names, deadline))
        index = VMIndex(vms)
        for name in names:
            matches = index.find(name)
            if len(matches) == 1:
                self._ids[name] = matches[0].id
        return vms

    def _read_cached(self, name: str, deadline: Deadline) -> VM | None:
        """None if the name is not cached, or no longer that VM's."""
        vm_id, places = self._ids.get(name), self._places
        if vm_id is None or places is None:
            return None

        def to_vm(element: Element) -> VM | None:
            return _vm(element, places) if _has_known_places(element, places) else None

        vm = self._client.read_one(f"vms/{vm_id}", lambda: _vm_parser(to_vm), deadline)
        if vm is not None and vm.answers_to(name):
            return vm
        self._ids.pop(name, None)
        return None

    def read_places(self, deadline: Deadline) -> Places:
        """All hosts, clusters and data centers."""
        return self._with_places(deadline, lambda to_vm: [])[1]

    def with_hosts(
        self, statuses: Mapping[str, GuestStatus], deadline: Deadline
    ) -> dict[str, GuestStatus]:
        """Add the names of hosts, which are only read if one is not known yet."""
        ids = {status.host_id for status in statuses.values() if status.host_id}
        places = self._places
        if places is None or not ids.issubset(places.hosts):
            places = self.read_places(deadline)
        return {
            vm_id: replace(status, host=_name(places.hosts.get(status.host_id or "")))
            for vm_id, status in statuses.items()
        }

    def search(self, query: str, deadline: Deadline) -> list[VM]:
        """The VMs that the engine's search finds."""

        def read(to_vm: ToVM) -> list[VM]:
            return _unique(
                self._client.read_list("vms", lambda: _vm_parser(to_vm), deadline, search=query)
            )

        return self._with_places(deadline, read)[0]

    # Requests ------------------------------------------------------------------------

    def _with_places(
        self, deadline: Deadline, read: Callable[[ToVM], list[VM]]
    ) -> tuple[list[VM], Places]:
        """Read VMs and places concurrently; ``read`` gets the conversion of a VM's element.

        The lists of places are short, and arrive first.
        """
        # Otherwise each of the four reads would try a login that is refused.
        self._client.login(deadline)
        with ThreadPoolExecutor(len(_PLACES), thread_name_prefix="chaosvm-read") as pool:
            lists = [
                pool.submit(self._client.read_list, path, new_parser, deadline)
                for path, new_parser in _PLACES.items()
            ]

            @cache
            def places() -> Places:
                hosts, clusters, datacenters = (_by_id(each.result()) for each in lists)
                return Places(hosts, clusters, datacenters)

            vms = read(lambda element: _vm(element, places()))
            self._places = places()
            return vms, places()

    def _named(self, to_vm: ToVM, names: Sequence[str], deadline: Deadline) -> list[VM]:
        """By a search if it is safe and finds all of them, or from the whole list."""
        ids = [name for name in names if _UUID.fullmatch(name)]
        vms = None
        if len(ids) <= self._max_ids():
            vms = read_by_name(self._client, names, lambda: _vm_parser(to_vm), deadline, self.total)
        if vms is not None:
            by_id = read_by_id(self._client, ids, lambda: _vm_parser(to_vm), deadline)
            vms += [vm for vm in by_id if vm is not None]
            if {vm.name for vm in vms}.union(vm.id for vm in vms).issuperset(names):
                return _unique(vms)
            # Something is missing: it may be a path, or the engine may not have
            # understood the search. Only the whole list shows which.
        return self._list(to_vm, deadline)

    def _max_ids(self) -> int:
        """Ten requests take about as long as a list of a hundred VMs."""
        return _MAX_IDS if self.total is None else min(_MAX_IDS, max(_FEW_IDS, self.total // 10))

    def _list(self, to_vm: ToVM, deadline: Deadline) -> list[VM]:
        vms = self._client.read_list("vms", lambda: _vm_parser(to_vm), deadline)
        self.total = len(vms)
        return vms


def _vm_parser(convert: Callable[[Element], T]) -> XmlListParser[T]:
    return XmlListParser("vms", "vm", convert)


def _unique(vms: list[VM]) -> list[VM]:
    return list({vm.id: vm for vm in vms}.values())


def read_status(client: OLVMClient, vm_id: str, deadline: Deadline) -> str | None:
    """The engine's status of a VM; None if the VM does not exist."""
    return client.read_one(f"vms/{vm_id}", lambda: _vm_parser(vm_status), deadline)


def _place(element: Element) -> Place:
    return Place(
        id=element.attrib["id"],
        name=element.findtext("name") or element.attrib["id"],
        status=element.findtext("status"),
        cluster_id=link_id(element.find("cluster")),
        datacenter_id=link_id(element.find("data_center")),
    )


_PLACES: dict[str, Callable[[], XmlListParser[Place]]] = {
    "hosts": lambda: XmlListParser("hosts", "host", _place),
    "clusters": lambda: XmlListParser("clusters", "cluster", _place),
    "datacenters": lambda: XmlListParser("data_centers", "data_center", _place),
}


def _by_id(places: list[Place]) -> dict[str, Place]:
    return {place.id: place for place in places}


def _has_known_places(element: Element, places: Places) -> bool:
    """True if the VM's host and cluster are in ``places``."""
    host, cluster = link_id(element.find("host")), link_id(element.find("cluster"))
    return (not host or host in places.hosts) and (not cluster or cluster in places.clusters)


# From an element to a VM ---------------------------------------------------------------


def _vm(element: Element, places: Places) -> VM:
    parts = {part.tag: part for part in element}
    text = _texts(parts)
    cluster = places.clusters.get(link_id(parts.get("cluster")))
    host = places.hosts.get(link_id(parts.get("host")))
    datacenter = places.datacenters.get(cluster.datacenter_id or "") if cluster else None
    status = vm_status(element)
    vm_id = element.attrib["id"]
    name = text("name") or vm_id
    names = [_name(datacenter), _name(cluster), name]
    memory = text("memory")
    return VM(
        id=vm_id,
        name=name,
        platform="olvm",
        power_state=power_state(status),
        status=status,
        instance_uuid=vm_id,
        path="/" + "/".join(each for each in names if each),
        datacenter=_name(datacenter),
        cluster=_name(cluster),
        host=_name(host),
        cpu_count=_cpu_count(parts.get("cpu")),
        memory_mb=int(memory) // 1024**2 if memory else None,
        guest_os=_guest_os(parts),
        hostname=text("fqdn") or None,
        ip_addresses=ip_addresses(parts.get("reported_devices")),
        # Usually just a link that was not followed.
        tags=_tags(parts.get("tags")),
        metadata=_metadata(parts),
    )


def _texts(parts: dict[str, Element]) -> Callable[[str], str | None]:
    """Returns the text of a child element by its tag."""

    def text(tag: str) -> str | None:
        part = parts.get(tag)
        return part.text if part is not None else None

    return text


def _metadata(parts: dict[str, Element]) -> dict[str, Any]:
    """What only oVirt has, without empty values."""
    text = _texts(parts)
    started = text("start_time")
    metadata = {
        "description": text("description"),
        "comment": text("comment"),
        "origin": text("origin"),
        "highly_available": boolean(inner(parts.get("high_availability"), "enabled")),
        "stateless": boolean(text("stateless")),
        "pool_id": link_id(parts.get("vm_pool")),
        "start_time": dt.datetime.fromisoformat(started).isoformat() if started else None,
        # The next start applies these changes, and drops the options of Run Once.
        "changes_at_next_start": boolean(text("next_run_configuration_exists")) or None,
        "run_once": boolean(text("run_once")) or None,
        "status_detail": text("status_detail"),
        "stop_reason": text("stop_reason"),
        "host_id": link_id(parts.get("host")),
        "cluster_id": link_id(parts.get("cluster")),
    }
    return {key: value for key, value in metadata.items() if value not in (None, "")}


def _cpu_count(cpu: Element | None) -> int | None:
    topology = cpu.find("topology") if cpu is not None else None
    if topology is None:
        return None
    sockets, cores, threads = (
        int(topology.findtext(name) or 0) for name in ("sockets", "cores", "threads")
    )
    return sockets * (cores or 1) * (threads or 1) if sockets else None


def _guest_os(parts: dict[str, Element]) -> str | None:
    """As the guest agent reports it, or the type that the VM was created for."""
    guest = parts.get("guest_operating_system")
    if guest is not None:
        system = guest.findtext("distribution") or guest.findtext("family")
        words = [system, guest.findtext("version/full_version")]
        if any(words):
            return " ".join(word for word in words if word)
    return inner(parts.get("os"), "type") or None


def _tags(tags: Element | None) -> tuple[str, ...] | None:
    names = [tag.findtext("name") or "" for tag in tags] if tags is not None else []
    return tuple(sorted(names)) or None


def _name(place: Place | None) -> str | None:
    return place.name if place is not None else None
