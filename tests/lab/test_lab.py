"""Starting and stopping, and what a lab reports about itself."""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from chaosvm.errors import InvalidValue
from chaosvm.lab import Lab, World
from tests.lab.conftest import Plain, connected


def test_all_servers_respond_until_it_stops() -> None:
    world = World.generated(vms=1000)
    lab = Lab(world, platforms=["vsphere", "olvm", "dora"]).start()
    variables, ca_file = lab.environment(), Path(lab.ca_file)
    names = ("VSPHERE_PORT", "DORA_API_PORT", "DORA_AUTH_PORT")
    ports = [int(variables[name]) for name in names]
    ports.append(int(urlsplit(lab.olvm_url).port or 0))
    assert len(set(ports)) == 4
    assert [_listening(port) for port in ports] == [True] * 4
    with connected(lab) as connection:
        assert len(connection.system_service().vms_service().list()) == 1000
    lab.stop()
    assert [_listening(port) for port in ports] == [False] * 4
    assert not ca_file.exists()
    lab.stop()


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_tells_where_it_is(lab: Lab) -> None:
    port = urlsplit(lab.olvm_url).port
    assert lab.environment() == {
        "OLVM_URL": f"https://127.0.0.1:{port}/ovirt-engine/api",
        "OLVM_USERNAME": "admin@internal",
        "OLVM_PASSWORD": lab.password,
        "OLVM_CA_FILE": lab.ca_file,
    }
    assert Path(lab.ca_file).read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_passwords_are_random() -> None:
    assert Lab().password != Lab().password


def test_a_lab_that_was_not_started_is_nowhere() -> None:
    lab = Lab()
    for where in ("ca_file", "olvm_url", "connections"):
        with pytest.raises(RuntimeError, match="not been started"):
            getattr(lab, where)
    lab.stop()


def test_requests_and_connections_are_counted(lab: Lab, world: World, engine: Any) -> None:
    vm = world.add_vm("web")
    vms = engine.system_service().vms_service()
    vms.list()
    vms.vm_service(vm.id).stop()
    assert lab.requests() == {
        "POST /sso/oauth/token": 1,
        "GET /api/vms": 1,
        "POST /api/vms/{id}/stop": 1,
    }
    assert lab.connections == 2  # the SDK logs in over one of its own
    lab.reset_requests()
    assert (lab.requests(), lab.connections) == ({}, 0)


def test_several_labs_may_show_one_world(world: World) -> None:
    world.add_vm("web")
    with Lab(world) as first, Lab(world, username="other@internal") as second:
        for lab in (first, second):
            with connected(lab) as connection:
                assert len(connection.system_service().vms_service().list()) == 1


def test_many_clients_at_once(lab: Lab, world: World) -> None:
    ids = [world.add_vm(f"vm-{number}").id for number in range(30)]
    failed: list[Any] = []

    def work(vm_id: str) -> None:
        with Plain(lab) as plain:
            answers = [plain.post(f"/vms/{vm_id}/stop"), plain.get("/vms")]
            failed.extend(answer for answer in answers if answer.status_code != 200)

    threads = [threading.Thread(target=work, args=(vm_id,)) for vm_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert lab.requests()["POST /api/vms/{id}/stop"] == 30


@pytest.mark.parametrize(
    ("missing", "extra"),
    [
        ("aiohttp", "chaostoolkit-vm[lab]"),
        ("trustme", "chaostoolkit-vm[lab]"),
        ("ovirtsdk4", "chaostoolkit-vm[lab,olvm]"),
    ],
)
def test_without_its_packages_it_says_which_extra(missing: str, extra: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "import chaosvm.lab\n"
        "world = chaosvm.lab.World.generated(3)\n"
        "try:\n    chaosvm.lab.Lab(world)\n"
        "except chaosvm.errors.MissingExtra as error:\n    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert missing in ran.stdout
    assert extra in ran.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return min(int(probe.getsockname()[1]), 65_000)


def test_a_lab_comes_back_at_the_same_address_with_the_same_secrets(tmp_path: Path) -> None:
    folder, port, seen = tmp_path / "state", free_port(), []
    for _ in range(2):
        with Lab(World(), platforms=["vsphere"], port=port, state_dir=folder) as lab:
            seen.append((lab.environment(), Path(lab.ca_file).read_text()))
            assert lab.vsphere_port == port
    assert seen[0] == seen[1]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    folder.chmod(0o750)
    with pytest.raises(InvalidValue, match=r"state_dir is .*, which others may enter"):
        Lab(World(), state_dir=folder)


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InvalidValue, match=rf"cannot listen on port {port} of 127\.0\.0\.1"):
            Lab(World(), platforms=["vsphere"], port=port).start()


def test_its_clock_may_be_wrong_and_fast() -> None:
    world = World()
    with Lab(world, platforms=["dora"], speed=1000, clock_offset=-86_400) as lab:
        before = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        began = world.now
        threading.Event().wait(0.02)
        assert 20 <= world.now - began < 20_000
        assert dt.timedelta() < world.date - before < dt.timedelta(hours=6)
        assert lab.world.speed == 1000
    with pytest.raises(InvalidValue, match="speed is 0"):
        Lab(World(), speed=0)
