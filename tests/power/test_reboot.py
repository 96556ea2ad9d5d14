"""What is said of a reboot is what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chaosvm.backend import PowerCommand, ToolsStatus
from chaosvm.errors import GuestUnavailable, NotReported, OperationFailed
from chaosvm.outcome import How, Outcome, Verified
from tests.fakes import ON, FakePlatform, Machine, does, ignores, refuses

CONFIRMED, UNVERIFIED = Verified.CONFIRMED, Verified.UNVERIFIED
NOT_REBOOTED = Verified.NOT_REBOOTED
ASKED, RESET = PowerCommand.REBOOT_GUEST, PowerCommand.RESET


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    monkeypatch.chdir(tmp_path)
    platform = FakePlatform()
    platform.add("web")
    return platform


def reboot(platform: FakePlatform, timeout: float = 90, **options: Any) -> Outcome:
    try:
        return platform.reboot("web", timeout=timeout, **options)
    except OperationFailed as failed:
        return failed.outcomes[0]


def quietly(seconds: float = 5.0) -> Any:
    """The guest reboots, and only its uptime shows it."""

    def react(platform: Any, machine: Machine, command: PowerCommand) -> Any:
        then = platform.clock.now + seconds
        platform.clock.at(seconds, lambda: platform.change(machine.vm.name, booted_at=then))
        return ignores()(platform, machine, command)

    return react


def test_a_guest_that_is_seen_to_go_down_and_come_back(platform: FakePlatform) -> None:
    outcome = reboot(platform)
    assert (outcome.verified, outcome.how, outcome.changed) == (CONFIRMED, How.GUEST, True)


def test_a_guest_whose_uptime_falls(platform: FakePlatform) -> None:
    platform.on("web", ASKED, quietly())
    outcome = reboot(platform)
    assert outcome.verified is CONFIRMED
    assert outcome.evidence is not None
    assert outcome.evidence.startswith("the guest's uptime fell from 1000 s to ")
    assert 5 <= outcome.seconds <= 13


def test_a_guest_that_had_been_started_just_before(platform: FakePlatform) -> None:
    """Its uptime is larger than before after a while, and less than it would be."""
    platform.change("web", booted_at=platform.clock.now - 3)
    platform.on("web", ASKED, quietly(seconds=1))
    assert reboot(platform).verified is CONFIRMED


def test_a_guest_whose_uptime_was_unknown_before(platform: FakePlatform) -> None:
    """That it booted after the request is proof enough."""
    platform.change("web", uptime_unknown="VMware Tools have not reported an uptime yet")
    platform.on("web", ASKED, quietly())
    platform.clock.at(10, lambda: platform.change("web", uptime_unknown=None))
    outcome = reboot(platform)
    assert outcome.verified is CONFIRMED
    assert "booted after the request" in (outcome.evidence or "")


@pytest.mark.parametrize("lag", [0, 20])
def test_a_guest_that_ignores_it_has_not_rebooted(platform: FakePlatform, lag: float) -> None:
    platform.change("web", rebooted=True, uptime_lag=lag)  # seen before: no proof
    platform.on("web", ASKED, ignores())
    outcome = reboot(platform)
    assert outcome.verified is NOT_REBOOTED
    assert (outcome.changed, outcome.after) == (False, ON)
    assert outcome.error is not None
    assert "has not rebooted after 90 s: the guest has been up for 10" in outcome.error
    assert outcome.seconds == pytest.approx(90, abs=1)
    assert platform.steps("web") == [ASKED]


def test_a_guest_started_just_before_whose_uptime_is_old(platform: FakePlatform) -> None:
    """It may have been up since before the request, or booted after it."""
    platform.change("web", booted_at=platform.clock.now, uptime_lag=20)
    platform.on("web", ASKED, quietly(seconds=1))
    outcome = reboot(platform)
    assert (outcome.verified, outcome.error) == (UNVERIFIED, None)
    assert "booted too shortly before the request" in (outcome.detail or "")


def test_an_uptime_that_may_be_older_than_the_request_proves_nothing(
    platform: FakePlatform,
) -> None:
    platform.change("web", uptime_lag=40)
    platform.on("web", ASKED, ignores())
    outcome = reboot(platform, timeout=30)
    assert outcome.verified is UNVERIFIED
    assert "it is unknown whether it rebooted" in (outcome.error or "")
    assert "may be from before the request" in (outcome.error or "")


@pytest.mark.parametrize("how", ["no uptime", "not reported"])
def test_where_it_cannot_be_known_that_is_said_and_is_no_failure(
    platform: FakePlatform, how: str
) -> None:
    if how == "no uptime":
        platform.change("web", uptime_unknown="the server has no performance counter")
    else:
        platform.guest_trouble = NotReported("fake has no performance counter")
    platform.on("web", ASKED, ignores())
    outcome = reboot(platform)
    assert (outcome.verified, outcome.error) == (UNVERIFIED, None)
    assert "it cannot be known whether it rebooted" in (outcome.detail or "")
    assert "no performance counter" in (outcome.detail or "")


def test_a_guest_that_is_down_at_the_end_is_not_said_to_have_stayed_up(
    platform: FakePlatform,
) -> None:
    platform.on("web", ASKED, ignores())
    platform.clock.at(80, lambda: platform.change("web", going_down=True))
    outcome = reboot(platform)
    assert outcome.verified is UNVERIFIED
    assert "has not come back" in (outcome.error or "")


@pytest.mark.parametrize(
    ("on_timeout", "verified", "how", "commands"),
    [
        ("reset", CONFIRMED, How.FALLBACK_HARD, [ASKED, RESET]),
        ("leave", NOT_REBOOTED, How.GUEST, [ASKED]),
        ("fail", NOT_REBOOTED, How.GUEST, [ASKED]),
    ],
)
def test_what_follows_when_a_guest_has_not_rebooted(
    platform: FakePlatform,
    on_timeout: str,
    verified: Verified,
    how: How,
    commands: list[PowerCommand],
) -> None:
    platform.on("web", ASKED, ignores())
    outcome = reboot(platform, on_timeout=on_timeout)
    assert (outcome.verified, outcome.how) == (verified, how)
    assert outcome.failed is (on_timeout == "fail")
    assert "has not rebooted after" in (outcome.detail or outcome.error or "")
    assert platform.steps("web") == commands
    if on_timeout == "reset":
        assert outcome.evidence == "the task of the reset succeeded"
        assert outcome.seconds == pytest.approx(90 - 18 + 1, abs=2)


def test_the_uptime_from_before_the_reset_does_not_prove_it(platform: FakePlatform) -> None:
    """The guest reboots by itself just as it is reset, and the reset does nothing."""
    platform.on("web", ASKED, ignores())
    platform.on("web", RESET, ignores(tracked=False))
    outcome = reboot(platform, on_timeout="reset")
    assert outcome.verified is NOT_REBOOTED
    assert outcome.failed
    assert platform.steps("web") == [ASKED, RESET]


@pytest.mark.parametrize("on_timeout", ["reset", "leave", "fail"])
def test_a_guest_that_cannot_be_asked(platform: FakePlatform, on_timeout: str) -> None:
    platform.change("web", tools=ToolsStatus.NOT_RUNNING)
    platform.on("web", ASKED, refuses(GuestUnavailable("VMware Tools are not running")))
    outcome = reboot(platform, on_timeout=on_timeout)
    assert outcome.failed is (on_timeout == "fail")
    assert "VMware Tools are not running" in (outcome.detail or outcome.error or "")
    resets = on_timeout == "reset"
    assert outcome.verified is (CONFIRMED if resets else NOT_REBOOTED)
    assert outcome.how is (How.FALLBACK_HARD if resets else How.NONE)
    assert outcome.seconds < 5


def test_a_reset_that_has_no_task_is_confirmed_by_the_uptime(platform: FakePlatform) -> None:
    platform.on("web", RESET, quietly())
    outcome = reboot(platform, graceful=False)
    assert (outcome.verified, outcome.how) == (CONFIRMED, How.HARD)
    assert "uptime fell" in (outcome.evidence or "")


def test_the_requests_do_not_grow_with_the_number_of_vms(platform: FakePlatform) -> None:
    for number in range(99):
        platform.add(f"web-{number}")
    for machine in list(platform.machines.values()):
        platform.on(machine.vm.name, ASKED, quietly())
    batch = platform.batch_reboot({"all": True}, parallel=64)
    assert {outcome.verified for outcome in batch.outcomes} == {CONFIRMED}
    assert platform.guests_read < 15


def test_the_summary_counts_what_is_unverified(
    platform: FakePlatform, logs: pytest.LogCaptureFixture
) -> None:
    platform.add("db")
    platform.change("web", uptime_unknown="no performance counter")
    platform.on("web", ASKED, ignores())
    platform.on("db", ASKED, does(seconds=1))
    platform.batch_reboot({"all": True}, timeout=60)
    assert "reboot: 1 of 2 rebooted (1 by guest), 1 unverified, in 60 s" in logs.text
