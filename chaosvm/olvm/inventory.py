"""Every VM with its place: VMs, hosts, clusters and data centres, one list each.

The engine's VM list only has links to hosts and clusters, and following them
costs a request each (or, with ``follow``, an error where a link is empty). So
the four lists are read side by side and joined here by id. They are long, and
little of them is needed: they are not made into the SDK's objects, which takes
several times as long.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.bulk_reads import read_by_id, read_by_name
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline
from chaosvm.selection import VMIndex
from chaosvm.vm import VM, PowerState

__all__ = ["Inventory", "Places", "power_state", "read_status"]

T = TypeVar("T")
Made = Callable[[Element], VM]

# As many ids are always asked for one by one, and as many at the most: more would
# cost what the whole list does.
_FEW_IDS, _MOST_IDS = 10, 50
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
    """A host, a cluster or a data centre."""

    id: str
    name: str
    # Of a host.
    status: str | None = None
    # Of a cluster; not every one is in a data centre.
    datacenter_id: str | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Hosts, clusters and data centres by id."""

    hosts: dict[str, Place]
    clusters: dict[str, Place]
    datacenters: dict[str, Place]


def power_state(status: str) -> PowerState:
    """not_responding, unknown, unassigned and what came later: not known."""
    return _STATES.get(status, PowerState.UNKNOWN)


