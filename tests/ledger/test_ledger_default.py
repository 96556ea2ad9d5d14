"""Where a ledger is written when nobody says where, and what an empty one is not."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import chaosvm
from chaosvm.errors import LedgerError
from chaosvm.ledger import Ledger
from chaosvm.ledger import ledger as ledgers
from chaosvm.ledger.ledger import _default_folder as default_folder  # before the tests' own is set
from chaosvm.outcome import How, Outcome
from chaosvm.service.orders import checked_order
from tests.fakes import ON, FakePlatform


def run(journal: Path | None) -> Any:
    return SimpleNamespace(journal_path=journal)


def test_it_is_beside_the_journal(tmp_path: Path) -> None:
    assert default_folder(run(tmp_path / "journal.json")) == tmp_path


@pytest.mark.parametrize("made", [None, run(None)], ids=["no run", "no journal"])
def test_it_is_where_the_process_works_otherwise(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_folder(made) == tmp_path


def test_a_relative_journal_is_found_later_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_folder(run(Path("sub/journal.json"))) == tmp_path / "sub"


def test_an_empty_file_is_no_ledger_to_go_on_with(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.touch()
    with pytest.raises(LedgerError) as caught:
        Ledger.resumed(path)
    assert str(caught.value) == (
        f"{path} has no run in it: it is not a ledger, or nothing was changed"
    )


def test_its_name_has_the_time_and_no_two_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "_default_folder", default_folder)
    made = [ledgers._default_path(run(tmp_path / "journal.json")) for _ in range(20)]
    assert len(set(made)) == 20
    for path in made:
        assert path.parent == tmp_path / "chaosvm-ledgers"
        named = re.fullmatch(r"chaosvm-ledger-(\d{8}T\d{6})Z-[0-9a-f]{6}\.jsonl", path.name)
        assert named
        stamp = datetime.strptime(named[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        assert abs((datetime.now(UTC) - stamp).total_seconds()) < 600


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_its_lines_have_what_a_person_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    platform = FakePlatform()
    vm = platform.add("web-1")
    order = checked_order("power_off", 60)
    ledger = Ledger(path, "A title")
    ledger.record_intent("fake", platform.address, [(vm, ON)], order)
    outcome = Outcome(
        name=vm.name,
        id=vm.id,
        platform="fake",
        operation="power_off",
        before=ON,
        after=ON,
        changed=False,
        how=How.NONE,
        seconds=1.0,
        error="it is busy",
    )
    ledger.record_outcomes([(outcome, False)], order)
    header, *_, last = written(path)
    assert header["host"] == socket.gethostname()
    assert header["by"] == f"chaosvm {chaosvm.__version__}"
    assert header["at"][:4] == str(datetime.now(UTC).year)
    assert re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{6}", ledger.run)
    assert last["error"] == "it is busy"


def test_one_that_goes_on_is_the_same_file_with_a_title_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    platform = FakePlatform()
    vm, order = platform.add("web-1"), checked_order("power_off", 60)
    Ledger(path, "first").record_intent("fake", platform.address, [(vm, ON)], order)
    ledgers.close_all()
    resumed = Ledger.resumed(path, "second")
    assert resumed.path == path
    back = checked_order("power_on", 60, is_restore=True)
    resumed.record_intent("fake", platform.address, [(vm, ON)], back)
    titles = [line["experiment"] for line in written(path) if line["kind"] == "run"]
    assert titles == ["first", "second"]
