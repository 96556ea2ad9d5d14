"""Methods to read from the lab's vCenter and from vcsim, and to start a lab."""

from __future__ import annotations

import http.client
import itertools
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from pyVim.connect import SmartConnect
from pyVmomi import vim, vmodl

from chaosvm.lab import Lab, World

__all__ = ["READING", "STARTING"]

Target = dict[str, Any]
_collector = vmodl.query.PropertyCollector
# Each permutation is a new request of the same size.
_MORE_PATHS = (
    "name",
    "parent",
    "overallStatus",
    "configStatus",
    "alarmActionsEnabled",
    "effectiveRole",
)


# Reading ------------------------------------------------------------------------------


def vcsim(target: Target) -> Callable[[], int]:
    return _repeat(target, target["vcsim"])


def lab(target: Target) -> Callable[[], int]:
    """Repeat a request for unchanged data."""
    return _repeat(target, target["lab"])


def lab_uncached(target: Target) -> Callable[[], int]:
    """Send a request that is not cached."""
    fetch = _fetcher(target["lab"], target["kind"])
    permutations = itertools.cycle(itertools.permutations((*target["paths"], *_MORE_PATHS)))
    # Permutations differ at the end first, and only a few are used.
    return lambda: fetch(next(permutations))


def _repeat(target: Target, server: Target) -> Callable[[], int]:
    fetch = _fetcher(server, target["kind"])
    return lambda: fetch((*target["paths"], *_MORE_PATHS))


def _fetcher(server: Target, kind: str) -> Callable[[Sequence[str]], int]:
    """Retrieve properties of all objects of a type, without parsing the response."""
    context = ssl.create_default_context(cafile=server["ca_file"])
    content = SmartConnect(
        host=server["server"],
        port=server["port"],
        user=server["username"],
        pwd=server["password"],
        sslContext=context,
    ).RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [getattr(vim, kind)], True)
    traversal = _collector.TraversalSpec(path="view", type=type(view), skip=False)
    spec = _collector.FilterSpec(
        objectSet=[_collector.ObjectSpec(obj=view, skip=True, selectSet=[traversal])]
    )
    stub, info = content.propertyCollector._stub, _collector.RetrievePropertiesEx.info
    connection = http.client.HTTPSConnection(server["server"], server["port"], context=context)
    headers = {"Cookie": stub.cookie, "SOAPAction": stub.versionId, "Content-Type": "text/xml"}

    def fetch(paths: Sequence[str]) -> int:
        spec.propSet = [_collector.PropertySpec(type=getattr(vim, kind), pathSet=list(paths))]
        arguments = [[spec], _collector.RetrieveOptions()]
        body = stub.SerializeRequest(content.propertyCollector, info, arguments)
        connection.request("POST", "/sdk", body, headers)
        return connection.getresponse().read().count(b"<objects>")

    return fetch


# Starting -----------------------------------------------------------------------------


def all_platforms(target: Target) -> Callable[[], int]:
    return _starter(target, ["vsphere", "olvm", "dora"])


def one_platform(target: Target) -> Callable[[], int]:
    return _starter(target, ["vsphere"])


def _starter(target: Target, platforms: Sequence[str]) -> Callable[[], int]:
    """Start and stop a lab over an existing world."""
    world = World.generated(target["vms"])

    def start() -> int:
        with Lab(world, platforms=platforms):
            return int(target["vms"])

    return start


READING = {"vcsim": vcsim, "lab": lab, "lab, uncached": lab_uncached}
STARTING = {"vsphere only": one_platform, "all platforms": all_platforms}
