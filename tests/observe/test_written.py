"""A report from a journal or a ledger, after the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chaosvm.errors import ChaosVMError
from chaosvm.observe import write_report
from chaosvm.observe.timeline import Mode, read_timeline

RUN = {
    "kind": "run",
    "version": 1,
    "at": "2031-01-01T00:00:00+00:00",
    "run": "r",
    "experiment": "T",
    "pid": 1,
    "host": "h",
    "boot": "b",
}
INTENT = {
    "kind": "intent",
    "at": "2031-01-01T00:00:02+00:00",
    "run": "r",
    "call": "c",
    "platform": "vsphere",
    "server": "vc.example.com",
    "id": "vm-1",
    "name": "web-01",
    "instance_uuid": None,
    "path": "/DC/vm/web-01",
    "before": "powered_on",
    "status": "poweredOn",
    "operation": "power_off",
    "restores": False,
}
OUTCOME = {
    "kind": "outcome",
    "at": "2031-01-01T00:00:09+00:00",
    "call": "c",
    "id": "vm-1",
    "after": "powered_off",
    "changed": True,
    "how": "guest",
    "error": None,
    "pending": False,
}


def ledger(folder: Path, *lines: dict[str, Any], name: str = "ledger.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_a_ledger_without_an_outcome(tmp_path: Path) -> None:
    paths = write_report(ledger=ledger(tmp_path, RUN, INTENT))
    timeline = read_timeline(paths["json"])
    assert timeline.run.killed
    assert timeline.probes is None
    assert [each.ended for each in timeline.activities] == [None]
    page = paths["html"].read_text()
    assert "its last record is from 00:00:02" in page
    assert "It is not known whether" in page


def test_a_ledger_with_an_outcome(tmp_path: Path) -> None:
    timeline = read_timeline(write_report(ledger=ledger(tmp_path, RUN, INTENT, OUTCOME))["json"])
    assert [(each.at.second, each.value) for each in timeline.changes] == [
        (2, "powered_on"),
        (9, "powered_off"),
    ]
    assert timeline.changes[1].cause == "guest shutdown"


def test_the_last_run_of_a_ledger_counts(tmp_path: Path) -> None:
    again = [{**RUN, "run": "s"}, {**INTENT, "run": "s", "call": "d", "id": "vm-2", "name": "b"}]
    timeline = read_timeline(
        write_report(ledger=ledger(tmp_path, RUN, INTENT, OUTCOME, *again))["json"]
    )
    assert [vm.name for vm in timeline.vms] == ["b"]


def test_the_ledger_of_a_rehearsal(tmp_path: Path) -> None:
    lines = (RUN, INTENT, {**OUTCOME, "after": "unknown", "error": "no answer"})
    paths = write_report(ledger=ledger(tmp_path, *lines, name="ledger.rehearsal.jsonl"))
    assert read_timeline(paths["json"]).run.mode is Mode.REHEARSAL
    page = paths["html"].read_text()
    assert "no real VM was touched" in page
    assert "recover.json" not in page  # its lab is gone


def test_the_links_and_the_command_of_a_killed_run_lead_to_its_ledger(tmp_path: Path) -> None:
    folder = tmp_path / "chaosvm-ledgers"
    folder.mkdir()
    paths = write_report(ledger=ledger(folder, RUN, INTENT))
    assert paths["html"] == tmp_path / "report.html"
    page = paths["html"].read_text()
    assert 'href="chaosvm-ledgers/ledger.jsonl"' in page
    assert "chaos run recover.json --var ledger=chaosvm-ledgers/ledger.jsonl" in page


def test_of_a_file_elsewhere_only_the_name_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    timeline = read_timeline(
        write_report(ledger=ledger(tmp_path, RUN, INTENT), folder=folder)["json"]
    )
    assert timeline.files["Ledger"] == "ledger.jsonl"


@pytest.mark.parametrize(
    ("dry", "name"),
    [
        (None, "report.html"),
        ("rehearsal", "report.rehearsal.html"),
        ("actions", "report.dry-run.html"),
    ],
)
def test_only_the_report_of_a_real_run_replaces_that_of_another(
    dry: str | None, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "journal.json"
    path.write_text(json.dumps({"experiment": {"title": "T", "dry": dry}}))
    assert write_report(journal=path)["html"] == tmp_path / name


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("journal", "[", "the journal journal.json cannot be read"),
        ("journal", "{}", "journal.json is not a journal"),
        ("ledger", "", "has no run in it"),
        ("ledger", "nonsense\n", "is not a line of a ledger"),
        (
            "ledger",
            json.dumps(RUN) + "\n" + json.dumps({**INTENT, "at": 1}) + "\n",
            "cannot be used",
        ),
    ],
)
def test_a_file_that_is_none(name: str, content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(content)
    with pytest.raises(ChaosVMError, match=message):
        write_report(**{name: path})


def test_nothing_was_given(tmp_path: Path) -> None:
    with pytest.raises(ChaosVMError, match="neither a journal nor a ledger"):
        write_report()
    with pytest.raises(ChaosVMError, match="is not a folder"):
        write_report(ledger=ledger(tmp_path, RUN, INTENT), folder=tmp_path / "none")


def test_a_recovery_is_told_beside_the_run_that_was_killed(tmp_path: Path) -> None:
    later = {"at": "2031-01-01T00:01:00+00:00", "call": "d"}
    run = {**RUN, "run": "s", "experiment": None, "at": later["at"]}
    restored = {**INTENT, **later, "run": "s", "operation": "power_on", "restores": True}
    on = {**OUTCOME, **later, "after": "powered_on", "how": "hard"}
    lines = [RUN, INTENT, OUTCOME, run, {**restored, "before": "powered_off"}, on]
    paths = write_report(ledger=ledger(tmp_path, *lines))
    page = paths["html"].read_text()
    assert "<h1>T</h1>" in page
    assert "its last record is from 00:00:09" in page
    assert "It was recovered afterwards; the recovery ended at 00:01:00." in page
    assert "web-01 was shut down by its guest." in page
    assert "web-01 runs again: a recovery powered on web-01." in page
    assert "To do" not in page
