from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chaosvm.backend import CommandHandle, Order, PowerCommand
from chaosvm.errors import (
    AnswerLost,
    CommandFailed,
    ConnectionFailed,
    InWrongState,
    LedgerError,
    LoginFailed,
    NotSupported,
    OperationFailed,
)
from chaosvm.ledger import Ledger
from chaosvm.outcome import Batch, How, Outcome
from chaosvm.restore import restore
from chaosvm.runtime import Deadline
from chaosvm.service.orders import checked_order
from chaosvm.vm import PowerState
from tests.fakes import (
    OFF,
    ON,
    SUSPENDED,
    FakeBackend,
    FakePlatform,
    Machine,
    does,
    fails,
    ignores,
    loses_answer,
    refuses,
)

PAUSED, TRANSITIONING = PowerState.PAUSED, PowerState.TRANSITIONING


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def ledger(platform: FakePlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The ledger of every call in the test, on the platform's clock."""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    made = Ledger(
        tmp_path / "ledger.jsonl",
        now=lambda: start + timedelta(seconds=platform.clock.now),
        moment=platform.clock.monotonic,
    )
    monkeypatch.setattr(platform._context, "ledger", lambda: made)
    return made


def states(platform: FakePlatform) -> dict[str, PowerState]:
    return {machine.vm.name: machine.state for machine in platform.machines.values()}


class Died(BaseException):
    """The end of the process, in the middle of an action."""


# Success -------------------------------------------------------------------------------


