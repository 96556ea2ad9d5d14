"""What undo says of VMs that it does not switch, field by field and word for word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaosvm.backend import PowerCommand
from chaosvm.errors import OperationFailed
from chaosvm.ledger import Ledger
from chaosvm.outcome import How, Outcome
from chaosvm.restore import restore_on
from chaosvm.runtime import experiment
from chaosvm.service.orders import checked_order
from chaosvm.vm import PowerState
from tests.fakes import OFF, ON, SUSPENDED, FakePlatform, ignores

TRANSITIONING = PowerState.TRANSITIONING


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def ledger(platform: FakePlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    made = Ledger(tmp_path / "ledger.jsonl")
    monkeypatch.setattr(platform._context, "ledger", lambda: made)
    return made


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the journal has of the action."""
    made: dict[str, Any] = {"activity": {}}
    monkeypatch.setattr(experiment, "journal_entry", lambda: made)
    return made


def interrupt() -> None:
    raise KeyboardInterrupt


def touched(platform: FakePlatform, ledger: Ledger, state: PowerState, **fields: Any) -> None:
    """A run found web-1 in this state, and powered it off."""
    vm = platform.add("web-1", OFF)
    order = checked_order("power_off", 60, graceful=False)
    found = replace(vm, power_state=state, **fields)
    ledger.record_intent("fake", platform.address, [(found, state)], order)
    ledger.record_request(vm.id, PowerCommand.POWER_OFF, order)
    ended = Outcome(
        name=vm.name,
        id=vm.id,
        platform="fake",
        operation="power_off",
        before=state,
        after=OFF,
        changed=True,
        how=How.HARD,
        seconds=1.0,
    )
    ledger.record_outcomes([(ended, False)], order)


def restored(platform: FakePlatform, **options: Any) -> dict[str, Any]:
    (outcome,) = platform.restore_power_states(timeout=600, **options).outcomes
    return outcome.to_json()


def nothing_done(state: PowerState, **more: Any) -> dict[str, Any]:
    return {
        "name": "web-1",
        "id": "vm-1",
        "platform": "fake",
        "operation": "restore",
        "before": state.value,
        "after": state.value,
        "changed": False,
        "how": "none",
        "seconds": 0.0,
        **more,
    }


@pytest.fixture
def off(platform: FakePlatform, ledger: Ledger) -> FakePlatform:
    platform.add("web-1")
    platform.power_off("web-1", graceful=False)
    return platform


def test_a_vm_that_is_back_already(off: FakePlatform) -> None:
    off.change("web-1", state=ON)
    assert restored(off) == nothing_done(ON, detail="is powered_on already")


def test_a_vm_that_somebody_else_has_changed(off: FakePlatform) -> None:
    off.change("web-1", state=SUSPENDED)
    detail = (
        "left alone: it is suspended, which is not how this run left it, so "
        "something else has changed it since (force=true restores it anyway)"
    )
    assert restored(off) == nothing_done(SUSPENDED, detail=detail)
    assert restored(off, force=True)["after"] == "powered_on"


def failed(platform: FakePlatform, **options: Any) -> dict[str, Any]:
    with pytest.raises(OperationFailed) as caught:
        platform.restore_power_states(timeout=600, **options)
    (outcome,) = caught.value.outcomes
    return outcome.to_json()


def test_a_vm_that_is_protected_by_now(off: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(off, "immutable_reason", lambda vm: "is an agent")
    assert failed(off) == nothing_done(OFF, error="is an agent")


def test_memory_that_is_lost(platform: FakePlatform, ledger: Ledger) -> None:
    platform.add("web-1", SUSPENDED)
    platform.power_on("web-1")
    platform.change("web-1", state=OFF)
    error = "was suspended, and is now powered_off: its saved memory is lost"
    assert failed(platform, force=True) == nothing_done(OFF, error=error)


@pytest.mark.parametrize(
    ("then", "now", "another"),
    [("a", "b", True), ("a", "a", False), ("a", None, False), (None, "b", False)],
)
def test_another_vm_that_has_its_id(
    platform: FakePlatform, ledger: Ledger, then: str | None, now: str | None, another: bool
) -> None:
    touched(platform, ledger, ON, instance_uuid=then)
    platform.become("web-1", instance_uuid=now)
    if another:
        unknown = nothing_done(PowerState.UNKNOWN, error="no longer exists")
        assert failed(platform) == unknown
    else:
        assert restored(platform)["after"] == "powered_on"


@pytest.mark.parametrize(
    ("state", "status", "wanted"),
    [
        (TRANSITIONING, "powering_down", OFF),
        (TRANSITIONING, "saving_state", SUSPENDED),
        (TRANSITIONING, "powering_up", ON),
        (PowerState.PAUSED, "paused", ON),
        (SUSPENDED, "powering_down", SUSPENDED),
        (OFF, "saving_state", OFF),
    ],
)
def test_what_was_passing_is_taken_for_what_it_led_to(
    platform: FakePlatform, ledger: Ledger, state: PowerState, status: str, wanted: PowerState
) -> None:
    touched(platform, ledger, state, status=status)
    platform.change("web-1", state=wanted)
    assert restored(platform) == nothing_done(wanted, detail=f"is {wanted} already")


@pytest.mark.parametrize("by", ["service", "activity"])
def test_an_interrupted_restore_leaves_the_outcomes_so_far(
    platform: FakePlatform,
    entry: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, state in {"back": ON, "asked": ON, "saved": SUSPENDED}.items():
        platform.add(name, state)
    platform.power_on("saved")
    platform.batch_power_off({"names": ["back", "asked"]})
    platform.on("asked", PowerCommand.POWER_ON, ignores())
    platform.clock.at(20, interrupt)
    with pytest.raises(KeyboardInterrupt):
        platform.restore_power_states() if by == "service" else restore_on(
            "fake", lambda: platform.backend, None, None, 600, 10, False, ""
        )
    kept = {each["name"]: each for each in entry["chaosvm_output"]["outcomes"]}
    assert list(kept) == ["asked", "back", "saved"]
    assert {each["operation"] for each in kept.values()} == {"restore"}
    assert (kept["back"]["after"], kept["back"]["changed"]) == ("powered_on", True)
    assert "error" not in kept["back"]
    assert "its outcome is unknown: the run was interrupted" in kept["asked"]["error"]
    assert kept["saved"]["error"] == "was not restored: the run was interrupted"


def test_a_vm_that_is_halfway_back_when_interrupted_is_not_restored(
    platform: FakePlatform, entry: dict[str, Any]
) -> None:
    """It was resumed, and had yet to be powered off."""
    for name, state in {"halfway": OFF, "asked": ON}.items():
        platform.add(name, state)
    platform.power_on("halfway")
    platform.batch_suspend({"names": ["halfway", "asked"]})
    platform.on("asked", PowerCommand.POWER_ON, ignores())
    platform.clock.at(20, interrupt)
    with pytest.raises(KeyboardInterrupt):
        platform.restore_power_states()
    kept = {each["name"]: each for each in entry["chaosvm_output"]["outcomes"]}
    assert platform.machine("halfway").state is ON
    assert kept["halfway"]["error"] == "was not restored: the run was interrupted"
