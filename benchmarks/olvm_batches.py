"""Methods to stop many VMs of an oVirt engine."""

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
_POLL_SECONDS = 0.5


def _platform(target: Target) -> OLVMPlatform:
    return OLVMPlatform(**{name: target[name] for name in _NAMES}, timeout=600).connect()


def floor(target: Target) -> Callable[[], int]:
    """Only the requests, over open connections, followed by the duration of a stop."""
    session = _platform(target)
    url, local = urlsplit(target["url"]), threading.local()
    context = ssl.create_default_context(cafile=target["ca_file"])
    paths = [f"{url.path}/vms/{vm.id}/stop" for vm in session.list_vms(target["vms"])]
    headers = {
        "Authorization": f"Bearer {session.backend._client._token}",
        "Accept": "application/xml",
        "Content-Type": "application/xml",
        "Version": "4",
    }
    pool = ThreadPoolExecutor(target["parallel"])

    def send(path: str) -> None:
        if not hasattr(local, "connection"):
            address = (url.hostname or "", url.port)
            local.connection = http.client.HTTPSConnection(*address, context=context)
        local.connection.request("POST", path, b"<action/>", headers)
        response = local.connection.getresponse()
        response.read()
        assert response.status == 200

    def run() -> int:
        for _ in pool.map(send, paths):
            pass
        time.sleep(target["task_seconds"])
        return len(paths)

    return run


def chaosvm(target: Target) -> Callable[[], int]:
    """As in an experiment, with ledger and guards."""
    session = _platform(target)
    options: dict[str, Any] = {"parallel": target["parallel"], "graceful": False, "timeout": 600}
    return lambda: session.batch_power_off(target["vms"], **options).changed


def sdk_loops(target: Target) -> Callable[[], int]:
    """The SDK as in most scripts: one thread per VM, which polls until the VM is down.

    Each thread has its own connection, because the SDK's handle one request at a time.
    """
    local = threading.local()

    def service() -> Any:
        if not hasattr(local, "system"):
            local.connection = ovirtsdk4.Connection(**{name: target[name] for name in _NAMES})
            local.system = local.connection.system_service()
        return local.system.vms_service()

    pool = ThreadPoolExecutor(target["parallel"])

    def stop_vm(vm_id: str) -> int:
        one = service().vm_service(vm_id)
        one.stop()
        while one.get().status != ovirtsdk4.types.VmStatus.DOWN:
            time.sleep(_POLL_SECONDS)
        return 1

    return lambda: sum(pool.map(stop_vm, [vm.id for vm in service().list()]))


OF_MANY = {"floor": floor, "chaosvm": chaosvm}
BATCH = {
    "floor": floor,
    "chaosvm": chaosvm,
    "SDK, thread pool": sdk_loops,
}
