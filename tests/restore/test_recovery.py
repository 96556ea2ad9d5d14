from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chaosvm.errors import ConnectionFailed, InvalidValue, OperationFailed
from chaosvm.ledger import Ledger, ledger_for_run
from chaosvm.ledger import ledger as ledgers
from chaosvm.restore import recovery, restore_from, restore_on
from chaosvm.runtime import Deadline
from tests.fakes import OFF, ON, SUSPENDED, FakePlatform


def Elsewhere() -> FakePlatform:  # in the place of a class
    return FakePlatform(address="other.example.com")


def lost(platform: FakePlatform) -> Ledger:
    """The ledger of a run that has powered a VM off, and died."""
    platform.add("web-1")
    platform.power_off("web-1")
    path = ledger_for_run(None).path
    ledgers.close_all()
    return Ledger.resumed(path)


def state(platform: FakePlatform) -> Any:
    return platform.machine("web-1").state


def restore(ledger: Ledger, connect: Any, seconds: float = 60) -> list[Any]:
    return restore_from(ledger, "fake", connect, Deadline(seconds), 10, force=False)


def test_from_a_ledger_alone() -> None:
    platform = FakePlatform()
    (outcome,) = restore(lost(platform), lambda: platform)
    assert (outcome.changed, state(platform)) == (True, ON)


def test_settings_that_lead_elsewhere_restore_nothing(logs: pytest.LogCaptureFixture) -> None:
    """Another server may have a VM with the same id."""
    platform, other = FakePlatform(), Elsewhere()
    other.add("web-1", OFF)
    (outcome,) = restore(lost(platform), lambda: other)
    assert "it is on fake.example.com, but the settings lead to other.example.com" in outcome.error
    assert state(other) is OFF
    assert outcome.error in logs.text


def test_without_any_connection() -> None:
    (outcome,) = restore(lost(FakePlatform()), None)
    assert "no connection to fake.example.com" in outcome.error


def test_by_what_the_run_itself_was_connected_with() -> None:
    """Including a platform that the user's own code created."""
    platform = FakePlatform()
    platform.add("web-1")
    platform.power_off("web-1")
    restore(ledger_for_run(None), None)
    assert state(platform) is ON


def test_one_server_that_is_dead_does_not_keep_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    dead, well = FakePlatform(), Elsewhere()
    for platform in (dead, well):
        platform.add("web-1")
        platform.power_off("web-1")

    def silent(deadline: Deadline, *arguments: Any, **options: Any) -> None:
        deadline.sleep(deadline.remaining)
        raise ConnectionFailed("it did not answer in time")

    monkeypatch.setattr(dead, "inventory", silent)
    errors = [outcome.error or "" for outcome in restore(ledger_for_run(None), None, 4)]
    assert sorted(errors) == ["", "was not restored: it did not answer in time"]
    assert (state(well), state(dead)) == (ON, OFF)


def test_a_vm_that_is_left_alone_is_logged(logs: pytest.LogCaptureFixture) -> None:
    platform = FakePlatform()
    ledger = lost(platform)
    platform.change("web-1", state=SUSPENDED)
    restore(ledger, lambda: platform)
    assert "'web-1' (vm-1) left alone: it is suspended" in logs.text


