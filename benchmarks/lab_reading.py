"""Ways to read from the lab's vCenter and from the simulator, and to start a lab."""

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
# Each of them makes another question of the same size, which has not been asked before.
_MORE = ("name", "parent", "overallStatus", "configStatus", "alarmActionsEnabled", "effectiveRole")


# Reading ------------------------------------------------------------------------------


def vcsim(target: Target) -> Callable[[], int]:
    return _again(target, target["vcsim"])


def lab(target: Target) -> Callable[[], int]:
    """What nothing has changed of since it was read before."""
    return _again(target, target["lab"])


def lab_anew(target: Target) -> Callable[[], int]:
    """What nobody has asked for before."""
    fetch = _fetching(target["lab"], target["kind"])
    questions = itertools.cycle(itertools.permutations((*target["paths"], *_MORE)))
    # The permutations end differently, and few of them are needed.
    return lambda: fetch(next(questions))


def _again(target: Target, server: Target) -> Callable[[], int]:
    fetch = _fetching(server, target["kind"])
    return lambda: fetch((*target["paths"], *_MORE))


def _fetching(server: Target, kind: str) -> Callable[[Sequence[str]], int]:
    """Asks for properties of all objects of a kind; the answer is read, and no more."""
    context = ssl.create_default_context(cafile=server["ca_file"])
    content = SmartConnect(
        host=server["server"],
        port=server["port"],
        user=server["username"],
        pwd=server["password"],
        sslContext=context,
    ).RetrieveContent()
    view = content.viewManager.CreateContainerView(content.rootFolder, [getattr(vim, kind)], True)
    step = _collector.TraversalSpec(path="view", type=type(view), skip=False)
    spec = _collector.FilterSpec(
        objectSet=[_collector.ObjectSpec(obj=view, skip=True, selectSet=[step])]
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


def all_faces(target: Target) -> Callable[[], int]:
    return _starting(target, ["vsphere", "olvm", "dora"])


def one_face(target: Target) -> Callable[[], int]:
    return _starting(target, ["vsphere"])


def _starting(target: Target, platforms: Sequence[str]) -> Callable[[], int]:
    """Until it listens, and until nothing does any more. The world is there already."""
    world = World.generated(target["vms"])

    def start() -> int:
        with Lab(world, platforms=platforms):
            return int(target["vms"])

    return start


READING = {"vcsim": vcsim, "lab": lab, "lab, asked anew": lab_anew}
STARTING = {"vsphere only": one_face, "all faces": all_faces}
