"""Outages: down, held, verified, restored; and operations in waves."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from chaosvm.backend import PowerCommand
from chaosvm.errors import (
    CommandFailed,
    ConnectionFailed,
    GuardStopped,
    InvalidValue,
    LedgerError,
    OperationFailed,
    PlanOutdated,
)
from chaosvm.ledger import ledger_for_run
from chaosvm.outcome import Batch, How, Outcome
from chaosvm.runtime import experiment
from chaosvm.settings import Safety
from tests.fakes import OFF, ON, FakePlatform, does, fails, ignores

DOWN, UP, ASK = PowerCommand.POWER_OFF, PowerCommand.POWER_ON, PowerCommand.SHUTDOWN_GUEST
ALL = {"all": True}


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    monkeypatch.chdir(tmp_path)
    platform = FakePlatform()
    for number in range(4):
        platform.add(f"web-{number}")
    return platform


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The journal's entry of the activity."""
    entry: dict[str, Any] = {"activity": {}}
    monkeypatch.setattr(experiment, "journal_entry", lambda: entry)
    return entry


def interrupt() -> None:
    raise KeyboardInterrupt


def outcomes(act: Any) -> dict[str, Outcome]:
    """By the VM's name, of a call that may fail."""
    try:
        batch: Batch = act()
    except OperationFailed as failed:
        return {each.name: each for each in failed.outcomes}
    return {each.name: each for each in batch.outcomes}


def sent(platform: FakePlatform) -> list[tuple[str, PowerCommand, float]]:
    """What was sent to whom, and when."""
    times = [at - 1_000 for at in platform.sent_at]
    return [(name, command, at) for (name, command), at in zip(platform.sent, times, strict=True)]


def test_down_held_and_back(platform: FakePlatform, logs: pytest.LogCaptureFixture) -> None:
    platform.change("web-3", state=OFF)
    found = outcomes(lambda: platform.outage(ALL, duration=60))
    web = found["web-0"]
    assert (web.operation, web.before, web.after, web.changed, web.how) == (
        "outage",
        ON,
        ON,
        True,
        How.GUEST,
    )
    assert list(web.milestones or ()) == ["down", "back"]
    assert web.milestones is not None
    assert 60 <= web.milestones["back"] - web.milestones["down"] <= 65
    off = found["web-3"]
    assert (off.after, off.changed, off.how, off.error) == (OFF, False, How.NONE, None)
    assert platform.steps("web-3") == []
    assert "outage: 3 of 4 down and back (3 by guest), 1 left as it is, in 6" in logs.text
    named = "'web-0' (vm-1), 'web-1' (vm-2), 'web-2' (vm-3) and 1 more"
    assert f"outage: 4 VM(s) are off, for 60 s: {named}" in logs.text
    held = [each.message for each in logs.records if "kept off" in each.message]
    assert 5 <= len(held) <= 7
    assert ledger_for_run(None).vm_records() == []


def test_that_no_time_is_left_is_not_logged(
    platform: FakePlatform, logs: pytest.LogCaptureFixture
) -> None:
    platform.outage(ALL, duration=59)  # over when the VMs are read, as they are every ten seconds
    held = [each.message for each in logs.records if "kept off" in each.message]
    assert len(held) >= 4
    assert not any(each.endswith(", 0 s left") for each in held)


def test_a_vm_that_somebody_starts_meanwhile(platform: FakePlatform) -> None:
    platform.clock.at(30, lambda: platform.change("web-0", state=ON))
    found = outcomes(lambda: platform.outage(ALL, duration=60))
    assert found["web-0"].failed
    assert "did not stay off: it was powered_on again within" in (found["web-0"].error or "")
    assert found["web-1"].error is None
    assert {machine.state for machine in platform.machines.values()} == {ON}


