from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ovirtsdk4
import pytest
import requests

from chaosvm.lab import Lab, World
from tests.fakes import FakeClock
from tests.production import Production

SSO = "/ovirt-engine/sso/oauth/token"


@pytest.fixture(autouse=True)
def no_failure_inside(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The server writes its own failures to its log, and answers 500."""
    yield
    logged = caplog.get_records("call")
    assert [record.getMessage() for record in logged if record.name == "aiohttp.server"] == []


@pytest.fixture
def real() -> Iterator[Production]:
    """Stands for what is not simulated."""
    with Production() as counting:
        yield counting


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def slow_world(clock: FakeClock) -> World:
    """A world whose time only passes when the test says so."""
    return World(clock=clock)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def lab(world: World) -> Iterator[Lab]:
    with Lab(world, platforms=["olvm"]) as running:
        yield running


@pytest.fixture
def engine(lab: Lab) -> Iterator[Any]:
    """The SDK's connection to the lab."""
    with connected(lab) as connection:
        yield connection


@pytest.fixture
def vms(engine: Any) -> Any:
    return engine.system_service().vms_service()


@pytest.fixture
def plain(lab: Lab) -> Iterator[Plain]:
    with Plain(lab) as client:
        yield client


def connected(lab: Lab, **replaced: Any) -> Any:
    arguments = {
        "url": lab.olvm_url,
        "username": lab.username,
        "password": lab.password,
        "ca_file": lab.ca_file,
        "timeout": 60,
    }
    return ovirtsdk4.Connection(**(arguments | replaced))


class Plain:
    """A client that is not the SDK: requests, with a token of its own."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = lab.ca_file
        self.headers = {"Accept": "application/xml"}

    def __enter__(self) -> Plain:
        self.headers["Authorization"] = f"Bearer {self.login().json()['access_token']}"
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def login(self, **replaced: Any) -> requests.Response:
        form = {
            "grant_type": "password",
            "scope": "ovirt-app-api",
            "username": self._lab.username,
            "password": self._lab.password,
            **replaced,
        }
        headers = {"Accept": form.pop("accept", "application/json")}
        return self._session.post(self.root + SSO, data=form, headers=headers, timeout=60)

    @property
    def root(self) -> str:
        return self._lab.olvm_url.removesuffix("/ovirt-engine/api")

    def get(
        self, path: str, timeout: float | tuple[float, float] = 60, **headers: str
    ) -> requests.Response:
        url = self._lab.olvm_url + path
        return self._session.get(url, headers=self.headers | headers, timeout=timeout)

    def post(
        self,
        path: str,
        body: str | bytes = "<action/>",
        timeout: float | tuple[float, float] = 60,
        method: str = "POST",
        **headers: str,
    ) -> requests.Response:
        sent = self.headers | {"Content-Type": "application/xml"} | headers
        url = self._lab.olvm_url + path
        return self._session.request(method, url, data=body, headers=sent, timeout=timeout)
