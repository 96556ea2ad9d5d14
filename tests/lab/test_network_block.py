"""What is not chaosvm's does not reach the configured servers in a rehearsal either."""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.control import reset_global_controls

from chaosvm.errors import NotInRehearsal
from chaosvm.lab import control, network_block
from chaosvm.platforms import PLATFORMS, Platform
from chaosvm.runtime import rehearsal
from tests.production import CONTROL_FILE, Production, read, run, switch
from tests.production import control as declared

CONNECT = "import socket; socket.create_connection(('127.0.0.1', {port})).close(); print('there')"


def connect(configuration: dict[str, Any] | None = None, value: Any = None) -> bool:
    """A custom probe or tolerance."""
    port = int((configuration or {})["vsphere_port"])
    socket.create_connection(("127.0.0.1", port)).close()
    return True


def with_an_sdk(configuration: dict[str, Any] | None = None) -> bool:
    from pyVim.connect import SmartConnect

    context = ssl._create_unverified_context()
    port = int((configuration or {})["vsphere_port"])
    SmartConnect(host="127.0.0.1", port=port, user="me", pwd="s3cret", sslContext=context)
    return True


def with_ovirts_sdk(configuration: dict[str, Any] | None = None) -> bool:
    import ovirtsdk4

    url = (configuration or {})["olvm_url"]
    with ovirtsdk4.Connection(url=url, username="me", password="s3cret", insecure=True) as found:
        return bool(found.test())


def server_in_the_environment() -> str:
    return os.environ["VSPHERE_SERVER"] + ":" + os.environ["VSPHERE_PORT"]


# A tolerance that is a process can only be given its argument in a mapping.
pytestmark = pytest.mark.filterwarnings("ignore:Process arguments should now be a list")


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    control.cleanup_control()
    reset_global_controls()