def test_a_vm_that_does_not_come_back(platform: FakePlatform) -> None:
    platform.on("web-0", UP, fails(CommandFailed("no host has room")))
    found = outcomes(lambda: platform.outage(ALL, duration=5))
    assert "did not come back: refused the power on: no host has room" in str(found["web-0"].error)
    assert (found["web-0"].changed, found["web-0"].after) == (True, OFF)
    (record,) = ledger_for_run(None).vm_records()
    assert record.name == "web-0"
    platform.on("web-0", UP, does())
    platform.restore_power_states()
    assert platform.machine("web-0").state is ON


def test_a_guest_that_goes_down_late_comes_back_too(platform: FakePlatform) -> None:
    platform.on("web-0", ASK, does(seconds=40))
    found = outcomes(
        lambda: platform.outage(ALL, duration=60, timeout=20, on_timeout="fail"),
    )
    assert "was not taken down" in (found["web-0"].error or "")
    assert platform.machine("web-0").state is ON
    assert platform.steps("web-0") == [ASK, UP]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(20)])
def test_an_interruption_while_held_brings_them_back_first(
    platform: FakePlatform, error: BaseException, entry: dict[str, Any]
) -> None:
    def interrupt() -> None:
        raise error

    platform.clock.at(30, interrupt)
    with pytest.raises(type(error)):
        platform.outage(ALL, duration=60)
    assert {machine.state for machine in platform.machines.values()} == {ON}
    assert platform.clock.now < 1_040
    assert ledger_for_run(None).vm_records() == []
    kept = {each["name"]: each for each in entry["chaosvm_output"]["outcomes"]}
    web = kept["web-0"]
    assert (web["after"], web["changed"], web["detail"]) == (
        "powered_on",
        True,
        "the outage was interrupted",
    )
    assert "error" not in web
    assert 30 <= web["milestones"]["back"] <= 40
    assert len(kept) == 4


def test_an_interruption_while_going_down_leaves_outcomes(
    platform: FakePlatform, entry: dict[str, Any]
) -> None:
    platform.on("web-1", ASK, does(seconds=40))
    platform.clock.at(20, interrupt)
    with pytest.raises(KeyboardInterrupt):
        platform.outage(ALL, duration=60, waves=2)
    kept = {each["name"]: each for each in entry["chaosvm_output"]["outcomes"]}
    assert "error" not in kept["web-0"]
    assert "its outcome is unknown: the run was interrupted" in kept["web-1"]["error"]
    assert kept["web-3"]["error"] == "was not touched: the run was interrupted"


def test_an_interruption_leaves_outcomes(platform: FakePlatform, entry: dict[str, Any]) -> None:
    platform.on("web-1", ASK, ignores())
    platform.clock.at(20, interrupt)
    with pytest.raises(KeyboardInterrupt):
        platform.batch_power_off({"names": ["web-0", "web-1"]})
    done, unknown = entry["chaosvm_output"]["outcomes"]
    assert (done["after"], done["changed"]) == ("powered_off", True)
    assert unknown["after"] == "unknown"


def test_an_unexpected_error_leaves_outcomes(platform: FakePlatform, entry: dict[str, Any]) -> None:
    platform.clock.at(20, lambda: platform.trouble_watching(KeyError("unexpected")))
    with pytest.raises(KeyError, match="unexpected"):
        platform.batch_power_off(ALL, graceful=False, interval=30)
    done, unknown, left, _ = entry["chaosvm_output"]["outcomes"]
    assert (done["after"], done["changed"]) == ("powered_off", True)
    assert unknown["after"] == "unknown"
    assert left["error"] == "was not touched: the action ended: 'unexpected'"


def test_an_interruption_of_one_vm_leaves_its_outcome(
    platform: FakePlatform, entry: dict[str, Any]
) -> None:
    platform.on("web-1", PowerCommand.REBOOT_GUEST, ignores())
    platform.clock.at(20, interrupt)
    with pytest.raises(KeyboardInterrupt):
        platform.reboot("web-1")
    assert (entry["chaosvm_output"]["name"], entry["chaosvm_output"]["after"]) == (
        "web-1",
        "unknown",
    )


