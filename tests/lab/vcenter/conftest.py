from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import vim

from chaosvm.lab import Lab, World

_ENVELOPE = (
    '<?xml version="1.0"?><soapenv:Envelope '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<soapenv:Body>{}</soapenv:Body></soapenv:Envelope>"
)


@pytest.fixture
def lab(world: World) -> Iterator[Lab]:
    with Lab(world, platforms=["vsphere"]) as running:
        yield running


@pytest.fixture
def instance(lab: Lab) -> Iterator[Any]:
    """pyvmomi, connected as any script would."""
    connection = connected(lab)
    yield connection
    left(connection)


@pytest.fixture
def content(instance: Any) -> Any:
    return instance.RetrieveContent()


@pytest.fixture
def vm(content: Any, world: World) -> Any:
    world.add_vm("web")
    return machine(content, "web")


@pytest.fixture
def soap(lab: Lab) -> Iterator[Soap]:
    with Soap(lab) as client:
        yield client


def connected(lab: Lab, host: str = "localhost", **replaced: Any) -> Any:
    arguments = {
        "host": host,
        "port": lab.vsphere_port,
        "user": lab.username,
        "pwd": lab.password,
        "sslContext": ssl.create_default_context(cafile=lab.ca_file),
    }
    return SmartConnect(**(arguments | replaced))


def left(connection: Any) -> None:
    Disconnect(connection)
    connection._stub.DropConnections()


class Soap:
    """A client that is not pyvmomi: requests, and XML written by hand."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = lab.ca_file
        self.root = f"https://localhost:{lab.vsphere_port}"

    def __enter__(self) -> Soap:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def __call__(
        self, method: str, target: str, moid: str | None = None, inner: str = "", **headers: str
    ) -> requests.Response:
        body = (
            f'<{method} xmlns="urn:vim25"><_this type="{target}">{moid or target}</_this>'
            f"{inner}</{method}>"
        )
        return self.send(_ENVELOPE.format(body), **headers)

    def send(self, body: str, **headers: str) -> requests.Response:
        sent = {"SOAPAction": "urn:vim25/6.5", "Content-Type": "text/xml", **headers}
        return self.session.post(f"{self.root}/sdk", body.encode(), headers=sent, timeout=60)

    def login(self, username: str = "", password: str = "") -> requests.Response:
        account = (
            f"<userName>{username or self._lab.username}</userName>"
            f"<password>{password or self._lab.password}</password>"
        )
        return self("Login", "SessionManager", inner=account)


def view(content: Any, *kinds: Any, container: Any = None, recursive: bool = True) -> Any:
    made = content.viewManager.CreateContainerView
    return made(container or content.rootFolder, list(kinds), recursive)


def machine(content: Any, name: str) -> Any:
    return next(vm for vm in view(content, vim.VirtualMachine).view if vm.name == name)


def task_ended(task: Any) -> Any:
    """Wait as scripts do: read the task again and again."""
    while True:
        info = task.info
        if info.state in ("success", "error"):
            return info