def own(func: str, name: str = "own", **more: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": "tests.lab.test_network_block", "func": func}
    return {"type": "probe", "name": name, "provider": provider, **more}


def http(port: int) -> dict[str, Any]:
    provider = {"type": "http", "url": f"http://127.0.0.1:{port}/", "timeout": 60}
    return {"type": "probe", "name": "get", "tolerance": 200, "provider": provider}


def process(port: int, **more: Any) -> dict[str, Any]:
    arguments = ["-c", CONNECT.format(port=port)]
    provider = {"type": "process", "path": sys.executable, "arguments": arguments}
    return {"type": "probe", "name": "process", "provider": provider, **more}


def foreign(way: str, port: int) -> dict[str, Any]:
    """What to add to an experiment."""
    counted = {**read("vsphere"), "name": "counted"}
    steady: dict[str, list[dict[str, Any]]] = {
        "http": [http(port)],
        "python": [own("connect", tolerance=True)],
        "sdk": [own("with_an_sdk", tolerance=True)],
        "ovirt": [own("with_ovirts_sdk", tolerance=True)],
        "process": [process(port, tolerance=0)],
        "tolerance": [{**counted, "tolerance": own("connect")}],
        "process tolerance": [{**counted, "tolerance": process(port)}],
    }
    if way in steady:
        if "tolerance" in way:  # Chaos Toolkit adds an argument to these
            code = {"-c": CONNECT.format(port=port)} if "process" in way else {}
            steady[way][0]["tolerance"]["provider"]["arguments"] = code
        return {"steady-state-hypothesis": {"title": "All is well", "probes": steady[way]}}
    found = {"configured": own("connect"), "configured process": process(port)}[way]
    return {"configuration": {"found": found}}


WAYS = (
    "http",
    "python",
    "sdk",
    "ovirt",
    "process",
    "tolerance",
    "configured",
    "configured process",
)


def made(real: Production, way: str, *controls: dict[str, Any]) -> dict[str, Any]:
    added = foreign(way, real.port)
    experiment = real.experiment(switch("vsphere"), controls=list(controls))
    experiment["configuration"] |= added.pop("configuration", {})
    return experiment | added


@pytest.mark.parametrize("way", [*WAYS, "process tolerance"])
def test_without_a_rehearsal_they_connect(
    way: str, real: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = made(real, way)
    if "tolerance" in way:  # which is only called after a probe
        experiment["steady-state-hypothesis"]["probes"][0] |= {
            "provider": own("server_in_the_environment")["provider"]
        }
        monkeypatch.setenv("VSPHERE_SERVER", "here")
        monkeypatch.setenv("VSPHERE_PORT", "1")
    experiment["method"] = []
    run(experiment, tmp_path)
    assert real.connections > 0


@pytest.mark.parametrize("how", ["declared", "by control file"])
@pytest.mark.parametrize("way", [*WAYS, "process tolerance"])
def test_in_a_rehearsal_they_do_not(
    way: str, how: str, real: Production, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    controls = [declared()] if how == "declared" else []
    journal = run(made(real, way, *controls), tmp_path, CONTROL_FILE if not controls else None)
    assert real.connections == 0
    if "process" in way:  # it is left out, and the rest rehearsed
        assert journal["status"] == "completed"
        assert [step["status"] for step in journal["run"]] == ["succeeded"]
        assert "skipped process probes, whose connections cannot be controlled: " in logs.text
    else:
        assert "not simulated and use the real services, except " in logs.text
        assert f"port {real.port} of this machine" in logs.text
    json.dumps(journal)


def test_the_journal_shows_the_steady_state_as_it_was_written(
    real: Production, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    experiment = made(real, "process")
    journal = run(experiment, tmp_path, CONTROL_FILE)
    hypothesis = journal["experiment"]["steady-state-hypothesis"]
    assert [each["name"] for each in hypothesis["probes"]] == ["process"]
    assert "removed from the steady state: 'process'" in logs.text


def test_what_is_no_platform_is_connected_to(real: Production, tmp_path: Path) -> None:
    with Production() as service:
        experiment = real.experiment({**http(service.port), "name": "service"})
        run(experiment, tmp_path, CONTROL_FILE)
        assert service.connections == 1


def test_processes_may_be_run(
    real: Production, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "control.json"
    path.write_text(json.dumps({"rehearse": declared(process_probes="run")}))
    script = "import os; print(os.environ['VSPHERE_SERVER'] + ':' + os.environ['VSPHERE_PORT'])"
    probe = process(1)
    probe["provider"]["arguments"] = ["-c", script]
    python = own("server_in_the_environment", name="environment")
    journal = run(real.experiment(probe, python), tmp_path, path)
    # They find the lab in their environment.
    first, second = (step["output"] for step in journal["run"])
    assert first["stdout"].strip() == second != f"127.0.0.1:{real.port}"
    assert "process probes are really run, without control of their connections" in logs.text


def test_action_processes_are_not_started_while_it_is_blocked(
    real: Production, tmp_path: Path
) -> None:
    """Nor afterwards: whatever Chaos Toolkit does, the process is for rehearsals."""
    network_block.install()
    network_block.block_servers(real.configuration())
    rehearsal.block("it is over")
    action = {**process(real.port), "type": "action"}
    journal = run(real.experiment(action, http(real.port)), tmp_path)
    assert [step["status"] for step in journal["run"]] == ["failed"] * 2
    assert real.connections == 0


# Names ------------------------------------------------------------------------------------


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_block, "_block", network_block._Block())
    network_block._block.installed = True
    rehearsal.block("a test")


def refused(host: str, port: int = 9) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trying:
        trying.settimeout(0.01)
        try:
            trying.connect((host, port))
        except NotInRehearsal:
            return True
        except OSError:
            return False
    return False


@pytest.mark.parametrize(
    "settings",
    [
        {"vsphere_server": "192.0.2.7"},
        {"olvm_url": "https://192.0.2.7/ovirt-engine/api"},
        {"dora_host": "192.0.2.7"},
        {"VSPHERE_SERVER": "192.0.2.7"},
        {"vsphere_server": {"type": "env", "key": "PRODUCTION_VCENTER"}},
        {"vsphere_server": {"type": "env", "key": "PRODUCTION_NOT_SET", "default": "192.0.2.7"}},
        {"group": {"vsphere_server": "192.0.2.7"}},
        {"dora_environments": {"mine": {"vsphere": {"server": "192.0.2.7"}}}},
        {"dora_environments": '{"mine": {"vsphere": {"server": "192.0.2.7"}}}'},
        {"DORA_ENVIRONMENTS": '{"mine": {"vsphere": {"server": "192.0.2.7"}}}'},
    ],
    ids=str,
)
def test_where_servers_are_named(
    settings: dict[str, Any], fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRODUCTION_VCENTER", "192.0.2.7")
    network_block.block_servers(settings)
    assert refused("192.0.2.7", 443)
    assert refused("192.0.2.7", 9)
    assert not refused("127.0.0.1", 9)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_every_address_in_the_settings_of_a_platform(
    platform: Platform, real: Production, fresh: None
) -> None:
    prefix = f"{platform.name}_"
    configuration = {k: v for k, v in real.configuration().items() if k.startswith(prefix)}
    arguments = configuration | {f"{prefix}{name}": "me" for name in ("username", "password")}
    settings = platform.load_settings().of(
        **{key.removeprefix(prefix): value for key, value in arguments.items()}
    )
    assert settings.addresses
    assert not any(refused(*address) for address in settings.addresses)
    network_block.block_servers(configuration)
    assert all(refused(*address) for address in settings.addresses)


@pytest.mark.parametrize("value", [None, 3, "", {}, "https://[", "::::", ["x"], "/not/there.yaml"])
def test_what_no_platform_could_use_does_no_harm(value: Any, fresh: None) -> None:
    for key in ("vsphere_server", "vsphere_port", "olvm_url", "dora_environments"):
        network_block.block_servers({key: value})
    assert not refused("127.0.0.1")


def test_a_name_and_its_addresses(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    network_block.block_servers({"vsphere_server": "VCenter.example.com"})
    with pytest.raises(NotInRehearsal, match=r"no connection to vcenter\.example\.com:443"):
        socket.getaddrinfo("vcenter.EXAMPLE.com.", 443)
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.9", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    assert refused("192.0.2.9")
    assert not refused("127.0.0.1")


def test_it_is_open_where_nothing_is_rehearsed(fresh: None) -> None:
    network_block.block_servers({"vsphere_server": "192.0.2.7"})
    rehearsal.forget()
    assert not refused("192.0.2.7")
