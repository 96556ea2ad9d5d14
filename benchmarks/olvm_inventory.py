"""Ways to read the inventory of an oVirt engine, and to ask for one VM of it."""

from __future__ import annotations

import http.client
import ssl
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from xml.parsers.expat import ParserCreate

import ovirtsdk4

from chaosvm.deadline import Deadline
from chaosvm.olvm import OLVMPlatform
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.olvm.sso import fetch_token

__all__ = ["INVENTORY", "PROBE", "SLOW"]

Target = dict[str, Any]
_NAMES = ("url", "username", "password", "ca_file")
_LISTS = ("vms", "hosts", "clusters", "datacenters")


def _platform(target: Target) -> OLVMPlatform:
    return OLVMPlatform(**{name: target[name] for name in _NAMES}, timeout=600).connect()


def _system(target: Target) -> Any:
    connection = ovirtsdk4.Connection(**{name: target[name] for name in _NAMES})
    return connection.system_service()


# The whole inventory ------------------------------------------------------------------


def floor(target: Target) -> Callable[[], int]:
    """The same lists over an open connection, given to expat, which has nothing to do."""
    fetch = _fetching(target)

    def read() -> int:
        for name in _LISTS:
            fetch(name)
        return int(target["vms"])

    return read


def _fetching(target: Target) -> Callable[[str], None]:
    settings = OLVMSettings.of(**{name: target[name] for name in _NAMES})
    token = fetch_token(settings, Deadline(60))
    address = urlsplit(target["url"])
    context = ssl.create_default_context(cafile=target["ca_file"])
    connection = http.client.HTTPSConnection(address.hostname, address.port, context=context)
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/xml",
        "Accept-Encoding": "gzip",
        "Version": "4",
    }

    def fetch(path: str) -> None:
        connection.request("GET", f"{address.path}/{path}", headers=headers)
        response = connection.getresponse()
        packed = response.headers["Content-Encoding"] == "gzip"
        parser, unpacker = ParserCreate(), zlib.decompressobj(16 + zlib.MAX_WBITS)
        while piece := response.read(16_384):
            parser.Parse(unpacker.decompress(piece) if packed else piece)
        parser.Parse(b"", True)

    return fetch


def chaosvm(target: Target) -> Callable[[], int]:
    platform = _platform(target)
    return lambda: len(platform.inventory(Deadline(600)))


def sdk_lists(target: Target) -> Callable[[], int]:
    """The SDK, with a list of each kind and the places joined here."""
    system = _system(target)

    def read() -> int:
        hosts = {each.id: each.name for each in system.hosts_service().list()}
        centers = {each.id: each.name for each in system.data_centers_service().list()}
        clusters = {each.id: each for each in system.clusters_service().list()}
        found = []
        for vm in system.vms_service().list():
            cluster = clusters.get(vm.cluster.id) if vm.cluster else None
            center = cluster.data_center if cluster else None
            found.append(
                (
                    *_described(vm),
                    hosts.get(vm.host.id) if vm.host else None,
                    cluster.name if cluster else None,
                    centers.get(center.id) if center else None,
                )
            )
        return len(found)

    return read


def sdk_loops(target: Target) -> Callable[[], int]:
    """The SDK as in most scripts: every VM's links are followed."""
    system = _system(target)
    follow = system._connection.follow_link if hasattr(system, "_connection") else None
    assert follow is not None

    def read() -> int:
        found = []
        for vm in system.vms_service().list():
            host = follow(vm.host) if vm.host else None
            cluster = follow(vm.cluster) if vm.cluster else None
            found.append((*_described(vm), host and host.name, cluster and cluster.name))
        return len(found)

    return read


def _described(vm: Any) -> tuple[Any, ...]:
    return vm.id, vm.name, vm.status, vm.memory, vm.cpu, vm.fqdn, vm.os, vm.origin


# One VM -------------------------------------------------------------------------------


def probe_floor(target: Target) -> Callable[[], int]:
    fetch = _fetching(target)
    vm = _platform(target).get_vm(target["vm_name"])

    def read() -> int:
        fetch(f"vms/{vm.id}")
        return 1

    return read


def probe_chaosvm(target: Target) -> Callable[[], int]:
    """As a hypothesis asks for it, again and again."""
    platform = _platform(target)
    return lambda: int(platform.vm_has_power_state(target["vm_name"], "powered_on"))


def probe_sdk(target: Target) -> Callable[[], int]:
    system = _system(target)

    def read() -> int:
        (vm,) = system.vms_service().list(search=f"name={target['vm_name']}")
        return int(vm.status == ovirtsdk4.types.VmStatus.UP)

    return read


INVENTORY = {
    "floor": floor,
    "chaosvm": chaosvm,
    "SDK, lists": sdk_lists,
    "SDK, loops": sdk_loops,
}
PROBE = {"floor": probe_floor, "chaosvm": probe_chaosvm, "SDK, search": probe_sdk}
# A request or more for each VM.
SLOW = ("SDK, loops",)