def test_a_run_that_is_stopped_while_held_brings_them_back(platform: FakePlatform) -> None:
    """As the control undo does, for an outage in the background."""
    platform.clock.at(30, lambda: ledger_for_run(None).block("the run is over"))
    found = outcomes(lambda: platform.outage(ALL, duration=60))
    assert {each.after for each in found.values()} == {ON}
    assert platform.clock.now < 1_040


@pytest.mark.parametrize("waves", [1, 2])
def test_an_outage_that_may_not_begin_touches_nothing_more(
    platform: FakePlatform, logs: pytest.LogCaptureFixture, waves: int
) -> None:
    """Its run was stopped after its VMs were selected, or while the first wave was back on."""
    ledger = ledger_for_run(None)
    record, count = ledger.record_intent, itertools.count(1)

    def blocked(*arguments: Any) -> None:
        if next(count) == (1 if waves == 1 else 3):
            ledger.block("it is over")
        record(*arguments)

    platform._context.ledger = lambda: ledger  # type: ignore[method-assign]
    ledger.record_intent = blocked  # type: ignore[method-assign]
    if waves == 1:
        with pytest.raises(LedgerError, match="not carried out: it is over"):
            platform.outage(ALL, duration=5)
        assert platform.sent == []
        assert "powering on" not in logs.text
        return
    found = outcomes(lambda: platform.outage(ALL, duration=5, waves=2))
    assert "powering on" not in logs.text
    assert [each.failed for each in found.values()] == [False, False, True, True]
    assert found["web-3"].error == "was not touched: power_off is not carried out: it is over"
    assert {name for name, _ in platform.sent} == {"web-0", "web-1"}


def test_a_killed_outage_is_restored_by_undo(platform: FakePlatform) -> None:
    platform.on("web-0", UP, ignores(), does())
    with pytest.raises(OperationFailed):
        platform.outage({"names": ["web-0"]}, duration=1, timeout=5)
    assert platform.machine("web-0").state is OFF
    assert platform.restore_power_states().changed == 1
    assert platform.machine("web-0").state is ON


def test_more_waves_than_vms_are_a_warning(
    platform: FakePlatform, logs: pytest.LogCaptureFixture
) -> None:
    platform.outage(ALL, duration=5, waves=9)
    assert "outage: waves is 9, but 4 VM(s) make only 4" in logs.text


def test_the_summary_says_what_was_waited_for(
    platform: FakePlatform, logs: pytest.LogCaptureFixture
) -> None:
    platform.change("web-0", state=OFF)
    platform.power_on("web-0", wait_for="tools")
    assert re.search(r"power_on: 1 of 1 on in [\d.]+ s, waited for tools", logs.text)


def test_it_waits_until_the_vms_are_ready(platform: FakePlatform) -> None:
    found = outcomes(lambda: platform.outage(ALL, duration=5, wait_for="tools"))
    assert list(found["web-0"].milestones or ()) == ["down", "power", "tools", "back"]


def test_guards_hold(platform: FakePlatform) -> None:
    platform.safety = Safety(min_running=3)
    with pytest.raises(GuardStopped):
        platform.outage({"names": ["web-0", "web-1"]})
    assert platform.sent == []


# Waves -----------------------------------------------------------------------------------


def test_each_wave_of_an_outage_begins_when_the_last_one_is_back(
    platform: FakePlatform, logs: pytest.LogCaptureFixture
) -> None:
    platform.outage(ALL, duration=60, waves=2, graceful=False)
    assert "outage: wave 2 of 2: 2 VM(s) are off, for 60 s: 'web-2'" in logs.text
    order = [(name, command) for name, command, _ in sent(platform)]
    first, second = order[:4], order[4:]
    assert {name for name, _ in first} == {"web-0", "web-1"}
    assert [command for _, command in first] == [DOWN, DOWN, UP, UP]
    assert {name for name, _ in second} == {"web-2", "web-3"}
    assert [command for _, command in second] == [DOWN, DOWN, UP, UP]