def test_nothing_was_changed(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1")
    assert platform.restore_power_states() == Batch(())
    assert (platform.inventories, platform.sent) == (0, [])


@pytest.mark.parametrize(
    ("state", "verb", "back"),
    [
        (ON, "power_off", PowerCommand.POWER_ON),
        (ON, "suspend", PowerCommand.POWER_ON),
        (OFF, "power_on", PowerCommand.SHUTDOWN_GUEST),
        (SUSPENDED, "power_on", PowerCommand.SUSPEND),
    ],
)
def test_each_vm_gets_its_state_back(
    platform: FakePlatform, ledger: Ledger, state: PowerState, verb: str, back: PowerCommand
) -> None:
    platform.add("web-1", state)
    getattr(platform, verb)("web-1")
    (outcome,) = platform.restore_power_states().outcomes
    assert states(platform) == {"web-1": state}
    assert platform.steps("web-1")[-1] is back
    assert (outcome.operation, outcome.changed, outcome.after) == ("restore", True, state)


def test_the_state_before_the_first_touch_counts(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1")
    platform.suspend("web-1")
    platform.power_on("web-1")
    platform.power_off("web-1")
    platform.restore_power_states()
    assert states(platform) == {"web-1": ON}


def test_what_was_touched_last_is_back_first(platform: FakePlatform, ledger: Ledger) -> None:
    for name in ("db", "app", "web"):
        platform.add(name)
        platform.power_off(name)
    platform.sent.clear()
    outcomes = platform.restore_power_states(parallel=1).outcomes
    assert [name for name, _ in platform.sent] == ["web", "app", "db"]
    assert [outcome.name for outcome in outcomes] == ["web", "app", "db"]


def test_a_second_time_changes_nothing(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1")
    platform.power_off("web-1")
    platform.restore_power_states()
    platform.sent.clear()
    assert platform.restore_power_states().outcomes == ()
    assert platform.sent == []


def test_vms_that_were_not_changed_are_left_alone(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1")
    platform.add("web-2", OFF)
    platform.batch_power_off({"all": True})
    platform.change("web-2", state=ON)  # by somebody else
    platform.restore_power_states()
    assert states(platform) == {"web-1": ON, "web-2": ON}
    assert platform.steps("web-2") == []


def test_what_a_rollback_put_back_already(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1")
    platform.power_off("web-1")
    platform.power_on("web-1")
    (outcome,) = platform.restore_power_states().outcomes
    assert (outcome.changed, outcome.detail) == (False, "is powered_on already")


def test_suspended_by_the_run_and_off_before(platform: FakePlatform, ledger: Ledger) -> None:
    """The only way from suspended to off is through on."""
    platform.add("web-1", OFF)
    platform.power_on("web-1")
    platform.suspend("web-1")
    (outcome,) = platform.restore_power_states().outcomes
    assert states(platform) == {"web-1": OFF}
    assert outcome.after is OFF
    assert platform.restore_power_states().outcomes == ()


@pytest.mark.parametrize(
    ("status", "target"), [("powering_up", ON), ("powering_down", OFF), ("reboot_in_progress", ON)]
)
def test_a_state_that_was_passing_is_taken_for_what_it_led_to(
    platform: FakePlatform, ledger: Ledger, status: str, target: PowerState
) -> None:
    platform.add("web-1", TRANSITIONING, status=status)
    platform.power_off("web-1", graceful=False)
    platform.restore_power_states()
    assert states(platform) == {"web-1": target}


# External changes ----------------------------------------------------------------------


def test_an_externally_changed_vm_is_left_alone(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1")
    platform.power_off("web-1")
    platform.change("web-1", state=SUSPENDED)
    (outcome,) = platform.restore_power_states().outcomes
    assert states(platform) == {"web-1": SUSPENDED}
    assert not outcome.changed
    assert "something else has changed it since" in (outcome.detail or "")
    platform.restore_power_states(force=True)
    assert states(platform) == {"web-1": ON}


def test_a_vm_that_is_gone(platform: FakePlatform, ledger: Ledger) -> None:
    for name in ("web-1", "web-2"):
        platform.add(name)
        platform.power_off(name)
    platform.change("web-1", exists=False)
    with pytest.raises(OperationFailed, match=r"'web-1' \(vm-1\) no longer exists"):
        platform.restore_power_states()
    assert states(platform)["web-2"] is ON


def test_a_vm_that_was_registered_again(platform: FakePlatform, ledger: Ledger) -> None:
    """As when its host was removed from the vCenter and added again: nothing else has changed."""
    platform.add("web-1", instance_uuid="uuid-1")
    platform.power_off("web-1")
    platform.change("web-1", exists=False)
    platform.add("web-1", OFF, id="vm-9", instance_uuid="uuid-1")
    with pytest.raises(
        OperationFailed,
        match=r"no longer exists under this id: it was registered again, as 'web-1' \(vm-9\)\. "
        "Bring it to powered_on yourself",
    ):
        platform.restore_power_states()
    assert platform.sent == [("web-1", PowerCommand.SHUTDOWN_GUEST)]


def test_an_id_that_belongs_to_another_vm_now(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1", instance_uuid="uuid-1")
    platform.power_off("web-1")
    machine = platform.machine("web-1")
    machine.vm = replace(machine.vm, name="payroll", instance_uuid="uuid-9")
    with pytest.raises(OperationFailed, match="no longer exists"):
        platform.restore_power_states(force=True)
    assert states(platform) == {"payroll": OFF}


def test_a_vm_that_was_renamed_is_the_same(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1", instance_uuid="uuid-1")
    platform.power_off("web-1")
    machine = platform.machine("web-1")
    machine.vm = replace(machine.vm, name="web-one")
    platform.restore_power_states()
    assert states(platform) == {"web-one": ON}


def test_memory_that_is_lost_cannot_be_put_back(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1", SUSPENDED)
    platform.power_on("web-1")
    platform.power_off("web-1")
    with pytest.raises(
        OperationFailed, match="was suspended, and is now powered_off: its saved memory"
    ):
        platform.restore_power_states()


def test_one_that_is_refused_does_not_keep_the_others(
    platform: FakePlatform, ledger: Ledger
) -> None:
    for number in range(4):
        platform.add(f"web-{number}")
    platform.batch_power_off({"all": True})
    platform.refused["web-2"] = "waits for an answer"
    with pytest.raises(OperationFailed, match=r"failed for 1 of 4.*web-2.*waits for an answer"):
        platform.restore_power_states()
    assert list(states(platform).values()).count(ON) == 3


def test_a_vm_that_does_not_come_back_is_a_failure(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1")
    platform.power_off("web-1")
    platform.on("web-1", PowerCommand.POWER_ON, fails(CommandFailed("no host has room")))
    with pytest.raises(OperationFailed, match="no host has room"):
        platform.restore_power_states(timeout=30)
    platform.on("web-1", PowerCommand.POWER_ON, does())
    platform.restore_power_states()
    assert states(platform) == {"web-1": ON}


# Operations in flight ------------------------------------------------------------------


def test_a_guest_that_is_still_shutting_down_is_waited_for(
    platform: FakePlatform, ledger: Ledger
) -> None:
    platform.add("web-1")
    platform.on("web-1", PowerCommand.SHUTDOWN_GUEST, does(40, tracked=False))
    with pytest.raises(OperationFailed, match="did not shut down"):
        platform.power_off("web-1", timeout=10, on_timeout="fail")
    platform.restore_power_states(timeout=300)
    platform.clock.sleep(100)
    assert states(platform) == {"web-1": ON}
    assert platform.steps("web-1") == [PowerCommand.SHUTDOWN_GUEST, PowerCommand.POWER_ON]


def test_a_wait_is_announced(
    platform: FakePlatform, ledger: Ledger, logs: pytest.LogCaptureFixture
) -> None:
    platform.add("web-1")
    platform.on("web-1", PowerCommand.SHUTDOWN_GUEST, does(40, tracked=False))
    platform.power_off("web-1", timeout=10, on_timeout="leave")
    platform.restore_power_states(timeout=300)
    lines = [line for line in logs.messages if "waiting until that is clear" in line]
    assert len(lines) == 2  # in 30 seconds
    assert "but the guest shutdown that was sent to it may still be carried out" in lines[0]
    assert lines[0].endswith("for at most 50 s")  # of the minute since it was sent


def test_a_plain_rollback_waits_for_it_as_well(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1")
    platform.on("web-1", PowerCommand.SHUTDOWN_GUEST, does(40, tracked=False))
    platform.power_off("web-1", timeout=10, on_timeout="leave")
    assert platform.power_on("web-1", timeout=300).changed
    platform.clock.sleep(100)
    assert states(platform) == {"web-1": ON}


def test_a_guest_that_never_shuts_down_is_warned_of(
    platform: FakePlatform, ledger: Ledger, logs: pytest.LogCaptureFixture
) -> None:
    platform.add("web-1")
    platform.on("web-1", PowerCommand.SHUTDOWN_GUEST, ignores(tracked=False))
    platform.power_off("web-1", timeout=10, on_timeout="leave")
    outcome = platform.power_on("web-1", timeout=300)
    assert (outcome.changed, outcome.after) == (False, ON)
    assert "may still be carried out" in logs.text
    assert platform.clock.now < 1000 + 10 + 70


def test_a_request_whose_answer_was_lost_is_resolved_by_looking(
    platform: FakePlatform, ledger: Ledger
) -> None:
    for name, done in (("web-1", True), ("web-2", False)):
        platform.add(name)
        platform.on(name, PowerCommand.POWER_OFF, loses_answer(done, seconds=3))
    platform.trouble_watching(Died())
    with pytest.raises(Died):
        platform.batch_power_off({"all": True}, graceful=False)
    platform.trouble_watching()
    resumed = Ledger(ledger.path, now=ledger._now, moment=ledger._moment)
    resumed.history = ledger.history
    outcomes = restore(platform, resumed, Deadline(60, platform.clock), 10)
    platform.clock.sleep(100)
    assert states(platform) == {"web-1": ON, "web-2": ON}
    assert {outcome.name: outcome.changed for outcome in outcomes} == {
        "web-1": True,
        "web-2": False,
    }


def test_what_the_platform_is_busy_with_is_waited_for(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task takes longer than any request may be in flight."""
    vm = platform.add("web-1")
    platform.on("web-1", PowerCommand.POWER_OFF, does(100))
    busy = {vm.id}
    platform.clock.at(100, busy.clear)
    monkeypatch.setattr(platform, "busy_vms", lambda vms, deadline: busy)
    with pytest.raises(OperationFailed, match="unknown"):
        platform.power_off("web-1", graceful=False, timeout=5)
    platform.restore_power_states(timeout=600)
    platform.clock.sleep(200)
    assert states(platform) == {"web-1": ON}


def test_a_ledger_that_cannot_be_written_any_more_does_not_keep_vms_off(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore is resolved by reading the VM: its ledger lines are for people only."""
    platform.add("web-1")
    platform.power_off("web-1")

    def full(*arguments: Any) -> None:
        raise LedgerError("the disk is full")

    monkeypatch.setattr(ledger, "_append", full)
    platform.restore_power_states()
    assert states(platform) == {"web-1": ON}


def test_a_server_that_is_away_for_a_moment_is_waited_for(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.add("web-1")
    platform.power_off("web-1")
    inventory, until = platform.inventory, platform.clock.now + 20

    def away(*arguments: Any, **options: Any) -> Any:
        if platform.clock.now < until:
            raise ConnectionFailed("no connection")
        return inventory(*arguments, **options)

    monkeypatch.setattr(platform, "inventory", away)
    platform.restore_power_states(timeout=60)
    assert states(platform) == {"web-1": ON}


def test_a_server_that_stays_away_or_refuses_the_login(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.add("web-1")
    platform.power_off("web-1")
    for error, seconds in ((ConnectionFailed("no connection"), 50), (LoginFailed("no"), 0)):
        begin = platform.clock.now

        def away(*arguments: Any, error: Exception = error, **options: Any) -> Any:
            raise error

        monkeypatch.setattr(platform, "inventory", away)
        with pytest.raises(type(error)):
            platform.restore_power_states(timeout=60)
        assert platform.clock.now - begin >= seconds
        assert platform.clock.now - begin <= 60


def test_a_vm_that_does_not_come_back_leaves_time_for_the_others(
    platform: FakePlatform, ledger: Ledger
) -> None:
    for name, state in (("web-1", ON), ("web-2", ON), ("db-1", OFF)):
        platform.add(name, state)
    platform.batch_power_off({"name": "web-*"})
    platform.power_on("db-1")
    platform.on("db-1", PowerCommand.SHUTDOWN_GUEST, ignores(tracked=False))
    platform.on("db-1", PowerCommand.POWER_OFF, ignores())
    with pytest.raises(OperationFailed, match="db-1"):
        platform.restore_power_states(timeout=30)
    assert states(platform) == {"web-1": ON, "web-2": ON, "db-1": ON}


def test_a_reboot_that_was_stopping_is_waited_for(platform: FakePlatform, ledger: Ledger) -> None:
    """Without reset, a reboot is a stop and a start: the run may die in between."""
    platform.add("web-1")
    platform.on("web-1", PowerCommand.RESET, refuses(NotSupported("no reset")))
    platform.on("web-1", PowerCommand.POWER_OFF, does(10))
    platform.clock.at(5, lambda: platform.trouble_watching(Died()))
    with pytest.raises(Died):
        platform.reboot("web-1", graceful=False)
    platform.trouble_watching()
    assert platform.steps("web-1")[-1] is PowerCommand.POWER_OFF
    platform.restore_power_states(timeout=100)
    platform.clock.sleep(60)
    assert states(platform) == {"web-1": ON}


def test_the_vm_is_restored_where_it_is_and_nowhere_else(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server may have a VM with the same id."""
    platform.add("web-1")
    platform.power_off("web-1")
    monkeypatch.setattr(platform, "address", "other.example.com")
    assert platform.restore_power_states().outcomes == ()
    assert states(platform) == {"web-1": OFF}


def test_what_may_never_be_touched_is_not_restored_either(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.add("web-1")
    platform.power_off("web-1")
    monkeypatch.setattr(platform, "immutable_reason", lambda vm: "is a template")
    with pytest.raises(OperationFailed, match="is a template"):
        platform.restore_power_states()
    assert states(platform) == {"web-1": OFF}


@pytest.mark.parametrize("verb", ["power_off", "suspend"])
def test_a_paused_vm_is_resumed(platform: FakePlatform, ledger: Ledger, verb: str) -> None:
    platform.add("web-1", PAUSED)
    options = {"graceful": False} if verb == "power_off" else {}
    getattr(platform, verb)("web-1", **options)
    platform.restore_power_states()
    assert states(platform) == {"web-1": ON}


def test_a_restore_that_died_is_finished_by_the_next(
    platform: FakePlatform, ledger: Ledger
) -> None:
    platform.add("web-1")
    platform.add("web-2")
    platform.batch_power_off({"all": True})
    platform.on("web-1", PowerCommand.POWER_ON, refuses(Died()), does())
    with pytest.raises(Died):
        platform.restore_power_states(parallel=1)
    platform.restore_power_states()
    assert states(platform) == {"web-1": ON, "web-2": ON}
    assert platform.restore_power_states().changed == 0


def test_the_method_is_reported(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1", OFF)
    platform.power_on("web-1")
    platform.on("web-1", PowerCommand.SHUTDOWN_GUEST, ignores(tracked=False))
    (outcome,) = platform.restore_power_states(timeout=60).outcomes
    assert (outcome.how, outcome.after) == (How.FALLBACK_HARD, OFF)


def test_what_the_platform_did_later_than_it_knew_is_our_own(
    platform: FakePlatform, ledger: Ledger
) -> None:
    """A task failed because its host did not answer, and the host carried it out later."""
    platform.add("web-1")

    def later(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        ticket = fails(AnswerLost("the host did not answer"))(platform, machine, step)
        platform.clock.at(20, lambda: platform.change("web-1", state=OFF))
        return ticket

    platform.on("web-1", PowerCommand.POWER_OFF, later)
    with pytest.raises(OperationFailed, match="unknown"):
        platform.power_off("web-1", graceful=False, timeout=10)
    platform.clock.sleep(30)
    platform.restore_power_states()
    assert states(platform) == {"web-1": ON}


# Changes during a restore --------------------------------------------------------------


def begin(ledger: Ledger, vm: Any, step: PowerCommand = PowerCommand.POWER_OFF) -> Order:
    """Another call of the run, in the background, has sent a command to the VM."""
    order = checked_order("power_off", 60)
    ledger.record_intent("fake", "fake.example.com", [(vm, vm.power_state)], order)
    ledger.record_request(vm.id, step, order)
    return order


def is_off(vm: Any, order: Order) -> Outcome:
    return Outcome(
        name=vm.name,
        id=vm.id,
        platform=vm.platform,
        operation=order.operation,
        before=ON,
        after=OFF,
        changed=True,
        how=How.HARD,
        seconds=1,
    )


def slow_inventory(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, meanwhile: Any, number: int = 1
) -> None:
    """The answer to this inventory request is late, and something happens meanwhile."""
    inventory, count = platform.inventory, itertools.count(1)

    def late(*arguments: Any, **options: Any) -> Any:
        vms = inventory(*arguments, **options)
        if next(count) == number:
            meanwhile()
        return vms

    monkeypatch.setattr(platform, "inventory", late)


@pytest.mark.parametrize("number", [1, 2])
def test_what_ends_while_the_vms_are_read_is_put_back(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    vm = platform.add("web-1")
    order = begin(ledger, vm)

    def ends() -> None:
        platform.change("web-1", state=OFF)
        ledger.record_answer(vm.id, order)
        ledger.record_outcomes([(is_off(vm, order), False)], order)

    slow_inventory(platform, monkeypatch, ends, number)
    (outcome,) = platform.restore_power_states().outcomes
    assert (outcome.changed, states(platform)) == (True, {"web-1": ON})


def test_what_a_request_did_whose_answer_took_long_is_put_back(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time in which it may take effect starts with the answer."""
    vm = platform.add("web-1")
    order = begin(ledger, vm)
    platform.clock.at(30, lambda: ledger.record_answer(vm.id, order))
    platform.clock.at(35, lambda: platform.change("web-1", state=OFF))
    platform.restore_power_states(timeout=300)
    platform.clock.sleep(60)
    assert states(platform) == {"web-1": ON}


def test_an_answer_that_never_comes_is_a_failure(platform: FakePlatform, ledger: Ledger) -> None:
    """It is on, and may be off a moment later."""
    begin(ledger, platform.add("web-1"))
    with pytest.raises(OperationFailed, match=r"is powered_on, but the hard power off .* still be"):
        platform.restore_power_states(timeout=60)
    assert platform.clock.now >= 1060


def test_the_time_for_a_vm_that_is_not_back_is_not_used_up_by_waiting(
    platform: FakePlatform, ledger: Ledger
) -> None:
    """What is still in flight may bring it back, or not."""
    vm = platform.add("web-1", OFF)
    platform.power_on("web-1")
    begin(ledger, replace(vm, power_state=ON))
    (outcome,) = platform.restore_power_states(timeout=60).outcomes
    assert (outcome.changed, states(platform)) == (True, {"web-1": OFF})


def test_what_is_under_way_may_bring_a_vm_back(platform: FakePlatform, ledger: Ledger) -> None:
    """Then nothing else is sent to it."""
    vm = platform.add("web-1", OFF)
    platform.power_on("web-1")
    platform.sent.clear()
    begin(ledger, replace(vm, power_state=ON))
    platform.clock.at(10, lambda: platform.change("web-1", state=OFF))
    (outcome,) = platform.restore_power_states(timeout=60).outcomes
    assert (outcome.changed, outcome.detail) == (False, "is powered_off already")
    assert platform.sent == []


@pytest.mark.parametrize(("shows", "seconds"), [(False, 60), (True, 15)])
def test_a_guest_that_is_not_seen_to_shut_down_is_waited_for(
    platform: FakePlatform,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    shows: bool,
    seconds: float,
) -> None:
    """The run died when it was about to send the shutdown, so it may have been sent."""
    monkeypatch.setattr(FakeBackend, "shows_shutdowns", shows)
    vm = platform.add("web-1")
    order = begin(ledger, vm, PowerCommand.SHUTDOWN_GUEST)
    ledger.record_answer(vm.id, order)
    (outcome,) = platform.restore_power_states(timeout=300).outcomes
    assert outcome.detail == "is powered_on already"
    assert seconds <= platform.clock.now - 1000 <= seconds + 2


def test_what_the_run_still_does_is_stopped(platform: FakePlatform, ledger: Ledger) -> None:
    vm = platform.add("web-1")
    order = begin(ledger, vm)
    ledger.record_answer(vm.id, order)
    platform.restore_power_states(timeout=300)
    with pytest.raises(LedgerError, match="what the run has changed is being restored"):
        ledger.record_request(vm.id, PowerCommand.POWER_OFF, order)
    platform.power_off("web-1")


def test_a_dry_run_stops_nothing_and_waits_for_nothing(
    platform: FakePlatform, ledger: Ledger
) -> None:
    vm = platform.add("web-1")
    order = begin(ledger, vm)
    (outcome,) = platform.restore_power_states(dry_run=True).outcomes
    assert "but the hard power off that was sent to it may still be carried out" in outcome.detail
    ledger.record_request(vm.id, PowerCommand.POWER_OFF, order)
    assert platform.clock.now == 1000


@pytest.mark.parametrize("state", [TRANSITIONING, PowerState.UNKNOWN])
@pytest.mark.parametrize("settles", [OFF, ON, SUSPENDED])
def test_a_passing_or_unknown_state_is_waited_out(
    platform: FakePlatform, ledger: Ledger, state: PowerState, settles: PowerState
) -> None:
    platform.add("web-1")
    platform.power_off("web-1")
    platform.change("web-1", state=state)
    platform.clock.at(250, lambda: platform.change("web-1", state=settles))
    (outcome,) = platform.restore_power_states(timeout=300).outcomes
    assert states(platform)["web-1"] is (SUSPENDED if settles is SUSPENDED else ON)
    assert outcome.changed is (settles is OFF)
    assert ("something else" in (outcome.detail or "")) is (settles is SUSPENDED)


@pytest.mark.parametrize("state", [TRANSITIONING, PowerState.UNKNOWN])
def test_a_state_that_never_settles_is_a_failure(
    platform: FakePlatform, ledger: Ledger, state: PowerState
) -> None:
    for name in ("web-1", "web-2"):
        platform.add(name)
        platform.power_off(name)
    platform.change("web-1", state=state)
    platform.become("web-1", status="not_responding")
    with pytest.raises(OperationFailed, match=r"failed for 1 of 2 VMs: 'web-1' .*is unknown"):
        platform.restore_power_states(timeout=60)
    assert states(platform)["web-2"] is ON
    assert platform.clock.now >= 1060


def test_a_vm_that_changes_between_two_reads_is_read_again(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the platform refuses a late command: the VM may already be restored."""
    monkeypatch.setattr(FakeBackend, "rejects_stale_state", True)
    platform.add("web-1", OFF)
    platform.power_on("web-1")
    platform.sent.clear()
    platform.before_first_look = lambda: platform.change("web-1", state=OFF)
    platform.restore_power_states()
    assert platform.sent == []


def test_a_vm_that_was_powered_off_externally_is_not_ours(
    platform: FakePlatform, ledger: Ledger
) -> None:
    """Two runs changed it, and the other one was faster: that one restores it."""

    def was_faster(platform: FakePlatform, machine: Machine, step: PowerCommand) -> CommandHandle:
        platform.change("web-1", state=OFF)
        raise InWrongState("it is off", OFF)

    platform.add("web-1")
    platform.on("web-1", PowerCommand.POWER_OFF, was_faster)
    assert not platform.power_off("web-1", graceful=False).changed
    (outcome,) = platform.restore_power_states().outcomes
    assert "something else has changed it since" in (outcome.detail or "")
    assert states(platform) == {"web-1": OFF}


# Unexpected errors -----------------------------------------------------------------------


def test_an_unexpected_error_keeps_no_other_vm_from_being_restored(
    platform: FakePlatform, ledger: Ledger, logs: pytest.LogCaptureFixture
) -> None:
    for name, state in (("web-1", ON), ("db-1", OFF)):
        platform.add(name, state)
    platform.power_off("web-1")
    platform.power_on("db-1")
    platform.on(
        "db-1", PowerCommand.SHUTDOWN_GUEST, refuses(RuntimeError("can't start new thread"))
    )
    with pytest.raises(OperationFailed, match=r"'db-1' .*RuntimeError: can't start new thread"):
        platform.restore_power_states()
    assert states(platform) == {"web-1": ON, "db-1": ON}
    assert "can't start new thread" in logs.text


@pytest.mark.parametrize("error", [LoginFailed("not any more"), RuntimeError("not any more")])
def test_a_server_that_goes_while_it_is_waited_for_takes_no_outcome_along(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    platform.add("web-1")
    platform.power_off("web-1")
    begin(ledger, platform.add("web-2"))
    inventory, count = platform.inventory, itertools.count()

    def goes(*arguments: Any, **options: Any) -> Any:
        if next(count):
            raise error
        return inventory(*arguments, **options)

    monkeypatch.setattr(platform, "inventory", goes)
    with pytest.raises(OperationFailed) as failed:
        platform.restore_power_states()
    results = {each.name: (each.changed, each.error) for each in failed.value.outcomes}
    assert results["web-1"] == (True, None)
    assert "was not restored" in results["web-2"][1]
    assert "not any more" in results["web-2"][1]


# Actions on VMs with operations in flight -------------------------------------------------


def test_an_action_reads_again_what_changed_since_it_began(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = platform.add("web-1")
    order = begin(ledger, vm)

    def ends() -> None:
        platform.change("web-1", state=OFF)
        ledger.record_answer(vm.id, order)
        ledger.record_outcomes([(is_off(vm, order), False)], order)

    slow_inventory(platform, monkeypatch, ends)
    assert platform.power_on("web-1").changed
    assert states(platform) == {"web-1": ON}


def test_outcomes_are_reported_even_if_the_other_vms_cannot_be_read(
    platform: FakePlatform, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.add("web-1")
    late = platform.add("web-2")
    ledger.record_answer(late.id, begin(ledger, late, PowerCommand.SHUTDOWN_GUEST))
    inventory, count = platform.inventory, itertools.count()

    def goes(*arguments: Any, **options: Any) -> Any:
        if next(count):
            raise ConnectionFailed("no connection")
        return inventory(*arguments, **options)

    monkeypatch.setattr(platform, "inventory", goes)
    with pytest.raises(OperationFailed) as failed:
        platform.batch_power_off({"all": True}, graceful=False)
    assert [(each.name, each.after, each.error) for each in failed.value.outcomes] == [
        ("web-1", OFF, None),
        ("web-2", PowerState.UNKNOWN, "was not touched: no connection"),
    ]


def test_an_action_that_waits_ends_when_its_run_is_over(
    platform: FakePlatform, ledger: Ledger
) -> None:
    late = platform.add("web-1")
    ledger.record_answer(late.id, begin(ledger, late, PowerCommand.SHUTDOWN_GUEST))
    platform.clock.at(3, lambda: ledger.block("it is over"))
    with pytest.raises(LedgerError, match="power_on is not carried out: it is over"):
        platform.power_on("web-1", timeout=300)
    assert platform.clock.now < 1010


def test_what_an_action_waits_for_leaves_half_of_its_time(
    platform: FakePlatform, ledger: Ledger
) -> None:
    """The answer to a shutdown never arrives; the VM can still be suspended."""
    begin(ledger, platform.add("web-1"), PowerCommand.SHUTDOWN_GUEST)
    platform.on("web-1", PowerCommand.SUSPEND, does(15))
    assert platform.suspend("web-1", timeout=40).changed
    assert states(platform) == {"web-1": SUSPENDED}


# Two runs at once -------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "left"), [("off", OFF), ("on", ON)])
def test_each_of_two_runs_puts_back_what_it_found(
    platform: FakePlatform,
    ledger: Ledger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    left: PowerState,
) -> None:
    """One run powered it on after it had found it off, as the other run had left it."""
    other = Ledger(tmp_path / "other.jsonl", now=ledger._now, moment=ledger._moment)
    platform.add("web-1")
    platform.power_off("web-1")
    monkeypatch.setattr(platform._context, "ledger", lambda: other)
    platform.power_on("web-1")
    runs = {"off": ledger, "on": other}
    order = [runs.pop(first), *runs.values()]
    for each in order:
        platform.restore_power_states(ledger=each)
    assert states(platform) == {"web-1": left}
