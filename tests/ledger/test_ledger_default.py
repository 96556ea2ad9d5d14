"""Where a ledger is written when nobody says where, and what an empty one is not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaosvm.errors import LedgerError
from chaosvm.ledger import Ledger
from chaosvm.ledger.ledger import _default_folder as default_folder  # before the tests' own is set


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
