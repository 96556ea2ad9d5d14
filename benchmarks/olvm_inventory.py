"""Methods to read the inventory of an oVirt engine, and to probe one VM."""

from __future__ import annotations

import http.client
import ssl
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from xml.parsers.expat import ParserCreate

import ovirtsdk4

from chaosvm.olvm import OLVMPlatform
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.olvm.sso import fetch_token
from chaosvm.runtime import Deadline

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
    """Fetch the same lists over an open connection and parse them with expat only."""
    fetch = _fetcher(target)

    def read() -> int:
        for name in _LISTS:
            fetch(name)
        return int(target["vms"])

    return read


def _fetcher(target: Target) -> Callable[[str], None]:
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
        is_gzip = response.headers["Content-Encoding"] == "gzip"
        parser, decompressor = ParserCreate(), zlib.decompressobj(16 + zlib.MAX_WBITS)
        while chunk := response.read(16_384):
            parser.Parse(decompressor.decompress(chunk) if is_gzip else chunk)
        parser.Parse(b"", True)

    return fetch


def chaosvm(target: Target) -> Callable[[], int]:
    platform = _platform(target)
    return lambda: len(platform.backend.inventory(Deadline(600)))


def sdk_lists(target: Target) -> Callable[[], int]:
    """The SDK with one list per type, joined in this process."""
    system = _system(target)

    def read() -> int:
        hosts = {each.id: each.name for each in system.hosts_service().list()}
        centers = {each.id: each.name for each in system.data_centers_service().list()}
        clusters = {each.id: each for each in system.clusters_service().list()}
        rows = []
        for vm in system.vms_service().list():
            cluster = clusters.get(vm.cluster.id) if vm.cluster else None
            center = cluster.data_center if cluster else None
            rows.append(
                (
                    *_vm_fields(vm),
                    hosts.get(vm.host.id) if vm.host else None,
                    cluster.name if cluster else None,
                    centers.get(center.id) if center else None,
                )
            )
        return len(rows)

    return read


def sdk_loops(target: Target) -> Callable[[], int]:
    """The SDK as in most scripts: follow the links of each VM."""
    system = _system(target)
    follow = system._connection.follow_link if hasattr(system, "_connection") else None
    assert follow is not None

    def read() -> int:
        rows = []
        for vm in system.vms_service().list():
            host = follow(vm.host) if vm.host else None
            cluster = follow(vm.cluster) if vm.cluster else None
            rows.append((*_vm_fields(vm), host and host.name, cluster and cluster.name))
        return len(rows)

    return read


def _vm_fields(vm: Any) -> tuple[Any, ...]:
    return vm.id, vm.name, vm.status, vm.memory, vm.cpu, vm.fqdn, vm.os, vm.origin


# One VM -------------------------------------------------------------------------------


def probe_floor(target: Target) -> Callable[[], int]:
    fetch = _fetcher(target)
    vm = _platform(target).get_vm(target["vm_name"])

    def read() -> int:
        fetch(f"vms/{vm.id}")
        return 1

    return read


def probe_chaosvm(target: Target) -> Callable[[], int]:
    """Repeatedly, as in a steady-state hypothesis."""
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
# Methods that send at least one request per VM.
SLOW = ("SDK, loops",)