class Inventory:
    """Reads VMs, and remembers which one a word meant and what the places are called."""

    def __init__(self, client: OLVMClient) -> None:
        self._client = client
        self._known: dict[str, str] = {}  # from the word to the VM's id
        self._places: Places | None = None
        self.total: int | None = None  # VMs, when all of them were last read

    def everything(self, deadline: Deadline) -> tuple[list[VM], Places]:
        return self._with_places(deadline, lambda made: self._list(made, deadline))

    def some(self, only: Sequence[str], allow_cached: bool, deadline: Deadline) -> list[VM]:
        """Every VM that answers to one of these words, and possibly others.

        With ``remembered``, a word that meant one VM before means the same one
        now, as long as that still answers to it.
        """
        if allow_cached and len(only) == 1:
            known = self._known_vm(only[0], deadline)
            if known is not None:
                return [known]
        vms, _ = self._with_places(deadline, lambda made: self._named(made, only, deadline))
        directory = VMIndex(vms)
        for word in only:
            meant = directory.find(word)
            if len(meant) == 1:
                self._known[word] = meant[0].id
        return vms

    def _known_vm(self, word: str, deadline: Deadline) -> VM | None:
        """None where it is not known, or not known any more."""
        vm_id, places = self._known.get(word), self._places
        if vm_id is None or places is None:
            return None

        def made(told: Element) -> VM | None:
            return _vm(told, places) if _is_placed(told, places) else None

        vm = self._client.item(f"vms/{vm_id}", lambda: _items(made), deadline)
        if vm is not None and vm.answers_to(word):
            return vm
        self._known.pop(word, None)
        return None

    def found_by(self, search: str, deadline: Deadline) -> list[VM]:
        """The VMs that the engine finds."""

        def read(made: Made) -> list[VM]:
            found = self._client.items("vms", lambda: _items(made), deadline, search=search)
            return list({vm.id: vm for vm in found}.values())

        return self._with_places(deadline, read)[0]

    # Requests ------------------------------------------------------------------------

    def _with_places(
        self, deadline: Deadline, read: Callable[[Made], list[VM]]
    ) -> tuple[list[VM], Places]:
        """All lists at once; those of the places are short, and are there first."""
        # A login that is refused is told by the request that tried it.
        self._client.login(deadline)
        with ThreadPoolExecutor(len(_PLACES), thread_name_prefix="chaosvm-read") as pool:
            lists = [
                pool.submit(self._client.items, path, items, deadline)
                for path, items in _PLACES.items()
            ]

            @cache
            def places() -> Places:
                hosts, clusters, datacenters = (_by_id(each.result()) for each in lists)
                return Places(hosts, clusters, datacenters)

            vms = read(lambda told: _vm(told, places()))
            self._places = places()
            return vms, places()

    def _named(self, made: Made, only: Sequence[str], deadline: Deadline) -> list[VM]:
        """By a search where that is safe and finds all that is asked for."""
        ids = [word for word in only if _UUID.fullmatch(word)]
        found = None
        if len(ids) <= self._most_ids():
            found = read_by_name(self._client, only, lambda: _items(made), deadline, self.total)
        if found is not None:
            by_id = read_by_id(self._client, ids, lambda: _items(made), deadline)
            found += [vm for vm in by_id if vm is not None]
            if {vm.name for vm in found}.union(vm.id for vm in found).issuperset(only):
                return list({vm.id: vm for vm in found}.values())
            # Something was not found: it goes by another word, or the engine did
            # not understand the search. Only the whole list can tell.
        return self._list(made, deadline)

    def _most_ids(self) -> int:
        """Ten of the requests take as long as a list of a hundred or so."""
        return _MOST_IDS if self.total is None else min(_MOST_IDS, max(_FEW_IDS, self.total // 10))

    def _list(self, made: Made, deadline: Deadline) -> list[VM]:
        vms = self._client.items("vms", lambda: _items(made), deadline)
        self.total = len(vms)
        return vms


def _items(made: Callable[[Element], T]) -> XmlListParser[T]:
    return XmlListParser("vms", "vm", made)


def read_status(client: OLVMClient, vm_id: str, deadline: Deadline) -> str | None:
    """The engine's word for a VM's state; None if the VM does not exist."""
    return client.item(f"vms/{vm_id}", lambda: _items(_status), deadline)


def _place(told: Element) -> Place:
    return Place(
        id=told.attrib["id"],
        name=told.findtext("name") or told.attrib["id"],
        status=told.findtext("status"),
        datacenter_id=_id(told.find("data_center")),
    )


_PLACES: dict[str, Callable[[], XmlListParser[Place]]] = {
    "hosts": lambda: XmlListParser("hosts", "host", _place),
    "clusters": lambda: XmlListParser("clusters", "cluster", _place),
    "datacenters": lambda: XmlListParser("data_centers", "data_center", _place),
}


def _by_id(places: list[Place]) -> dict[str, Place]:
    return {place.id: place for place in places}


def _is_placed(told: Element, places: Places) -> bool:
    """Are its host and its cluster among those that are known?"""
    host, cluster = _id(told.find("host")), _id(told.find("cluster"))
    return (not host or host in places.hosts) and (not cluster or cluster in places.clusters)


def _status(told: Element) -> str:
    """The engine leaves it out for a VM whose disks are broken."""
    return told.findtext("status") or "unknown"


# What is told of a VM ------------------------------------------------------------------


def _vm(told: Element, places: Places) -> VM:
    parts = {part.tag: part for part in told}
    text = _texts(parts)
    cluster = places.clusters.get(_id(parts.get("cluster")))
    host = places.hosts.get(_id(parts.get("host")))
    datacenter = places.datacenters.get(cluster.datacenter_id or "") if cluster else None
    status = _status(told)
    vm_id = told.attrib["id"]
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
        ip_addresses=_ip_addresses(parts.get("reported_devices")),
        # Without any, these are a link that was not followed.
        tags=_tags(parts.get("tags")),
        metadata=_metadata(parts),
    )


def _texts(parts: dict[str, Element]) -> Callable[[str], str | None]:
    """What is in an element, by its tag."""

    def text(tag: str) -> str | None:
        part = parts.get(tag)
        return part.text if part is not None else None

    return text


def _metadata(parts: dict[str, Element]) -> dict[str, Any]:
    """What only oVirt has; keys that say nothing about this VM are left out."""
    text = _texts(parts)
    started = text("start_time")
    metadata = {
        "description": text("description"),
        "comment": text("comment"),
        "origin": text("origin"),
        "highly_available": _boolean(_inner(parts.get("high_availability"), "enabled")),
        "stateless": _boolean(text("stateless")),
        "pool_id": _id(parts.get("vm_pool")),
        "start_time": dt.datetime.fromisoformat(started).isoformat() if started else None,
        # Its next start brings another machine than the one that runs.
        "changes_at_next_start": _boolean(text("next_run_configuration_exists")) or None,
        "run_once": _boolean(text("run_once")) or None,
        "status_detail": text("status_detail"),
        "stop_reason": text("stop_reason"),
        "host_id": _id(parts.get("host")),
        "cluster_id": _id(parts.get("cluster")),
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
    """What the guest agent tells, or else what the VM was made for."""
    guest = parts.get("guest_operating_system")
    if guest is not None:
        system = guest.findtext("distribution") or guest.findtext("family")
        words = [system, guest.findtext("version/full_version")]
        if any(words):
            return " ".join(word for word in words if word)
    return _inner(parts.get("os"), "type") or None


def _ip_addresses(devices: Element | None) -> tuple[str, ...] | None:
    if devices is None:
        return None
    addresses = [address.text for address in devices.iterfind("reported_device/ips/ip/address")]
    return tuple(dict.fromkeys(address for address in addresses if address)) or None


def _tags(tags: Element | None) -> tuple[str, ...] | None:
    names = [tag.findtext("name") or "" for tag in tags] if tags is not None else []
    return tuple(sorted(names)) or None


def _boolean(text: str | None) -> bool | None:
    if not text:
        return None
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(f"{text} is neither true nor false")
    return text.lower() in ("true", "1")


def _inner(part: Element | None, tag: str) -> str | None:
    return part.findtext(tag) if part is not None else None


def _id(link: Element | None) -> str:
    return (link.get("id") or "") if link is not None else ""


def _name(place: Place | None) -> str | None:
    return place.name if place is not None else None
