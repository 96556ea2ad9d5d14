"""A VM that is on, and has to become ready yet."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from chaosvm.backend import PowerCommand, ToolsStatus
from chaosvm.errors import DeadlinePassed, InvalidValue, OperationFailed, PermissionDenied
from chaosvm.ledger import ledger_for_run
from chaosvm.outcome import Batch, Outcome
from chaosvm.runtime import Deadline
from tests.fakes import OFF, ON, SUSPENDED, FakePlatform, Machine, does
from tests.http_service import serving

STARTS = PowerCommand.POWER_ON


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    monkeypatch.chdir(tmp_path)
    platform = FakePlatform()
    platform.add("web", OFF)
    platform.on("web", STARTS, boots())
    return platform


def boots(tools_after: float = 20, ip_after: float = 30, address: str = "127.0.0.1") -> Any:
    """On after 2 seconds, with Tools and an address later."""

    def react(platform: Any, machine: Machine, command: PowerCommand) -> Any:
        name = machine.vm.name
        platform.change(name, tools=ToolsStatus.NOT_RUNNING, addresses=())
        running = {"tools": ToolsStatus.RUNNING}
        platform.clock.at(2 + tools_after, lambda: platform.change(name, **running))
        platform.clock.at(2 + ip_after, lambda: platform.change(name, addresses=(address,)))
        return does(seconds=2)(platform, machine, command)

    return react


def power_on(platform: FakePlatform, wait_for: str, timeout: float = 120) -> Outcome:
    try:
        return platform.power_on("web", timeout=timeout, wait_for=wait_for)
    except OperationFailed as failed:
        return failed.outcomes[0]


def test_by_default_it_is_ready_when_it_is_on(platform: FakePlatform) -> None:
    outcome = platform.power_on("web")
    assert outcome.milestones is None
    assert outcome.seconds == pytest.approx(2, abs=1)
    assert platform.guests_read == 0


@pytest.mark.parametrize(
    ("wait_for", "milestones"),
    [
        ("tools", {"power": 2, "tools": 22}),
        ("agent", {"power": 2, "tools": 22, "agent": 22}),
        ("ip", {"power": 2, "tools": 22, "ip": 32}),
    ],
)
def test_each_milestone_has_its_seconds(
    platform: FakePlatform, wait_for: str, milestones: dict[str, float]
) -> None:
    outcome = power_on(platform, wait_for)
    assert (outcome.error, outcome.changed) == (None, True)
    assert outcome.to_json()["milestones"] == pytest.approx(milestones, abs=2.5)
    assert outcome.seconds == pytest.approx(list(milestones.values())[-1], abs=2.5)


def test_on_but_not_ready_in_time_is_a_failure_that_undo_knows(platform: FakePlatform) -> None:
    outcome = power_on(platform, "ip", timeout=25)
    assert outcome.error == "is powered_on, but not ready after 25 s: 'ip' is missing"
    assert (outcome.before, outcome.after, outcome.changed) == (OFF, ON, True)
    assert list(outcome.milestones or ()) == ["power", "tools"]
    (record,) = ledger_for_run(None).vm_records()
    assert (record.original, record.last.after, record.last.pending) == (OFF, ON, False)
    assert platform.restore_power_states().changed == 1
    assert platform.machine("web").state is OFF


def test_a_vm_that_is_on_is_waited_for_too(platform: FakePlatform) -> None:
    platform.change("web", state=ON, tools=ToolsStatus.NOT_RUNNING)
    running = {"tools": ToolsStatus.RUNNING}
    platform.clock.at(10, lambda: platform.change("web", **running))
    outcome = power_on(platform, "tools")
    assert (outcome.changed, outcome.error, outcome.detail) == (
        False,
        None,
        "was powered_on already",
    )
    assert outcome.milestones == pytest.approx({"power": 0, "tools": 10}, abs=2.5)
    assert platform.sent == []


@pytest.mark.parametrize("state", [OFF, SUSPENDED])
def test_a_vm_that_goes_off_before_it_is_ready(platform: FakePlatform, state: Any) -> None:
    platform.clock.at(10, lambda: platform.change("web", state=state))
    outcome = power_on(platform, "tools")
    assert outcome.error == f"became {state} before it was ready"
    assert outcome.changed
    assert outcome.seconds == pytest.approx(10, abs=1)


@pytest.mark.parametrize("reads", [0, 1])
def test_only_the_first_reading_explains_anything_if_the_deadline_cuts_it_short(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    read = platform.guest_statuses

    def statuses(vms: Any, deadline: Deadline) -> Any:
        if platform.guests_read < reads:
            return read(vms, deadline)
        deadline.sleep(deadline.remaining)
        raise DeadlinePassed("the server did not answer in time")

    monkeypatch.setattr(platform, "guest_statuses", statuses)
    outcome = power_on(platform, "tools", timeout=20)
    reason = "" if reads else " (the server did not answer in time)"
    assert outcome.error == f"is powered_on, but not ready after 20 s: 'tools' is missing{reason}"


def test_why_a_guest_could_not_be_read_is_said(platform: FakePlatform) -> None:
    platform.guest_trouble = PermissionDenied("this user may not read guests")
    outcome = power_on(platform, "tools", timeout=20)
    assert "'tools' is missing (this user may not read guests)" in (outcome.error or "")


def test_after_a_reboot_what_was_there_before_does_not_count(platform: FakePlatform) -> None:
    platform.change("web", state=ON, addresses=("127.0.0.1",), uptime_frozen=500.0)
    fresh = {"uptime_frozen": None, "booted_at": platform.clock.now + 15}
    platform.clock.at(16, lambda: platform.change("web", **fresh))
    outcome = platform.reboot("web", graceful=False, timeout=60, wait_for="ip")
    assert outcome.milestones is not None
    assert outcome.milestones["power"] == pytest.approx(1, abs=1)
    assert outcome.milestones["ip"] == pytest.approx(17, abs=2)


def test_a_port_is_tried_at_the_guests_address(platform: FakePlatform) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome = power_on(platform, f"port:{port}", timeout=3600)
    assert outcome.error is None
    assert list(outcome.milestones or ()) == ["power", "tools", "ip", f"port:{port}"]


def test_no_other_address_is_tried_once_the_call_is_interrupted(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted, seconds_left = threading.Event(), SimpleQueue[float]()

    def never_answers(address: str, port: int, deadline: Deadline) -> bool:
        interrupted.wait(60)
        seconds_left.put(deadline.remaining)
        return False

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chaosvm.observe.milestones.port_open", never_answers)
    platform.clock.at(60, interrupt)
    with pytest.raises(KeyboardInterrupt):
        power_on(platform, "port:9", timeout=300)
    interrupted.set()
    assert seconds_left.get(timeout=60) == 0


def test_a_port_that_is_closed_is_what_is_missing(platform: FakePlatform) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    outcome = power_on(platform, f"port:{port}")
    assert f"'port:{port}' is missing" in (outcome.error or "")


def test_the_query_of_a_url_is_sent_and_not_shown(
    platform: FakePlatform, logs: pytest.LogCaptureFixture
) -> None:
    platform.add("old", OFF)
    platform.on("old", STARTS, boots())
    with serving({"/health?token=hush": 200}) as port:
        url = f"http:{port}/health?token=hush"
        plan = platform.plan("power_on", {"name": "web"}, wait_for=url)
        outcome = power_on(platform, url, timeout=3600)
    with pytest.raises(OperationFailed) as failed:
        platform.power_on("old", wait_for=url)
    assert outcome.error is None
    shown = f"http:{port}/health?***"
    assert list(outcome.to_json()["milestones"])[-1] == shown
    assert f"waited for {shown}" in logs.text
    assert f"'{shown}' is missing" in str(failed.value)
    results = [plan.to_json(), outcome.to_json(), failed.value.outcomes[0].to_json()]
    assert "hush" not in f"{logs.text} {failed.value} {results}"


def test_a_batch_is_read_together(platform: FakePlatform) -> None:
    for number in range(50):
        platform.add(f"db-{number}", OFF)
        platform.on(f"db-{number}", STARTS, boots(tools_after=number))
    batch: Batch = platform.batch_power_on({"all": True}, parallel=64, wait_for="tools")
    assert batch.failed == 0
    assert all(list(each.milestones or ()) == ["power", "tools"] for each in batch.outcomes)
    assert platform.guests_read < 120


@pytest.mark.parametrize("value", ["agents", "port:", "port:0", "port:99999", "", None, 22])
def test_a_milestone_that_does_not_exist_is_refused_first(
    platform: FakePlatform, value: Any
) -> None:
    with pytest.raises(InvalidValue, match=r"^wait_for is "):
        platform.power_on("web", wait_for=value)
    assert (platform.inventories, platform.sent) == (0, [])
