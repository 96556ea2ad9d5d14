"""Methods to read the inventory of a vCenter, and to probe one VM."""

from __future__ import annotations

import http.client
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.parsers.expat import ParserCreate

from pyVim.connect import SmartConnect
from pyVmomi import vim, vmodl

from chaosvm.runtime import Deadline
from chaosvm.vsphere import VSpherePlatform
from chaosvm.vsphere.properties import ALL_PATHS
from chaosvm.vsphere.traversals import inventory_spec, vms_with_location_spec

__all__ = ["GOVC", "INVENTORY", "PROBE", "SLOW"]

# As `make bench` builds it, where Go modules can be had, or as it is installed.
GOVC = shutil.which("govc", path=f"{Path('build').resolve()}:{os.environ['PATH']}") or ""
Target = dict[str, Any]
_collector = vmodl.query.PropertyCollector


def _platform(target: Target) -> VSpherePlatform:
    names = ("server", "port", "username", "password", "ca_file")
    arguments = {name: target[name] for name in names}
    return VSpherePlatform(**arguments, timeout=600).connect()


def _service(target: Target) -> Any:
    return SmartConnect(
        host=target["server"],
        port=target["port"],
        user=target["username"],
        pwd=target["password"],
        sslContext=ssl.create_default_context(cafile=target["ca_file"]),
    ).RetrieveContent()


# The whole inventory ------------------------------------------------------------------


def floor(target: Target) -> Callable[[], int]:
    """Fetch the same response and parse it with expat only."""
    content = _platform(target).backend._client._content
    fetch = _fetcher(target, content, inventory_spec(content, ALL_PATHS))

    def read() -> int:
        fetch()
        return int(target["vms"])

    return read


def _fetcher(target: Target, content: Any, spec: Any) -> Callable[[], None]:
    collector = content.propertyCollector
    stub, info = collector._stub, _collector.RetrievePropertiesEx.info
    body = stub.SerializeRequest(collector, info, [[spec], _collector.RetrieveOptions()])
    context = ssl.create_default_context(cafile=target["ca_file"])
    connection = http.client.HTTPSConnection(target["server"], target["port"], context=context)
    headers = {"Cookie": stub.cookie, "SOAPAction": stub.versionId, "Content-Type": "text/xml"}

    def fetch() -> None:
        connection.request("POST", "/sdk", body, headers)
        response = connection.getresponse()
        parser = ParserCreate()
        while chunk := response.read(65_536):
            parser.Parse(chunk)
        parser.Parse(b"", True)

    return fetch


def chaosvm(target: Target) -> Callable[[], int]:
    platform = _platform(target)
    return lambda: len(platform.backend.inventory(Deadline(600)))


def property_collector(target: Target) -> Callable[[], int]:
    """pyvmomi as recommended: a view, and leaf properties in one request."""
    content = _service(target)
    kinds = {
        getattr(vim, name): paths for name, paths in ALL_PATHS.items() if name != _FIELDS_MANAGER
    }
    traversal = _collector.TraversalSpec(name="view", path="view", type=vim.view.ContainerView)

    def read() -> int:
        view = content.viewManager.CreateContainerView(content.rootFolder, list(kinds), True)
        spec = _collector.FilterSpec(
            objectSet=[_collector.ObjectSpec(obj=view, skip=True, selectSet=[traversal])],
            propSet=[_collector.PropertySpec(type=kind, pathSet=kinds[kind]) for kind in kinds],
        )
        objects = {}
        page = content.propertyCollector.RetrievePropertiesEx([spec], _collector.RetrieveOptions())
        while page is not None:
            for each in page.objects:
                objects[each.obj] = {item.name: item.val for item in each.propSet}
            token = page.token
            page = content.propertyCollector.ContinueRetrievePropertiesEx(token) if token else None
        view.Destroy()
        return sum(isinstance(each, vim.VirtualMachine) for each in objects)

    return read


_FIELDS_MANAGER = "CustomFieldsManager"


def attributes(target: Target) -> Callable[[], int]:
    """pyvmomi as in most scripts: a view, then one attribute after another."""
    content = _service(target)

    def read() -> int:
        view = content.viewManager.CreateContainerView(
            content.rootFolder, [vim.VirtualMachine], True
        )
        rows = [_vm_fields(vm) for vm in view.view]
        view.Destroy()
        return len(rows)

    return read


def _vm_fields(vm: Any) -> tuple[Any, ...]:
    host = vm.runtime.host
    cluster, folder = host.parent, vm.parent
    while folder is not None and not isinstance(folder, vim.Datacenter):
        folder = folder.parent
    return (
        vm.name,
        vm.runtime.powerState,
        vm.config.instanceUuid,
        vm.config.hardware.numCPU,
        vm.config.hardware.memoryMB,
        vm.config.template,
        vm.config.guestFullName,
        vm.guest.hostName,
        vm.guest.ipAddress,
        vm.guest.toolsRunningStatus,
        host.name,
        cluster.name,
        folder.name if folder is not None else None,
    )


def govc(target: Target) -> Callable[[], int]:
    """The govc command, including its startup."""
    paths = [path for path in ALL_PATHS["VirtualMachine"] if path != "customValue"]
    command = [GOVC, "object.collect", "-json", "-type", "m", "/", *paths]
    environment = {
        **os.environ,
        "GOVC_URL": f"https://{target['server']}:{target['port']}/sdk",
        "GOVC_USERNAME": target["username"],
        "GOVC_PASSWORD": target["password"],
        "GOVC_TLS_CA_CERTS": target["ca_file"],
    }

    def read() -> int:
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        return int(target["vms"])

    return read


# One VM -------------------------------------------------------------------------------


def probe_floor(target: Target) -> Callable[[], int]:
    """The same request for a VM with known id: the response time of the server."""
    platform = _platform(target)
    vm = platform.get_vm(target["vm_name"])
    content = platform.backend._client._content
    fetch = _fetcher(target, content, vms_with_location_spec(content, [vm.id], ALL_PATHS))

    def read() -> int:
        fetch()
        return 1

    return read


def probe_chaosvm(target: Target) -> Callable[[], int]:
    """Repeatedly, as in a steady-state hypothesis."""
    platform = _platform(target)
    return lambda: int(platform.vm_has_power_state(target["vm_name"], "powered_on"))


def probe_attributes(target: Target) -> Callable[[], int]:
    """pyvmomi: a view, then compare names until the VM is found."""
    content = _service(target)

    def read() -> int:
        view = content.viewManager.CreateContainerView(
            content.rootFolder, [vim.VirtualMachine], True
        )
        vm = next(vm for vm in view.view if vm.name == target["vm_name"])
        powered_on = vm.runtime.powerState == "poweredOn"
        view.Destroy()
        return int(powered_on)

    return read


INVENTORY = {
    "floor": floor,
    "chaosvm": chaosvm,
    "pyvmomi, PropertyCollector": property_collector,
    "pyvmomi, attributes": attributes,
    "govc": govc,
}
PROBE = {"floor": probe_floor, "chaosvm": probe_chaosvm, "pyvmomi, attributes": probe_attributes}
# Methods that send at least one request per VM.
SLOW = ("pyvmomi, attributes",)
