"""What a rehearsal redirects and what it blocks, without the control that begins it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosvm.activities import connections
from chaosvm.dora import DoraClient
from chaosvm.dora.settings import DoraSettings
from chaosvm.errors import InvalidValue, NotInRehearsal
from chaosvm.lab import Lab, World
from chaosvm.olvm import OLVMPlatform
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.runtime import rehearsal
from chaosvm.settings import Settings, load
from chaosvm.settings.loading import configured
from chaosvm.vsphere import VSpherePlatform, vsphere
from chaosvm.vsphere.settings import VSphereSettings

ROOT = Path(__file__).resolve().parents[2]
ALL = (VSphereSettings, OLVMSettings, DoraSettings)
LAB = {
    "VSPHERE_SERVER": "127.0.0.1",
    "VSPHERE_PORT": "1111",
    "VSPHERE_USERNAME": "lab",
    "VSPHERE_PASSWORD": "lab",
    "OLVM_URL": "https://127.0.0.1:2222/ovirt-engine/api",
    "OLVM_USERNAME": "lab",
    "OLVM_PASSWORD": "lab",
    "DORA_HOST": "127.0.0.1",
    "DORA_API_PORT": "3333",
    "DORA_AUTH_PORT": "4444",
    "DORA_USERNAME": "lab",
    "DORA_PASSWORD": "lab",
}
ADDRESSES = [("127.0.0.1", port) for port in (1111, 2222, 3333, 4444)]
# Settings that lead elsewhere, each with a value of its own.
ELSEWHERE = {
    "server": "vcenter.example.com",
    "url": "https://engine.example.com/ovirt-engine/api",
    "host": "dora.example.com",
    "port": 443,
    "api_port": 8443,
    "auth_port": 8444,
    "scheme": "https",
    "ca_file": "/not/there.pem",
    "insecure": True,
    "username": "root",
    "password": "s3cret",
}


def elsewhere(cls: type[Settings]) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    named = {f"{cls.prefix}_{name}": value for name, value in ELSEWHERE.items()}
    fields = {f"{cls.prefix}_{field.name}" for field in dataclasses.fields(cls)}
    values = {key: value for key, value in named.items() if key in fields}
    secrets = {k: value for k, value in values.items() if k.endswith(("username", "password"))}
    configuration = {key: value for key, value in values.items() if key not in secrets}
    return configuration, secrets, {key.upper(): str(value) for key, value in values.items()}


@pytest.mark.parametrize("cls", ALL)
def test_settings_are_the_labs(cls: type[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    configuration, secrets, environment = elsewhere(cls)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    rehearsal.begin(LAB, ADDRESSES)
    for arguments in ((configuration, secrets), (configuration, {}), ({}, {})):
        settings = load(cls, *arguments)
        assert settings.addresses <= set(ADDRESSES)
        assert (settings.username, settings.password) == ("lab", "lab")  # type: ignore[attr-defined]
        for name in ("ca_file", "insecure"):
            assert not getattr(settings, name, None)
    assert load(cls, configuration, secrets, environment).addresses <= set(ADDRESSES)


@pytest.mark.parametrize("cls", ALL)
def test_whatever_is_not_said_to_be_harmless_is_the_labs(cls: type[Settings]) -> None:
    """New settings lead to the lab unless they are declared harmless."""
    kept = {field.name for field in dataclasses.fields(cls) if cls.rehearses(field)}
    assert kept <= {"timeout", "environments"}


def test_the_rest_is_the_experiments_own() -> None:
    rehearsal.begin(LAB, ADDRESSES)
    environments = {"Shop": {"vcenter": "OracleQA", "vsphere": {"server": "vc.example.com"}}}
    settings = load(DoraSettings, {"dora_timeout": 7, "dora_environments": environments}, {})
    assert settings.timeout == 7
    assert settings.catalogue.find("Shop").vcenter == "OracleQA"


@pytest.mark.parametrize(
    "wrong", [{"vsphere_servr": "x"}, {"vsphere_password": "x"}, {"vsphere_timeout": "soon"}]
)
def test_mistakes_are_still_reported(wrong: dict[str, Any]) -> None:
    rehearsal.begin(LAB, ADDRESSES)
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        load(VSphereSettings, wrong, {})


def test_a_platform_that_the_lab_lacks_is_an_error() -> None:
    rehearsal.begin({}, [])
    with pytest.raises(InvalidValue, match="the lab of this rehearsal has no olvm"):
        load(OLVMSettings, *elsewhere(OLVMSettings)[:2])


def test_discovery_asks_the_lab_what_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in elsewhere(VSphereSettings)[2].items():
        monkeypatch.setenv(name, value)
    assert configured(VSphereSettings)
    rehearsal.begin({}, [])
    assert not configured(VSphereSettings)


def test_a_blocked_rehearsal_allows_no_connection() -> None:
    rehearsal.block("it rains")
    for ask in (rehearsal.environment, lambda: rehearsal.require_allowed("127.0.0.1", 1111)):
        with pytest.raises(NotInRehearsal, match="no connection was made: it rains"):
            ask()
    assert not rehearsal.is_on()
    rehearsal.forget()
    rehearsal.require_allowed("vcenter.example.com", 443)
    assert rehearsal.environment() is None


# At the connection ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Iterator[Lab]:
    """Stands for real platforms."""
    with Lab(World.generated(3)) as running:
        yield running


def platforms(lab: Lab) -> dict[str, Callable[[], Any]]:
    known = lab.environment()
    user = (lab.username, lab.password)
    ports = {name: int(known[f"DORA_{name.upper()}"]) for name in ("api_port", "auth_port")}
    return {
        "vsphere": lambda: VSpherePlatform(
            lab.vsphere_server, *user, port=lab.vsphere_port, ca_file=lab.ca_file
        ),
        "olvm": lambda: OLVMPlatform(lab.olvm_url, *user, ca_file=lab.ca_file),
        "dora": lambda: DoraClient(known["DORA_HOST"], *user, **ports),
    }


def listed(platform: Any) -> Any:
    return platform.list_vms(*(["Arvig-Staging"] if platform.name == "dora" else []))


NAMES = ("vsphere", "olvm", "dora")
STATES = {
    "begun": lambda: rehearsal.begin(LAB, ADDRESSES),
    "blocked": lambda: rehearsal.block("it rains"),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", NAMES)
def test_no_new_connection(name: str, state: str, real: Lab) -> None:
    platform = platforms(real)[name]()
    real.reset_requests()
    STATES[state]()
    for ask in (platform.connect, lambda: listed(platform)):
        with pytest.raises(NotInRehearsal):
            ask()
    platform.disconnect()
    assert real.connections == 0


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", NAMES)
def test_no_request_over_one_from_before(name: str, state: str, real: Lab) -> None:
    platform = platforms(real)[name]()
    listed(platform)
    real.reset_requests()
    STATES[state]()
    with pytest.raises(NotInRehearsal):
        listed(platform)
    platform.disconnect()
    assert (real.requests(), real.connections) == ({}, 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_lab_itself_can_be_reached(name: str, real: Lab) -> None:
    rehearsal.begin(real.environment(), real.addresses)
    with platforms(real)[name]() as platform:
        assert listed(platform)


def test_a_shared_connection_is_not_reused(real: Lab) -> None:
    known = {name.lower(): value for name, value in real.environment().items()}
    secrets = {key: known.pop(key) for key in list(known) if key.endswith(("username", "password"))}
    before = vsphere(known, secrets)
    rehearsal.begin(LAB, ADDRESSES)
    assert vsphere(known, secrets) is not before
    connections.close_all()


def test_the_module_of_the_control_keeps_a_process_from_connecting() -> None:
    """Chaos Toolkit may import it and then continue without it."""
    script = (
        "import sys\n"
        # Nor does it need the extras for that.
        "missing = ['aiohttp', 'trustme', 'pyVmomi', 'ovirtsdk4', 'pycurl']\n"
        "sys.modules.update(dict.fromkeys(missing))\n"
        "import chaosvm.lab.control, chaosvm.lab.session, chaosvm.lab.placeholders\n"
        "from chaosvm.runtime import rehearsal\n"
        "try:\n    rehearsal.require_allowed('127.0.0.1', 1)\n"
        "except rehearsal.NotInRehearsal as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "a rehearsal was requested but has not begun" in done.stdout
    assert done.stderr == ""
