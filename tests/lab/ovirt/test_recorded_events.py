"""Events of the lab, compared with recorded ones of the same code (recordings/README.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

from chaosvm.lab import Durations, Guest, Lab, State, World
from tests.lab.conftest import Plain
from tests.lab.ovirt.recorded import event_codes, exchange, exchange_names
from tests.moments import eventually

_NAMES = re.compile(r"\b(host-\d+|[a-zA-Z]+[-_]?\d\d|web_under|ha-01|plain-01)\b")
_REASON = re.compile(r" \(Reason: [^)]*\)")
_SESSION = re.compile(r"session '[^']*'")


@dataclass(frozen=True)
class ReadEvent:
    """An event without what differs each time: names, reasons, ids."""

    code: int
    severity: str
    text: str
    correlation: str  # none, own or request
    elements: tuple[str, ...]


def _read_event(event: ElementTree.Element) -> ReadEvent:
    text = _REASON.sub("", _NAMES.sub("NAME", event.findtext("description") or ""))
    correlation = event.findtext("correlation_id")
    own = correlation is not None and re.fullmatch("[0-9a-f]{6,8}", correlation) is not None
    return ReadEvent(
        int(event.findtext("code") or 0),
        event.findtext("severity") or "",
        _SESSION.sub("session", text),
        "none" if correlation is None else "own" if own else "request",
        tuple(child.tag for child in event if child.tag != "storage_domain"),
    )


@pytest.fixture(scope="module")
def recorded() -> dict[int, set[ReadEvent]]:
    found: dict[int, set[ReadEvent]] = {}
    for name in exchange_names():
        answer = exchange(name).answer
        for part in re.findall(r"<event href.*?</event>", answer, re.DOTALL):
            read = _read_event(ElementTree.fromstring(part))
            found.setdefault(read.code, set()).add(read)
    return found


@pytest.fixture
def estate() -> Iterator[tuple[World, Plain]]:
    world = World(durations=Durations(before_saving=0.05))
    cluster = world.add_cluster("Default", world.add_datacenter("Default"), version=(4, 8))
    for number in (1, 2):
        world.add_host(f"host-0{number}", cluster)
    with Lab(world, platforms=["olvm"]) as lab, Plain(lab) as plain:
        yield world, plain


def _events(plain: Plain) -> Sequence[ReadEvent]:
    """The oldest first."""
    listed = ElementTree.fromstring(plain.get("/events").content)
    return [_read_event(event) for event in listed][::-1]


def _becomes(world: World, name: str, state: State) -> None:
    eventually(lambda: world.vm(name).state is state)


def _act(plain: Plain, world: World, name: str, action: str, body: str = "<action/>") -> int:
    return plain.post(f"/vms/{world.vm(name).id}/{action}", body).status_code


def _counted() -> dict[int, tuple[str, str]]:
    """Severity and one text of each code that was seen."""
    lines = [line.split(" ", 3) for line in event_codes().splitlines()[1:]]
    return {int(code): (severity, _NAMES.sub("NAME", text)) for code, severity, _, text in lines}


def _as_recorded(events: Sequence[ReadEvent], recorded: dict[int, set[ReadEvent]]) -> list[int]:
    for event in events:
        if event.code not in recorded:  # of these only a text was kept
            assert (event.severity, event.text) == _counted()[event.code]
            continue
        assert event in recorded[event.code], sorted(map(str, recorded[event.code]))
    return [event.code for event in events]


def test_a_vm_is_started_and_shut_down(
    estate: tuple[World, Plain], recorded: dict[int, set[ReadEvent]]
) -> None:
    world, plain = estate
    world.add_vm("web-01", State.OFF)
    _act(plain, world, "web-01", "start")
    _becomes(world, "web-01", State.RUNNING)
    _act(plain, world, "web-01", "shutdown")
    _becomes(world, "web-01", State.OFF)
    _act(plain, world, "web-01", "shutdown")
    assert _as_recorded(_events(plain), recorded) == [30, 153, 32, 73, 61, 254]


def test_a_stop_and_what_the_engine_makes_of_a_shutdown(
    estate: tuple[World, Plain], recorded: dict[int, set[ReadEvent]]
) -> None:
    world, plain = estate
    world.add_vm("web-01")
    world.add_vm("slow-01", guest=Guest.deaf())
    _act(plain, world, "web-01", "stop", "<action><reason>chaos</reason></action>")
    _act(plain, world, "slow-01", "shutdown", "<action><reason>chaos</reason></action>")
    assert {vm.state for vm in world.vms} == {State.OFF}
    assert _as_recorded(_events(plain), recorded) == [30, 33, 61, 76, 61]


def test_a_guest_that_ignores_a_shutdown(
    estate: tuple[World, Plain], recorded: dict[int, set[ReadEvent]]
) -> None:
    world, plain = estate
    world.add_vm("deaf-01", guest=Guest.ignores(0.05))
    _act(plain, world, "deaf-01", "shutdown")
    _becomes(world, "deaf-01", State.RUNNING)
    _act(plain, world, "deaf-01", "reset")
    _becomes(world, "deaf-01", State.RUNNING)
    _act(plain, world, "deaf-01", "reboot")
    assert _as_recorded(_events(plain), recorded) == [30, 73, 147, 221, 157]


def test_a_vm_is_suspended_and_resumed(
    estate: tuple[World, Plain], recorded: dict[int, set[ReadEvent]]
) -> None:
    world, plain = estate
    world.add_vm("db-01")
    assert _act(plain, world, "db-01", "suspend") == 202
    _becomes(world, "db-01", State.SUSPENDED)
    _act(plain, world, "db-01", "start")
    _becomes(world, "db-01", State.RUNNING)
    _act(plain, world, "db-01", "suspend")
    _becomes(world, "db-01", State.SUSPENDED)
    _act(plain, world, "db-01", "stop")
    codes = _as_recorded(_events(plain), recorded)
    assert codes == [30, 501, 503, 153, 32, 501, 503, 111]


def test_a_start_is_refused_and_one_fails_on_the_hosts(
    estate: tuple[World, Plain], recorded: dict[int, set[ReadEvent]]
) -> None:
    world, plain = estate
    world.add_vm("nodisk-01", State.OFF, bootable=False)
    world.add_vm("app-01", State.OFF, fails_to_start=True)
    assert _act(plain, world, "nodisk-01", "start") == 409
    assert _act(plain, world, "app-01", "start") == 200
    eventually(lambda: _events(plain)[-1].code == 54 and world.vm("app-01").state is State.OFF)
    codes = _as_recorded(_events(plain), recorded)
    assert codes == [30, 54, 153, 119, 151, 153, 119, 151, 54]


def test_a_stateless_vm_and_one_that_is_started_paused(
    estate: tuple[World, Plain], recorded: dict[int, set[ReadEvent]]
) -> None:
    world, plain = estate
    world.add_vm("web_under", State.OFF, stateless=True)
    world.add_vm("web-03", State.OFF)
    _act(plain, world, "web_under", "start")
    assert world.vm("web_under").state is State.OFF
    _becomes(world, "web_under", State.RUNNING)
    _act(plain, world, "web-03", "start", "<action><pause>true</pause></action>")
    _becomes(world, "web-03", State.PAUSED)
    _act(plain, world, "web-03", "start")
    _becomes(world, "web-03", State.RUNNING)
    codes = _as_recorded(_events(plain), recorded)
    assert codes == [30, 150, 537, 179, 1025, 40]


def test_a_highly_available_vm_crashes(
    estate: tuple[World, Plain], recorded: dict[int, set[ReadEvent]]
) -> None:
    world, plain = estate
    world.add_vm("ha-01", highly_available=True)
    world.power.crash(world.vm("ha-01").id)
    _becomes(world, "ha-01", State.RUNNING)
    codes = _as_recorded([e for e in _events(plain) if e.code != 506], recorded)
    assert codes == [30, 119, 9602]


def test_a_host_dies(estate: tuple[World, Plain], recorded: dict[int, set[ReadEvent]]) -> None:
    world, plain = estate
    vm = world.add_vm("ha-01")
    host = world.host(vm.host_id)
    assert host is not None
    world.outages.lose(host.name)
    assert _act(plain, world, "ha-01", "stop") == 400
    _becomes(world, "ha-01", State.UNREACHABLE)
    assert _act(plain, world, "ha-01", "stop") == 409
    world.outages.confirm_rebooted(host.name)
    _becomes(world, "ha-01", State.OFF)
    codes = _as_recorded([e for e in _events(plain) if e.code != 494], recorded)
    assert codes == [30, 56, 142, 12, 143]
