"""Ways to stop many VMs of an oVirt engine."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import ovirtsdk4

from benchmarks.measure import Target
from chaosvm.olvm import OLVMPlatform

__all__ = ["OF_MANY", "BATCH"]

_NAMES = ("url", "username", "password", "ca_file")
_LOOK_EVERY = 0.5


def _platform(target: Target) -> OLVMPlatform:
    return OLVMPlatform(**{name: target[name] for name in _NAMES}, timeout=600).connect()


def floor(target: Target) -> Callable[[], int]:
    """The bare requests over connections that are open, and then the time that a stop takes."""
    session = _platform(target)
    where, local = urlsplit(target["url"]), threading.local()
    context = ssl.create_default_context(cafile=target["ca_file"])
    paths = [f"{where.path}/vms/{vm.id}/stop" for vm in session.list_vms(target["vms"])]
    headers = {
        "Authorization": f"Bearer {session._client._token}",
        "Accept": "application/xml",
        "Content-Type": "application/xml",
        "Version": "4",
    }
    pool = ThreadPoolExecutor(target["parallel"])

    def send(path: str) -> None:
        if not hasattr(local, "connection"):
            address = (where.hostname or "", where.port)
            local.connection = http.client.HTTPSConnection(*address, context=context)
        local.connection.request("POST", path, b"<action/>", headers)
        response = local.connection.getresponse()
        response.read()
        assert response.status == 200

    def switch() -> int:
        for _ in pool.map(send, paths):
            pass
        time.sleep(target["task_seconds"])
        return len(paths)

    return switch


def chaosvm(target: Target) -> Callable[[], int]:
    """As an experiment does it, with its ledger and its guards."""
    session = _platform(target)
    options: dict[str, Any] = {"parallel": target["parallel"], "graceful": False, "timeout": 600}
    return lambda: session.batch_power_off(target["vms"], **options).changed


def sdk_loops(target: Target) -> Callable[[], int]:
    """The SDK as in most scripts: a thread for each VM under way, which looks until it is down.

    Each thread has a connection of its own, as the SDK's serve one at a time.
    """
    local = threading.local()

    def service() -> Any:
        if not hasattr(local, "system"):
            local.connection = ovirtsdk4.Connection(**{name: target[name] for name in _NAMES})
            local.system = local.connection.system_service()
        return local.system.vms_service()

    pool = ThreadPoolExecutor(target["parallel"])

    def switch_one(vm_id: str) -> int:
        one = service().vm_service(vm_id)
        one.stop()
        while one.get().status != ovirtsdk4.types.VmStatus.DOWN:
            time.sleep(_LOOK_EVERY)
        return 1

    return lambda: sum(pool.map(switch_one, [vm.id for vm in service().list()]))


OF_MANY = {"floor": floor, "chaosvm": chaosvm}
BATCH = {
    "floor": floor,
    "chaosvm": chaosvm,
    "SDK, thread pool": sdk_loops,
}
