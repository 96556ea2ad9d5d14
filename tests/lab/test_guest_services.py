"""The ports of guests: real listeners, while a guest is up."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import requests
from chaoslib.control import reset_global_controls

from chaosvm.errors import InvalidValue
from chaosvm.lab import Guest, Lab, Machine, State, World, guest_services
from chaosvm.lab import control as rehearsal_control
from chaosvm.lab.simulation import Service
from tests.moments import eventually
from tests.production import activity, control, run

TCP, HTTP = 18022, 18080
GUEST = Guest(services=(Service(TCP), Service(HTTP, http=True, status=503, body="not now")))


@pytest.fixture
def guests() -> Iterator[World]:
    """A VM that serves, one that is off, and one without services."""
    world = World()
    world.add_vm("web", guest=GUEST)
    world.add_vm("off", State.OFF, guest=GUEST)
    world.add_vm("plain", ip_addresses=("192.0.2.7",))
    with Lab(world, platforms=["dora"]):
        yield world


def address(vm: Machine) -> str:
    return vm.ip_addresses[0]


def answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(60)
        return probe.connect_ex((host, port)) == 0


def is_served(world: World, name: str) -> bool:
    vm = world.vm(name)
    return bool(vm.ip_addresses) and answers(address(vm), TCP)


def get(host: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"http://{host}:{HTTP}/health", timeout=60)


def test_guests_that_are_up_answer(guests: World) -> None:
    web, off, plain = (guests.vm(name) for name in ("web", "off", "plain"))
    assert address(web) != address(off)
    assert plain.ip_addresses == ("192.0.2.7",)
    assert [answers(address(vm), TCP) for vm in (web, off)] == [True, False]
    response = get(address(web))
    assert (response.status_code, response.text) == (503, "not now")


def hang(world: World) -> None:
    world.hang("web")


def unplug(world: World) -> None:
    vm = world.vm("web")
    world.change("web", nics=tuple(replace(nic, connected=False) for nic in vm.nics))


def lose_power(world: World) -> None:
    world.outages.fail("host-1")


@pytest.mark.parametrize(
    "trouble",
    [lambda world: world.power.power_off("web"), hang, unplug, lose_power],
    ids=["off", "hangs", "unplugged", "host without power"],
)
def test_they_do_not_once_they_are_in_trouble(
    guests: World, trouble: Callable[[World], None]
) -> None:
    where = address(guests.vm("web"))
    trouble(guests)
    eventually(lambda: not answers(where, TCP))
    assert not answers(where, HTTP)


def test_a_guest_answers_again_after_its_boot(guests: World) -> None:
    where = address(guests.vm("off"))
    guests.power.start("off")
    eventually(lambda: answers(where, TCP))
    guests.outages.lose("host-1")
    eventually(lambda: guests.vm("off").state is State.UNREACHABLE)
    assert answers(where, TCP)


def test_a_vm_that_is_added_later_answers_too(guests: World) -> None:
    guests.add_vm("late", guest=GUEST)
    eventually(lambda: is_served(guests, "late"))


def test_no_two_labs_give_guests_the_same_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def started() -> tuple[Lab, World]:
        world = World()
        world.add_vm("web", guest=GUEST)
        lab = opened.enter_context(Lab(world, platforms=["dora"]))
        world.add_vm("late", guest=GUEST)
        return lab, world

    every_network = guest_services._candidates()
    with ExitStack() as opened:
        one, first = started()
        chosen = int(address(first.vm("web")).split(".")[1])
        monkeypatch.setattr(guest_services, "_candidates", lambda: [chosen, *every_network])
        other, second = started()
        assert set(one.guest_networks).isdisjoint(other.guest_networks)
        for world, name in product((first, second), ("web", "late")):
            eventually(partial(is_served, world, name))
        monkeypatch.setattr(guest_services, "_candidates", lambda: [chosen])
        with pytest.raises(InvalidValue, match="taken by other labs"):
            started()


def test_a_network_is_free_again_once_its_lab_has_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guest_services, "_candidates", lambda: [12])  # none is given this one
    for _ in range(2):
        with Lab(World(), platforms=["dora"]) as lab:
            assert lab.guest_networks == ("127.12.",)


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.15.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        world = World()
        world.add_vm("web", guest=Guest(services=(Service(port),)), ip_addresses=("127.15.0.1",))
        with pytest.raises(InvalidValue, match=rf"port {port} of 127\.15\.0\.1.*in use"):
            Lab(world, platforms=["dora"]).start()


def test_probes_of_a_rehearsal_reach_guests(tmp_path: Path) -> None:
    """Chaos Toolkit's own of HTTP, and chaosvm's of ports."""
    where = "127.14.0.1"
    url = f"http://{where}:{HTTP}/health"
    asked = {"type": "probe", "name": "asked", "provider": {"type": "http", "url": url}}
    is_open: dict[str, Any] = activity(
        "chaosvm.vsphere.probes", "guest_port_open", vm_name="web-01", port=TCP
    )
    off = activity("chaosvm.vsphere.actions", "power_off", vm_name="web-01", graceful=False)
    for each in (is_open, off):
        del each["provider"]["secrets"]
    guest = {"ports": {TCP: "tcp", HTTP: {"status": 201, "body": "it works"}}}
    world = {"vms": [{"name": "web-01", "ip_addresses": [where], "guest": guest}]}
    path = tmp_path / "control.json"
    path.write_text(json.dumps({"rehearse": control(world=world)}))
    method = [asked, is_open, off, asked, is_open]
    try:
        journal = run({"title": "t", "description": "d", "method": method}, tmp_path, path)
    finally:
        rehearsal_control.cleanup_control()
        reset_global_controls()
    before, opened, _, after, closed = journal["run"]
    assert (before["output"]["status"], before["output"]["body"]) == (201, "it works")
    assert opened["output"] is True
    assert after["status"] == "failed"
    assert closed["output"] is not True