def test_a_wave_has_its_own_time_however_long_the_last_one_took(platform: FakePlatform) -> None:
    found = outcomes(lambda: platform.outage(ALL, duration=900, waves=2, timeout=60))
    assert not any(each.error for each in found.values())
    for each in found.values():
        assert each.milestones is not None
        assert 895 <= each.milestones["back"] - each.milestones["down"] < 960


def test_outages_that_overlap(platform: FakePlatform) -> None:
    found = outcomes(lambda: platform.outage(ALL, duration=60, interval=20, graceful=False))
    downs = {name: at for name, command, at in sent(platform) if command is DOWN}
    ups = {name: at for name, command, at in sent(platform) if command is UP}
    assert list(downs.values()) == pytest.approx([0, 20, 40, 60], abs=3)
    for name in downs:
        assert ups[name] - downs[name] == pytest.approx(61, abs=4)
    assert not any(outcome.failed for outcome in found.values())


def test_after_a_failure_no_further_wave_goes_down(platform: FakePlatform) -> None:
    platform.on("web-1", UP, fails(CommandFailed("no host has room")))
    found = outcomes(lambda: platform.outage(ALL, duration=10, waves=2))
    assert found["web-0"].error is None
    for name in ("web-2", "web-3"):
        assert found[name].error == "was not touched: an earlier wave failed"
        assert platform.steps(name) == []


@pytest.mark.parametrize("options", [{"waves": 4}, {"interval": 30}, {"waves": 4, "interval": 30}])
def test_a_batch_in_waves(platform: FakePlatform, options: dict[str, Any]) -> None:
    platform.batch_reboot(ALL, graceful=False, **options)
    starts = [at for _, _, at in sent(platform)]
    apart = options.get("interval", 1)
    assert starts == pytest.approx([number * apart for number in range(4)], abs=4)


def test_waves_keep_the_order_in_which_vms_are_named(platform: FakePlatform) -> None:
    named = {"names": ["web-2", "web-0", "vm-4", "web-1"]}
    batch = platform.batch_reboot(named, graceful=False, waves=2)
    assert {name for name, _ in platform.sent[:2]} == {"web-2", "web-0"}
    assert [each.name for each in batch.outcomes] == ["web-2", "web-0", "web-3", "web-1"]


def test_a_later_wave_is_read_again(platform: FakePlatform) -> None:
    platform.clock.at(20, lambda: platform.change("web-3", state=OFF))
    batch = platform.batch_power_off(ALL, graceful=False, interval=30)
    assert batch.outcomes[3].detail == "was powered_off already"
    assert platform.steps("web-3") == []


@pytest.mark.parametrize("verb", ["batch_power_off", "outage"])
def test_a_vm_that_is_protected_meanwhile_is_not_touched(platform: FakePlatform, verb: str) -> None:
    for number in range(4):
        platform.become(f"web-{number}", tags=())
    protect = {"tags": ("chaosvm-protect",)}
    platform.clock.at(20, lambda: platform.become("web-2", **protect))
    options = {"duration": 1} if verb == "outage" else {}
    act = getattr(platform, verb)
    found = outcomes(lambda: act(ALL, graceful=False, interval=30, **options))
    assert [each.failed for each in found.values()] == [False, False, True, True]
    assert "'web-2' (vm-3) is protected: it has the tag" in (found["web-2"].error or "")
    assert platform.steps("web-2") == platform.steps("web-3") == []


