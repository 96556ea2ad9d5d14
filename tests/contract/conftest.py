from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import SoapStubAdapter, VmomiSupport, vim

from chaosvm.service import VMService
from tests.contract.backend import Backend, VCenter
from tests.contract.exceptions import EXCEPTIONS, NEWER_MAY_PASS, NOT_TRIED
from tests.contract.lab_backends import LabEngine, LabVCenter
from tests.contract.newest_vcsim_backend import NewestVcsimBackend
from tests.contract.vcsim_backend import VcsimBackend

BACKENDS: Mapping[str, type[Backend]] = {
    made.name: made for made in (VcsimBackend, NewestVcsimBackend, LabVCenter, LabEngine)
}
# `make test` does without what only `make clients` builds.
PARAMS = [
    pytest.param(name, marks=pytest.mark.clients if made is NewestVcsimBackend else ())
    for name, made in BACKENDS.items()
]
VCENTERS = [each for each in PARAMS if issubclass(BACKENDS[each.values[0]], VCenter)]  # type: ignore[index]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        chosen = getattr(item, "callspec", None)
        if chosen is None or not item.nodeid.startswith("tests/contract/"):
            continue
        system = chosen.params.get("backend") or chosen.params.get("vcenter")
        test = item.originalname  # type: ignore[attr-defined]
        one = f"{test}[{chosen.id.removeprefix(f'{system}-')}]"
        reason = EXCEPTIONS.get((test, system)) or EXCEPTIONS.get((one, system))
        if reason is not None:
            strict = test not in NEWER_MAY_PASS
            run = (test, system) not in NOT_TRIED
            mark = pytest.mark.xfail(reason=f"{system}: {reason}", strict=strict, run=run)
            item.add_marker(mark)


@pytest.fixture(autouse=True)
def no_failure_inside(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The lab's server writes its own failures to its log, and answers 500."""
    yield
    logged = caplog.get_records("call")
    assert [record.getMessage() for record in logged if record.name == "aiohttp.server"] == []


@pytest.fixture(scope="session")
def running() -> Iterator[Callable[[str], Backend]]:
    """Starts each backend when it is first asked for."""
    started: dict[str, Backend] = {}
    with ExitStack() as opened:

        def get(name: str) -> Backend:
            if name not in started:
                started[name] = opened.enter_context(BACKENDS[name]())
            return started[name]

        yield get


@pytest.fixture(params=PARAMS)
def backend(request: pytest.FixtureRequest, running: Callable[[str], Backend]) -> Iterator[Backend]:
    """Each system, with its estate as it was made."""
    found = running(request.param)
    found.restore()
    yield found
    found.reset()


@pytest.fixture(params=VCENTERS)
def vcenter(request: pytest.FixtureRequest, running: Callable[[str], Backend]) -> Iterator[Backend]:
    found = running(request.param)
    found.restore()
    yield found
    found.reset()


@pytest.fixture
def platform(backend: Backend) -> VMService:
    return backend.platform()


@pytest.fixture
def connect(vcenter: VCenter) -> Iterator[Callable[[], Any]]:
    """pyvmomi, connected as any script would be."""
    with ExitStack() as opened:

        def made() -> Any:
            at = vcenter.address
            connection = SmartConnect(user=at["username"], pwd=at["password"], **_where(at))
            opened.callback(Disconnect, connection)
            return connection

        yield made


@pytest.fixture
def stranger(vcenter: VCenter) -> Iterator[Any]:
    """pyvmomi without a login; SmartConnect would not close its connection when that fails."""
    version = VmomiSupport.newestVersions.GetName("vim")
    stub = SoapStubAdapter(version=version, **_where(vcenter.address))
    yield vim.ServiceInstance("ServiceInstance", stub)
    stub.DropConnections()


def _where(at: Mapping[str, Any]) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=at["ca_file"])
    return {"host": at["server"], "port": at["port"], "sslContext": context}


@pytest.fixture
def instance(connect: Callable[..., Any]) -> Any:
    return connect()


@pytest.fixture
def content(instance: Any) -> Any:
    return instance.RetrieveContent()


@pytest.fixture
def vm(vcenter: VCenter, instance: Any) -> Callable[[str], Any]:
    """A VM of the estate, as a script has it."""
    return lambda known_as: vim.VirtualMachine(vcenter.ids[known_as], instance._stub)