def test_vms_that_are_back_already_are_only_counted(logs: pytest.LogCaptureFixture) -> None:
    platform = FakePlatform()
    ledger = lost(platform)
    platform.change("web-1", state=ON)
    restore(ledger, lambda: platform)
    shown = [each.getMessage() for each in logs.records if each.levelname != "DEBUG"]
    assert not [each for each in shown if "is powered_on already" in each]
    assert any("restore: 1 of 1 restored (1 already)" in each for each in shown)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("missing.jsonl", "there is no such file"), (".", "no ledger in it has anything to restore")],
)
def test_a_ledger_that_is_not_there(tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(InvalidValue, match=rf"^ledger is .*{reason}"):
        restore_on("fake", FakePlatform, None, None, 60, 10, False, str(tmp_path / path))


def test_a_folder_is_answered_with_the_ledgers_to_choose_from(tmp_path: Path) -> None:
    path = lost(FakePlatform()).path
    ledgers.close_all()
    path.rename(tmp_path / "chaosvm-ledger-1.jsonl")
    (tmp_path / "chaosvm-ledger-2.jsonl").write_text("not a ledger")
    expected = (
        r"to restore: \S+/chaosvm-ledger-1\.jsonl; "
        r"unreadable: \S+/chaosvm-ledger-2\.jsonl, line 1, is not a line of a ledger\)$"
    )
    with pytest.raises(InvalidValue, match=expected):
        restore_on("fake", FakePlatform, None, None, 60, 10, False, str(tmp_path))


def test_a_failure_is_raised_once_for_all() -> None:
    path = lost(FakePlatform()).path
    with pytest.raises(OperationFailed, match="restore failed: 'web-1'"):
        restore_on("fake", Elsewhere, None, None, 60, 10, False, str(path))


@pytest.mark.parametrize("named", [True, False])
def test_a_platform_that_is_not_known_is_a_failure(named: bool) -> None:
    """One altered letter must not silently leave a VM off."""
    ledger = lost(FakePlatform())
    ledgers.close_all()
    text = ledger.path.read_text().replace('"platform": "fake"', '"platform": "vspherX"')
    ledger.path.write_text(text)
    platform = "fake" if named else "vsphere"
    with pytest.raises(
        OperationFailed, match=r"'web-1' \(vm-1\) was not restored: it is on a platform 'vspherX'"
    ):
        restore_on(platform, FakePlatform, None, None, 60, 10, False, str(ledger.path))


@pytest.mark.parametrize("platform", ["vsphere", "olvm"])
def test_what_is_on_another_platform_that_is_known_is_for_its_own_action(platform: str) -> None:
    ledger = lost(FakePlatform())
    ledgers.close_all()
    text = ledger.path.read_text().replace('"platform": "fake"', f'"platform": "{platform}"')
    ledger.path.write_text(text)
    restored = restore_on("fake", FakePlatform, None, None, 60, 10, False, str(ledger.path))
    assert restored.outcomes == ()


def test_a_run_that_changed_nothing_names_no_ledger(logs: pytest.LogCaptureFixture) -> None:
    restore_on("fake", FakePlatform, None, None, 60, 10, False, "")
    assert logs.messages[-1] == "nothing to restore on fake because nothing was changed"


def test_an_unexpected_error_does_not_keep_the_other_server(
    monkeypatch: pytest.MonkeyPatch, logs: pytest.LogCaptureFixture
) -> None:
    broken, well = FakePlatform(), Elsewhere()
    for platform in (well, broken):
        platform.add("web-1")
        platform.power_off("web-1")

    def breaks(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(broken, "inventory", breaks)
    errors = [outcome.error for outcome in restore(ledger_for_run(None), None, 4)]
    assert errors == ["was not restored: RuntimeError: can't start new thread", None]
    assert (state(well), state(broken)) == (ON, OFF)
    assert "can't start new thread" in logs.text


# Every platform at once ------------------------------------------------------------------


class Registered:
    """A line of the registry whose connection is a fake."""

    acts = True

    def __init__(self, name: str, service: FakePlatform | None = None) -> None:
        self.name, self.service = name, service

    def connect(self, configuration: Any, secrets: Any) -> Any:
        if self.service is None:
            raise ConnectionFailed(f"{self.name} cannot be reached")
        return self.service


def everywhere(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, *platforms: Registered) -> Any:
    monkeypatch.setattr(recovery, "PLATFORMS", platforms)
    return recovery.restore_everywhere({}, {}, 60, 10, False, str(ledger.path))


def test_whatever_platform_the_ledger_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that it does not name is not connected to, so it needs no settings."""
    platform = FakePlatform()
    ledger = lost(platform)
    batch = everywhere(ledger, monkeypatch, Registered("idle"), Registered("fake", platform))
    assert [outcome.changed for outcome in batch.outcomes] == [True]
    assert state(platform) is ON


def test_a_platform_that_is_not_registered_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperationFailed, match="a platform 'fake', which is not supported"):
        everywhere(lost(FakePlatform()), monkeypatch, Registered("idle"))
