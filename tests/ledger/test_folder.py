"""The folder of ledgers, and what is removed from it."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from chaosvm.ledger import Ledger, prune_ledgers, unfinished_ledgers
from chaosvm.ledger import ledger as ledgers
from chaosvm.ledger.folder import make_folder
from tests.fakes import OFF, FakePlatform

DAYS = 30


def age(path: Path, days: float) -> None:
    moment = time.time() - days * 86_400
    os.utime(path, (moment, moment))


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    monkeypatch.setattr(ledgers, "_default_folder", lambda run: tmp_path)
    made = FakePlatform()
    made.add("web-1")
    return made


def one_run(platform: FakePlatform, restored: bool) -> Path:
    """An old ledger of a run in which a VM went off, and perhaps came back."""
    ledgers.close_all()
    platform.power_off("web-1")
    path = ledgers.ledger_for_run(None).path
    if restored:
        platform.restore_power_states()
    ledgers.close_all()
    age(path, DAYS + 1)
    return path


def test_only_its_owner_can_enter_it(platform: FakePlatform, tmp_path: Path) -> None:
    platform.power_off("web-1")
    folder = tmp_path / "chaosvm-ledgers"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.suffix for path in folder.iterdir()] == [".jsonl"]


def test_an_old_one_with_nothing_to_restore_is_removed(platform: FakePlatform) -> None:
    path = one_run(platform, restored=True)
    assert prune_ledgers(path.parent, DAYS) == [path]
    assert not path.exists()


def test_one_with_a_vm_that_is_not_back_is_kept(platform: FakePlatform) -> None:
    path = one_run(platform, restored=False)
    assert prune_ledgers(path.parent, DAYS) == []
    assert path.exists()


def test_one_whose_vms_are_back_without_a_restore_is_removed(platform: FakePlatform) -> None:
    """From Python, a script may power a VM on itself."""
    platform.power_off("web-1")
    path = ledgers.ledger_for_run(None).path
    platform.power_on("web-1")
    platform.reboot("web-1", graceful=False)
    ledgers.close_all()
    age(path, DAYS + 1)
    assert unfinished_ledgers(path.parent) == ([], [])
    assert prune_ledgers(path.parent, DAYS) == [path]


@pytest.mark.parametrize(("days", "kept"), [(DAYS + 2, True), (0, True), (DAYS, False)])
def test_younger_ones_are_kept_and_all_with_0(
    platform: FakePlatform, days: float, kept: bool
) -> None:
    path = one_run(platform, restored=True)
    prune_ledgers(path.parent, days)
    assert path.exists() is kept


def test_one_in_use_is_kept(platform: FakePlatform) -> None:
    path = one_run(platform, restored=True)
    Ledger.resumed(path)
    age(path, DAYS + 1)
    assert prune_ledgers(path.parent, DAYS) == []


@pytest.mark.parametrize("restored", [True, False])
def test_those_with_something_to_restore_are_found(platform: FakePlatform, restored: bool) -> None:
    path = one_run(platform, restored)
    assert unfinished_ledgers(path.parent) == ([] if restored else [path], [])


def test_those_that_cannot_be_read_are_listed_with_the_reason(tmp_path: Path) -> None:
    damaged, folder = (tmp_path / f"chaosvm-ledger-{number}.jsonl" for number in (2, 1))
    damaged.write_text("not a ledger")
    folder.mkdir()
    lost = tmp_path / "chaosvm-ledger-0.jsonl"
    lost.symlink_to("nowhere")
    assert unfinished_ledgers(tmp_path) == (
        [],
        [
            f"{damaged}, line 1, is not a line of a ledger",
            f"{folder} is not a ledger: it is not a file",
            f"[Errno 2] No such file or directory: '{lost}'",
        ],
    )


def test_those_in_use_or_of_rehearsals_are_not(platform: FakePlatform) -> None:
    path = one_run(platform, restored=False)
    path.with_suffix(".rehearsal.jsonl").write_bytes(path.read_bytes())
    Ledger.resumed(path)
    assert unfinished_ledgers(path.parent) == ([], [])


@pytest.mark.parametrize("text", ["not a ledger", '{"kind": "intent"}\n'])
def test_one_that_cannot_be_read_is_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "chaosvm-ledger-x.jsonl"
    path.write_text(text)
    age(path, DAYS + 1)
    assert prune_ledgers(tmp_path, DAYS) == []


def test_other_files_and_links_are_kept(platform: FakePlatform, tmp_path: Path) -> None:
    path = one_run(platform, restored=True)
    elsewhere = tmp_path / "elsewhere.jsonl"
    path.rename(elsewhere)
    link = path.parent / "chaosvm-ledger-link.jsonl"
    link.symlink_to(elsewhere)
    assert prune_ledgers(path.parent, DAYS) == []
    assert elsewhere.exists()


def test_the_next_run_removes_them(platform: FakePlatform) -> None:
    path = one_run(platform, restored=True)
    platform.power_off("web-1")
    assert not path.exists()
    assert platform.get_vm("web-1").power_state is OFF


def test_what_a_person_keeps_in_another_folder_is_not_looked_at(
    platform: FakePlatform, tmp_path: Path
) -> None:
    path = one_run(platform, restored=True)
    make_folder(tmp_path / "another", DAYS)
    assert path.exists()