@pytest.mark.parametrize("why", ["protected", "unreadable", "off"])
def test_a_vm_that_somebody_else_powers_off_before_its_wave_stays_off(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """The outage has sent it nothing, so it does not bring it back either."""

    def intervene() -> None:
        platform.change("web-2", state=OFF)
        if why == "protected":
            platform.become("web-2", tags=("chaosvm-protect",))
        elif why == "unreadable":
            read = platform.backend.inventory
            answers = itertools.chain([ConnectionFailed("no connection")], itertools.repeat(None))

            def fails_once(*arguments: Any, **options: Any) -> Any:
                if error := next(answers):
                    raise error
                return read(*arguments, **options)

            monkeypatch.setattr(platform.backend, "inventory", fails_once)

    for number in range(4):
        platform.become(f"web-{number}", tags=())
    platform.clock.at(20, intervene)
    found = outcomes(lambda: platform.outage(ALL, duration=1, graceful=False, interval=15))
    assert platform.steps("web-2") == []
    assert platform.machine("web-2").state is OFF
    assert found["web-2"].failed is (why != "off")
    assert found["web-0"].error is None


def test_a_batch_stops_after_a_wave_that_failed(platform: FakePlatform) -> None:
    platform.on("web-1", DOWN, fails(CommandFailed("no such disk")))
    found = outcomes(lambda: platform.batch_power_off(ALL, graceful=False, waves=2))
    assert [each.failed for each in found.values()] == [False, True, True, True]
    assert platform.steps("web-2") == platform.steps("web-3") == []


def test_a_refusal_in_a_later_wave_keeps_the_outcomes_of_the_others(
    platform: FakePlatform,
) -> None:
    platform.clock.at(20, lambda: platform.change("web-2", state=OFF))
    found = outcomes(lambda: platform.batch_reboot(ALL, graceful=False, interval=30))
    assert [each.failed for each in found.values()] == [False, False, True, True]
    assert "needs a running VM" in (found["web-2"].error or "")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("duration", -1),
        ("duration", "soon"),
        ("interval", -1),
        ("waves", 0),
        ("waves", "many"),
        ("wait_for", "tea"),
        ("on_timeout", "reset"),
    ],
)
def test_arguments_are_checked_first(platform: FakePlatform, argument: str, value: Any) -> None:
    with pytest.raises(InvalidValue, match=rf"^{argument} is "):
        platform.outage(ALL, **{argument: value})
    assert (platform.inventories, platform.sent) == (0, [])


def test_a_plan_says_what_an_outage_would_do(platform: FakePlatform) -> None:
    options = {"duration": 120, "wait_for": "tools", "waves": 2}
    plan = platform.plan("outage", {"names": ["web-0"]}, **options).to_json()
    assert plan["operation"] == "outage"
    assert plan["vms"][0]["will"] == (
        "guest shutdown, then hard power off after 270 s, then off for 120 s, then power on, "
        "then waits for tools"
    )
    assert plan["options"].items() >= options.items()
    with pytest.raises(PlanOutdated, match="the plan is for waves=2, and this is waves=None"):
        platform.outage(plan, duration=120)
    platform.outage(plan, duration=120, waves=2)
    assert platform.steps("web-0") == [ASK, UP]
    with pytest.raises(Exception, match="the plan is for the operation 'outage'"):
        platform.batch_power_off(plan)


def test_a_dry_run_touches_nothing(platform: FakePlatform, logs: pytest.LogCaptureFixture) -> None:
    platform.safety = Safety(dry_run=True)
    batch = platform.outage(ALL, duration=120)
    assert platform.sent == []
    assert {outcome.operation for outcome in batch.outcomes} == {"outage"}
    assert "then off for 120 s, then power on" in logs.text


def test_no_other_vm_is_touched(platform: FakePlatform) -> None:
    """An inventory may have more VMs than it was asked for."""
    platform.change("web-3", state=OFF)
    platform.outage({"names": ["web-0"]}, duration=5)
    assert {name for name, _ in platform.sent} == {"web-0"}
    assert platform.machine("web-3").state is OFF
