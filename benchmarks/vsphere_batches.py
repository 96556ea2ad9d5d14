"""Methods to power off or power on many VMs of a vCenter."""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyVim.connect import SmartConnect
from pyVmomi import vim

from benchmarks.measure import Target, without_ledger
from chaosvm.vsphere import VSpherePlatform

__all__ = ["OF_MANY", "BATCH", "STARTS", "prepare", "chaosvm_without_ledger"]

_METHODS = {
    "power_off": (vim.VirtualMachine.PowerOff, [None]),
    "power_on": (vim.VirtualMachine.PowerOn, [None]),
}
# Typical interval of scripts that poll tasks.
_POLL_SECONDS = 0.5


def prepare(target: Target) -> Callable[[], None]:
    """Restore all VMs for the next sample."""
    logging.getLogger("chaostoolkit").setLevel(logging.WARNING)
    without_ledger()
    session = _platform(target)
    if target["operation"] == "power_on":
        return lambda: session.batch_power_off(target["vms"], 64, graceful=False) and None
    return lambda: session.batch_power_on(target["vms"], 64) and None


def _platform(target: Target) -> VSpherePlatform:
    names = ("server", "port", "username", "password", "ca_file")
    arguments = {name: target[name] for name in names}
    return VSpherePlatform(**arguments, timeout=600).connect()


def _tls(target: Target) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=target["ca_file"])


def floor(target: Target) -> Callable[[], int]:
    """Only the requests, over open connections, followed by the duration of a task."""
    session = _platform(target)
    stub, context, local = session.backend._client.transport, _tls(target), threading.local()
    method, arguments = _METHODS[target["operation"]]
    bodies = [
        stub.SerializeRequest(vim.VirtualMachine(vm.id, stub), method.info, arguments)
        for vm in session.list_vms(target["vms"])
    ]
    headers = {"Cookie": stub.cookie, "SOAPAction": stub.versionId, "Content-Type": "text/xml"}
    pool = ThreadPoolExecutor(target["parallel"])

    def send(body: bytes) -> None:
        if not hasattr(local, "connection"):
            address = (target["server"], target["port"])
            local.connection = http.client.HTTPSConnection(*address, context=context)
        local.connection.request("POST", "/sdk", body, headers)
        response = local.connection.getresponse()
        response.read()
        assert response.status == 200

    def run() -> int:
        for _ in pool.map(send, bodies):
            pass
        time.sleep(target["task_seconds"])
        return len(bodies)

    return run


def chaosvm(target: Target) -> Callable[[], int]:
    """As in an experiment, with ledger and guards."""
    session = _platform(target)
    options: dict[str, Any] = {"parallel": target["parallel"], "timeout": 600}
    if target["operation"] == "power_on":
        return lambda: session.batch_power_on(target["vms"], **options).changed
    return lambda: session.batch_power_off(target["vms"], graceful=False, **options).changed


def chaosvm_without_ledger(target: Target) -> Callable[[], int]:
    """The same without a ledger on disk."""
    without_ledger()
    return chaosvm(target)


def thread_pool(target: Target) -> Callable[[], int]:
    """pyvmomi as in most scripts: one thread per VM, which polls its task."""
    content = _content(target)

    def power_off_vm(vm: Any) -> int:
        task = vm.PowerOffVM_Task()
        while (state := task.info.state) not in ("success", "error"):
            time.sleep(_POLL_SECONDS)
        return int(state == "success")

    def run() -> int:
        view = content.viewManager.CreateContainerView(
            content.rootFolder, [vim.VirtualMachine], True
        )
        with ThreadPoolExecutor(target["parallel"]) as pool:
            done = sum(pool.map(power_off_vm, view.view))
        view.Destroy()
        return done

    return run


def power_on_multi_vm(target: Target) -> Callable[[], int]:
    """PowerOnMultiVM_Task with `parallel` VMs per call, then poll the inventory."""
    content, session, width = _content(target), _platform(target), target["parallel"]
    (datacenter,) = content.rootFolder.childEntity
    vms = [vim.VirtualMachine(vm.id, datacenter._stub) for vm in session.list_vms()]

    def run() -> int:
        for first in range(0, len(vms), width):
            datacenter.PowerOnMultiVM_Task(vms[first : first + width])
        while (running := session.count_vms({"power_state": "powered_on"})) < len(vms):
            time.sleep(_POLL_SECONDS / 10)
        return running

    return run


def _content(target: Target) -> Any:
    return SmartConnect(
        host=target["server"],
        port=target["port"],
        user=target["username"],
        pwd=target["password"],
        sslContext=_tls(target),
        connectionPoolTimeout=600,
    ).RetrieveContent()


OF_MANY = {"floor": floor, "chaosvm": chaosvm}
BATCH = {
    "floor": floor,
    "chaosvm": chaosvm,
    "pyvmomi, thread pool": thread_pool,
}
STARTS = {
    "floor": floor,
    "chaosvm": chaosvm,
    "PowerOnMultiVM_Task": power_on_multi_vm,
}
