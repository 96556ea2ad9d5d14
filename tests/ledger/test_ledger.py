from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chaoslib.experiment import run_experiment

from chaosvm.backend import Order, PowerCommand
from chaosvm.errors import LedgerError
from chaosvm.guards import going_down
from chaosvm.ledger import Ledger, ledger_for_run, reading
from chaosvm.ledger import ledger as ledgers
from chaosvm.ledger.history import History
from chaosvm.outcome import How, Outcome
from chaosvm.service.orders import checked_order
from chaosvm.vm import VM, PowerState
from tests.fakes import OFF, ON, SUSPENDED, FakePlatform

SERVER = "fake.example.com"


class Now:
    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.moment = 0.0

    def __call__(self) -> datetime:
        return self.time

    def later(self, seconds: float) -> None:
        self.moment += seconds
        self.set(seconds)

    def set(self, seconds: float) -> None:
        """Somebody sets the clock, so many seconds ahead."""
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def ledger(path: Path, now: Now) -> Ledger:
    return Ledger(path, "Do we survive?", now, moment=lambda: now.moment)


def machine(number: int = 1, state: PowerState = ON) -> VM:
    return VM(
        id=f"vm-{number}",
        name=f"web-{number}",
        platform="fake",
        power_state=state,
        status=state.value,
        instance_uuid=f"uuid-{number}",
    )


def make_order(operation: str = "power_off", **options: Any) -> Order:
    return checked_order(operation, 60, **options)


def record_intent(ledger: Ledger, order: Order, *vms: VM) -> None:
    ledger.record_intent("fake", SERVER, [(vm, vm.power_state) for vm in vms], order)


def outcome(vm: VM, order: Order, after: PowerState, error: str | None = None) -> Outcome:
    return Outcome(
        name=vm.name,
        id=vm.id,
        platform="fake",
        operation=order.operation.value,
        before=vm.power_state,
        after=after,
        changed=after is not vm.power_state,
        how=How.HARD,
        seconds=1.0,
        error=error,
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def original_states(history: History) -> dict[str, PowerState]:
    return {record.name: record.original for record in history}


# Writing -------------------------------------------------------------------------------


def test_there_is_no_file_before_anything_is_to_be_changed(ledger: Ledger, path: Path) -> None:
    assert list(ledger.history) == []
    assert not path.exists()


def test_what_is_intended_is_readable_by_a_person(ledger: Ledger, path: Path) -> None:
    order = make_order()
    record_intent(ledger, order, machine())
    header, line = lines(path)
    assert header["kind"] == "run"
    assert (header["version"], header["run"], header["experiment"]) == (
        1,
        ledger.run,
        "Do we survive?",
    )
    assert header["pid"] == os.getpid()
    assert line == {
        "kind": "intent",
        "at": "2026-03-01T12:00:00.000+00:00",
        "run": ledger.run,
        "call": order.call_id,
        "platform": "fake",
        "server": SERVER,
        "id": "vm-1",
        "name": "web-1",
        "instance_uuid": "uuid-1",
        "path": None,
        "before": "powered_on",
        "status": "powered_on",
        "operation": "power_off",
        "restores": False,
    }


def test_a_pipe_in_the_ledgers_place(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(LedgerError, match="not a regular file"):
        record_intent(Ledger(path), make_order(), machine())
    with pytest.raises(LedgerError, match="is not a file"):
        ledgers.read(path)


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000], ids=["NUL", "long"])
def test_a_path_that_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(LedgerError, match="cannot be opened"):
        record_intent(Ledger(tmp_path / name), make_order(), machine())


def test_a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)
    with pytest.raises(LedgerError, match="cannot be opened"):
        record_intent(Ledger(path), make_order(), machine())


def test_all_of_a_batch_is_synced_at_once(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_intent(ledger, make_order(), machine(0))
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(path.stat().st_size))
    record_intent(ledger, make_order(), *(machine(number) for number in range(1, 200)))
    assert sizes == [path.stat().st_size]


def test_the_name_of_a_new_file_is_synced_too(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the file could lose its name if the machine dies."""
    synced: list[bool] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
    )
    record_intent(ledger, make_order(), machine(1))
    record_intent(ledger, make_order(), machine(2))
    assert synced == [True, False, False]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_new_file_is_private(ledger: Ledger, path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        record_intent(ledger, make_order(), machine())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_there_keeps_its_mode(ledger: Ledger, path: Path) -> None:
    path.touch(0o640)
    path.chmod(0o640)
    record_intent(ledger, make_order(), machine())
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["web-\ud800", "wéb-\udfff", "Würzburg"])
def test_any_name_can_be_written_and_read(ledger: Ledger, path: Path, name: str) -> None:
    record_intent(ledger, make_order(), replace(machine(), name=name))
    assert original_states(ledgers.read(path)) == {name: ON}
    path.read_text()  # it is a text whatever the name
    if name == "Würzburg":
        assert name in path.read_text()


def test_an_intent_is_on_disk_before_its_request(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each request: the intent line of its VM had been synced before."""
    for number in range(30):
        platform.add(f"web-{number}")
    synced: set[str] = set()

    def fsync(descriptor: int) -> None:
        synced.update(
            line["id"] for line in lines(ledger_for_run(None).path) if line["kind"] == "intent"
        )

    send, early = platform.send, []

    def sending(vm: VM, *arguments: Any) -> Any:
        early.extend([vm.id] if vm.id not in synced else [])
        return send(vm, *arguments)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(platform, "send", sending)
    platform.batch_power_off({"all": True}, graceful=False)
    assert early == []
    assert len(synced) == 30


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


def test_the_outcome_follows(platform: FakePlatform) -> None:
    platform.add("web-1")
    platform.power_off("web-1")
    written = lines(ledger_for_run(None).path)
    assert [line["kind"] for line in written] == ["run", "intent", "request", "outcome"]
    assert written[2]["step"] == "guest shutdown"
    assert (written[3]["after"], written[3]["how"], written[3]["pending"]) == (
        "powered_off",
        "guest",
        False,
    )


def test_what_needs_no_request_leaves_no_line(platform: FakePlatform) -> None:
    platform.add("web-1", OFF)
    platform.power_off("web-1")
    assert not ledger_for_run(None).path.exists()


def test_many_threads_write_whole_lines(ledger: Ledger, path: Path) -> None:
    def write(number: int) -> None:
        for each in range(20):
            record_intent(ledger, make_order(), machine(number * 100 + each))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(ledgers.read(path))) == 160


# Errors --------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written(platform: FakePlatform, tmp_path: Path) -> None:
    platform.add("web-1")
    ledger = Ledger(tmp_path / "missing" / "ledger.jsonl")
    with pytest.raises(LedgerError, match=r"cannot be opened \(No such file.*chaosvm_ledger"):
        record_intent(ledger, make_order(), machine())


def test_without_a_ledger_nothing_is_sent(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    platform.add("web-1")
    monkeypatch.setattr(ledgers, "_default_folder", lambda run: tmp_path / "missing")
    with pytest.raises(LedgerError, match="cannot be opened"):
        platform.power_off("web-1")
    assert platform.sent == []


def test_a_full_disk_leaves_no_half_line(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_intent(ledger, make_order(), machine(1))
    before = path.read_bytes()
    write = os.write

    def full(descriptor: int, text: bytes) -> int:
        if len(text) > 10:
            return write(descriptor, text[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(LedgerError, match=r"cannot be written \(No space left on device\)"):
        record_intent(ledger, make_order(), machine(2))
    assert path.read_bytes() == before
    assert original_states(ledger.history) == {"web-1": ON}
    monkeypatch.undo()
    record_intent(ledger, make_order(), machine(3))
    assert original_states(ledgers.read(path)) == {"web-1": ON, "web-3": ON}


def test_a_disk_that_fills_up_during_a_batch(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, logs: pytest.LogCaptureFixture
) -> None:
    """The outcomes cannot be written, which is logged, and is not a failure."""
    platform.add("web-1")

    def full(self: Ledger, lines: Any, sync: bool) -> None:
        if any(line["kind"] == "outcome" for line in lines):
            raise LedgerError("the disk is full")
        append(self, lines, sync)

    append = Ledger._append
    monkeypatch.setattr(Ledger, "_append", full)
    assert platform.power_off("web-1").changed
    assert "incomplete from here on: the disk is full" in logs.text
    (record,) = ledger_for_run(None).history
    assert record.last.after is OFF


def test_a_ledger_that_was_deleted(ledger: Ledger, path: Path) -> None:
    record_intent(ledger, make_order(), machine(1))
    path.unlink()
    with pytest.raises(LedgerError, match="was deleted"):
        record_intent(ledger, make_order(), machine(2))


@pytest.mark.parametrize(
    "torn", [b'{"kind": "inte', b"\0\0\0\0", b'{"kind": "intent", "at"'], ids=range(3)
)
def test_a_torn_last_line_is_passed_over(ledger: Ledger, path: Path, torn: bytes, now: Now) -> None:
    record_intent(ledger, make_order(), machine(1))
    ledgers.close_all()
    with path.open("ab") as file:
        file.write(torn)
    assert original_states(ledgers.read(path)) == {"web-1": ON}
    resumed = Ledger.resumed(path)
    record_intent(resumed, make_order("power_on", is_restore=True), machine(1, OFF))
    assert original_states(ledgers.read(path)) == {"web-1": ON}


def test_a_damaged_line_in_the_middle_is_an_error(ledger: Ledger, path: Path) -> None:
    record_intent(ledger, make_order(), machine(1))
    record_intent(ledger, make_order(), machine(2))
    ledgers.close_all()
    written = path.read_text().splitlines(keepends=True)
    path.write_text(written[0] + written[1][:30] + "\n" + written[2])
    with pytest.raises(LedgerError, match="line 2, is not a line of a ledger"):
        ledgers.read(path)
    with pytest.raises(LedgerError, match="line 2, is not a line of a ledger"):
        record_intent(Ledger(path), make_order(), machine(3))


def test_a_run_that_died_as_it_was_about_to_recover(ledger: Ledger, path: Path) -> None:
    """A torn line follows a torn line: the next run was cut off in its first line."""
    record_intent(ledger, make_order(), machine(1))
    ledgers.close_all()
    with path.open("ab") as file:
        file.write(b'{"kind": "inte\n{"kind": "run", "vers')
    assert original_states(ledgers.read(path)) == {"web-1": ON}
    record_intent(Ledger.resumed(path), make_order("power_on", is_restore=True), machine(1, OFF))
    assert original_states(ledgers.read(path)) == {"web-1": ON}


def altered(text: str, old: str, new: str) -> str:
    """The text with one letter of its last such word altered."""
    assert len(old) == len(new)
    before, match, after = text.rpartition(old)
    assert match
    return before + new + after


ALTERED = [
    ('"kind": "request"', '"kindX: "request"'),
    ('"kind": "request"', '"kind": "requesX"'),
    ('"kind": "request"', '"kinX": "request"'),
    ('"kind": "intent"', '"kind": "intenX"'),
    ('"call": "chaosvm-', '"call": "chaosXm-'),
    ('"id": "vm-1"', '"id": "vm-X"'),
    ('"step": "hard power off"}', '"step": "hard power ofX"}'),
    ('"step": "hard power off"}', '"step": "hard power offX}'),
    ('"step": "hard power off"}\n', '"step": "hard power off"X\n'),
    ('"step": "hard power off"}\n', '"step": "hard power off"}X'),
    ('"restores": false', '"restores": falsX'),
    ('"restores": false', '"restores":     0'),
    ('"before": "powered_on"', '"before": "powered_oX"'),
    ('"operation": "power_off"', '"operation": "power_ofX"'),
    ('"version": 1', '"version": 7'),
    ('+00:00", "call"', '      ", "call"'),
]


@pytest.mark.parametrize(("old", "new"), ALTERED)
def test_a_ledger_in_which_a_letter_was_altered(
    ledger: Ledger, path: Path, old: str, new: str
) -> None:
    """A line that cannot be read may be about a VM that is off: it is never skipped."""
    order = make_order()
    record_intent(ledger, order, machine())
    ledger.record_request("vm-1", PowerCommand.POWER_OFF, order)
    ledgers.close_all()
    path.write_text(altered(path.read_text(), old, new))
    with pytest.raises(LedgerError, match=r"line \d, is "):
        ledgers.read(path)


def test_an_intent_of_a_run_that_never_began(ledger: Ledger, path: Path) -> None:
    record_intent(ledger, make_order(), machine())
    path.write_text(
        altered(path.read_text(), f'"run": "{ledger.run}"', f'"run": "X{ledger.run[1:]}"')
    )
    with pytest.raises(LedgerError, match=r"line 2, is not .*: run 'X.*' does not begin before it"):
        ledgers.read(path)


@pytest.mark.parametrize("line", ["x" * 2**21, "[" * 100_000, '{"kind": ' * 50_000])
def test_a_line_that_is_long_or_deep_is_an_error(ledger: Ledger, path: Path, line: str) -> None:
    record_intent(ledger, make_order(), machine())
    with path.open("a") as file:
        file.write(line + "\n" + line)
    with pytest.raises(LedgerError, match="line 3, is not a line of a ledger"):
        ledgers.read(path)


def test_a_long_line_is_not_read_to_its_end(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)  # a file full of nothing, which takes no place
    with pytest.raises(LedgerError, match="line 1, is not a line of a ledger"):
        ledgers.read(path)


@pytest.mark.parametrize(
    "line", ['{"kind": "intent"}', '{"kind": "request", "call": "x", "id": "vm-1"}']
)
def test_a_line_that_lacks_something_is_an_error(ledger: Ledger, path: Path, line: str) -> None:
    record_intent(ledger, make_order(), machine(1))
    ledgers.close_all()
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(LedgerError, match="line 3, is not a line of a ledger"):
        ledgers.read(path)


def test_a_ledger_of_another_version(path: Path) -> None:
    path.write_text('{"kind": "run", "version": 99}\n')
    for use in (
        lambda: ledgers.read(path),
        lambda: record_intent(Ledger(path), make_order(), machine()),
    ):
        with pytest.raises(LedgerError, match=r"line 1, is of ledger version 99.* reads version 1"):
            use()
    assert path.read_text() == '{"kind": "run", "version": 99}\n'


@pytest.mark.parametrize(
    "content", ["hello\nworld\n", "hello", '["kind"]\n{"a": 1}\n', '{"a": 1}'], ids=range(4)
)
def test_a_file_that_is_no_ledger_is_not_added_to(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(LedgerError, match="line 1, is not a line of a ledger"):
        record_intent(Ledger(path), make_order(), machine())
    assert path.read_text() == content


@pytest.mark.parametrize("content", ["", '{"kind": "run", "vers'])
def test_a_file_without_a_run_is_nothing_to_recover_from(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(LedgerError, match="has no run in it"):
        Ledger.resumed(path)
    assert path.read_text() == content


def test_a_ledger_that_is_to_be_recovered_from_must_exist(path: Path) -> None:
    with pytest.raises(LedgerError, match="No such file"):
        Ledger.resumed(path)
    assert not path.exists()


def test_what_restores_needs_no_line(
    ledger: Ledger, path: Path, logs: pytest.LogCaptureFixture
) -> None:
    record_intent(ledger, make_order(), machine(1))
    path.unlink()
    back = make_order("power_on", is_restore=True)
    record_intent(ledger, back, machine(1, OFF))
    ledger.record_request("vm-1", PowerCommand.POWER_ON, back)
    ledger.record_outcomes([(outcome(machine(1, OFF), back, ON), False)], back)
    assert original_states(ledger.history) == {}
    assert logs.text.count("was deleted") == 1


def test_a_disk_that_is_full_for_a_moment_leaves_a_ledger_that_can_be_read(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request without its intent would make the whole file useless."""
    record_intent(ledger, make_order(), machine(1))
    back = make_order("power_on", is_restore=True)

    def full(*arguments: Any) -> None:
        raise LedgerError("the disk is full")

    with monkeypatch.context() as moment:
        moment.setattr(ledger, "_append", full)
        record_intent(ledger, back, machine(1, OFF))
    ledger.record_request("vm-1", PowerCommand.POWER_ON, back)
    ledger.record_outcomes([(outcome(machine(1, OFF), back, ON), False)], back)
    assert original_states(ledger.history) == {}
    assert original_states(ledgers.read(path)) == {"web-1": ON}
    record_intent(ledger, make_order(), machine(2))
    assert original_states(ledgers.read(path)) == {"web-1": ON, "web-2": ON}


def test_a_ledger_that_can_only_be_read(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write anything, so the system call is patched to refuse."""
    record_intent(ledger, make_order(), machine(1))
    ledgers.close_all()
    really = os.open

    def refuse(name: Any, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(30, "Read-only file system")
        return really(name, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(LedgerError, match="Read-only file system"):
        record_intent(Ledger(path), make_order(), machine(2))
    before = path.read_bytes()
    resumed = Ledger.resumed(path)
    record_intent(resumed, make_order("power_on", is_restore=True), machine(1, OFF))
    with pytest.raises(LedgerError, match="is read-only"):
        record_intent(resumed, make_order(), machine(2))
    assert path.read_bytes() == before


def test_a_folder_in_the_ledgers_place(path: Path) -> None:
    path.mkdir()
    with pytest.raises(LedgerError, match=r"cannot be opened \(Is a directory\)"):
        record_intent(Ledger(path), make_order(), machine())


def test_two_processes_cannot_write_one_ledger(ledger: Ledger, path: Path) -> None:
    record_intent(ledger, make_order(), machine())
    script = (
        "import sys; from pathlib import Path; from chaosvm.ledger.file import open_shared\n"
        "open_shared(Path(sys.argv[1]))"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False
    )
    assert f"is in use by another run (process {os.getpid()}" in other.stderr
    ledgers.close_all()
    other = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert other.returncode == 0


# Runs ----------------------------------------------------------------------------------


def test_two_runs_in_one_file_are_distinct(path: Path) -> None:
    first, second = Ledger(path), Ledger(path)
    record_intent(first, make_order(), machine(1))
    record_intent(second, make_order(), machine(2))
    assert original_states(first.history) == {"web-1": ON}
    assert original_states(second.history) == {"web-2": ON}
    assert original_states(ledgers.read(path)) == {"web-1": ON, "web-2": ON}


def whose() -> str:
    """An activity, for Chaos Toolkit."""
    ledger = ledger_for_run(None)
    return f"{id(ledger)} {ledger.path.name} {ledger._title}"


def test_a_run_of_an_experiment_has_one_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    probe = {
        "type": "probe",
        "name": "whose",
        "provider": {"type": "python", "module": __name__, "func": "whose"},
    }

    def run() -> set[str]:
        journal = run_experiment(
            {
                "title": "Do we survive?",
                "description": "n/a",
                "method": [probe, {**probe, "background": True}],
                "rollbacks": [probe],
            }
        )
        return {each["output"] for each in [*journal["run"], *journal["rollbacks"]]}

    first, second = run(), run()
    assert len(first) == len(second) == 1
    assert first != second
    assert first.pop().endswith("Do we survive?")
    assert ledger_for_run(None) is ledger_for_run(None)


def test_a_run_that_is_not_on_the_main_thread_has_one_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs at once in one process, each with an activity in the background."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda number, handler: handler)
    both = threading.Barrier(2, timeout=60)
    monkeypatch.setattr(ledger_for_run, "both", both, raising=False)
    probe = {
        "type": "probe",
        "name": "whose",
        "provider": {"type": "python", "module": __name__, "func": "whose_at_once"},
    }
    outputs: list[set[str]] = []

    def run() -> None:
        method = [probe, {**probe, "background": True}]
        made = {"title": "A run", "description": "n/a", "method": method, "rollbacks": []}
        outputs.append({each["output"] for each in run_experiment(made)["run"]})

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(each) for each in outputs] == [1, 1]
    assert outputs[0] != outputs[1]


def whose_at_once() -> str:
    ledger_for_run.both.wait()  # type: ignore[attr-defined]
    return whose()


def test_after_the_undo_has_begun_nothing_else_is_sent(ledger: Ledger, path: Path) -> None:
    record_intent(ledger, make_order(), machine(1))
    ledger.block("the run is being undone")
    with pytest.raises(LedgerError, match="power_off is not carried out: the run is"):
        record_intent(ledger, make_order(), machine(2))
    with pytest.raises(LedgerError, match="not carried out"):
        ledger.record_request("vm-1", PowerCommand.POWER_OFF, make_order())
    record_intent(ledger, make_order("power_on", is_restore=True), machine(1, OFF))


def test_what_had_begun_is_stopped_and_what_begins_later_is_not(ledger: Ledger) -> None:
    begun, other, back = make_order(), make_order(), make_order("power_on", is_restore=True)
    record_intent(ledger, begun, machine(1))
    ledger.stop("fake", SERVER, "it is put back")
    for order in (begun, other):
        assert "is not carried out: it is put back" in (
            ledger.blocked_reason(order, "fake", SERVER) or ""
        )
        assert ledger.blocked_reason(order, "fake", "elsewhere.example.com") is None
    with pytest.raises(LedgerError, match="it is put back"):
        ledger.record_request("vm-1", PowerCommand.POWER_OFF, begun)
    with pytest.raises(LedgerError, match="it is put back"):
        record_intent(ledger, other, machine(2))
    assert ledger.blocked_reason(make_order(), "fake", SERVER) is None
    record_intent(ledger, make_order(), machine(2))
    record_intent(ledger, back, machine(1, OFF))


def test_what_was_known_at_one_moment_stays_as_it_was(ledger: Ledger) -> None:
    order = make_order()
    record_intent(ledger, order, machine())
    (before,) = ledger.vm_records()
    ledger.record_request("vm-1", PowerCommand.POWER_OFF, order)
    (between,) = ledger.vm_records()
    ledger.record_outcomes([(outcome(machine(), order, OFF), False)], order)
    (after,) = ledger.vm_records()
    assert [before.unconfirmed, between.unconfirmed == [between.last], after.unconfirmed] == [
        [],
        True,
        [],
    ]


# History ---------------------------------------------------------------------------------


def test_what_has_changed_nothing_has_left_nothing(ledger: Ledger, path: Path) -> None:
    """Others were faster, and powered it off."""
    order = make_order()
    record_intent(ledger, order, machine())
    ledger.record_request("vm-1", PowerCommand.POWER_OFF, order)
    idle = replace(outcome(machine(), order, OFF), changed=False, how=How.NONE)
    ledger.record_outcomes([(idle, False)], order)
    for history in (ledger.history, ledgers.read(path)):
        (record,) = history
        assert record.possible_states == {ON}


def test_what_has_changed_nothing_hides_nothing_that_did(ledger: Ledger) -> None:
    first, second = make_order(), make_order()
    for order, changed, how in ((first, True, How.HARD), (second, False, How.NONE)):
        record_intent(ledger, order, machine())
        ledger.record_request("vm-1", PowerCommand.POWER_OFF, order)
        result = replace(outcome(machine(), order, OFF), changed=changed, how=how)
        ledger.record_outcomes([(result, False)], order)
    (record,) = ledger.history
    assert record.possible_states == {OFF}


def test_two_calls_at_one_vm_may_both_still_change_it(ledger: Ledger) -> None:
    first, second = make_order(), make_order("suspend")
    for order, step in ((first, PowerCommand.SHUTDOWN_GUEST), (second, PowerCommand.SUSPEND)):
        record_intent(ledger, order, machine())
        ledger.record_request("vm-1", step, order)
    ledger.record_outcomes([(outcome(machine(), second, SUSPENDED), False)], second)
    (record,) = ledger.history
    assert [operation.command for operation in record.unconfirmed] == [PowerCommand.SHUTDOWN_GUEST]
    assert record.possible_states >= {SUSPENDED, OFF}
    record_intent(ledger, make_order("power_on", is_restore=True), machine(1, SUSPENDED))
    (record,) = ledger.history
    assert record.unconfirmed == []


def test_what_may_still_go_down_is_what_was_sent_something_that_takes_it_down(
    ledger: Ledger,
) -> None:
    for number, (operation, step) in enumerate(
        [
            ("power_off", PowerCommand.POWER_OFF),
            ("power_on", PowerCommand.POWER_ON),
            ("reboot", PowerCommand.RESET),
        ]
    ):
        order = make_order(operation)
        record_intent(ledger, order, machine(number))
        ledger.record_request(f"vm-{number}", step, order)
    assert {vm_id for _, _, vm_id in going_down(ledger.history)} == {"vm-0", "vm-2"}


def test_what_became_unknown_late_is_expected_from_then_on(ledger: Ledger, now: Now) -> None:
    """For example, a task that timed out on its host after ten minutes."""
    order = make_order()
    record_intent(ledger, order, machine())
    ledger.record_request("vm-1", PowerCommand.POWER_OFF, order)
    ledger.record_answer("vm-1", order)
    now.later(600)
    ledger.record_outcomes([(outcome(machine(), order, PowerState.UNKNOWN), True)], order)
    (record,) = ledger.history
    assert ledger.seconds_in_flight(record) == 15


@pytest.mark.parametrize("seen", ["before", "after"])
def test_what_was_seen_to_have_happened_is_not_open_any_more(ledger: Ledger, seen: str) -> None:
    """A call was interrupted after the guest shutdown was sent, and another one followed."""
    first, second = make_order(), make_order("power_on" if seen == "before" else "power_off")
    record_intent(ledger, first, machine())
    ledger.record_request("vm-1", PowerCommand.SHUTDOWN_GUEST, first)
    record_intent(ledger, second, machine(1, OFF if seen == "before" else ON))
    (record,) = ledger.history
    assert len(record.unconfirmed) == (0 if seen == "before" else 1)
    after = ON if seen == "before" else OFF
    ledger.record_outcomes([(outcome(machine(), second, after), False)], second)
    assert record.unconfirmed == []


def test_a_restore_that_may_still_happen_is_not_over(ledger: Ledger, path: Path) -> None:
    off, back = make_order(), make_order("power_on", is_restore=True)
    record_intent(ledger, off, machine())
    ledger.record_outcomes([(outcome(machine(), off, OFF), False)], off)
    record_intent(ledger, back, machine(1, OFF))
    ledger.record_outcomes([(outcome(machine(1, OFF), back, ON), True)], back)
    for history in (ledger.history, ledgers.read(path)):
        assert original_states(history) == {"web-1": ON}


def test_what_another_call_changes_during_a_restore_is_not_forgotten(
    ledger: Ledger, path: Path
) -> None:
    """The restored VM is on, and its restore waits until it is ready."""
    off, back, again = make_order(), make_order("power_on", is_restore=True), make_order()
    record_intent(ledger, off, machine())
    ledger.record_outcomes([(outcome(machine(), off, OFF), False)], off)
    record_intent(ledger, back, machine(1, OFF))
    record_intent(ledger, again, machine())
    ledger.record_request("vm-1", PowerCommand.SHUTDOWN_GUEST, again)
    ledger.record_outcomes([(outcome(machine(1, OFF), back, ON), False)], back)
    ledger.record_outcomes([(outcome(machine(), again, OFF), False)], again)
    for history in (ledger.history, ledgers.read(path)):
        (record,) = history
        assert (record.original, record.last.call) == (ON, again.call_id)
        assert record.possible_states == {OFF}


def test_what_is_sent_after_a_restore_is_not_forgotten(ledger: Ledger, path: Path) -> None:
    """It was to be done before, and waited for its turn."""
    queued, off, back = make_order(), make_order(), make_order("power_on", is_restore=True)
    record_intent(ledger, queued, machine())
    record_intent(ledger, off, machine())
    ledger.record_outcomes([(outcome(machine(), off, OFF), False)], off)
    record_intent(ledger, back, machine(1, OFF))
    ledger.record_outcomes([(outcome(machine(1, OFF), back, ON), False)], back)
    assert list(ledger.history) == []
    ledger.record_request("vm-1", PowerCommand.POWER_OFF, queued)
    for history in (ledger.history, ledgers.read(path)):
        (record,) = history
        assert (record.original, record.last.call) == (ON, queued.call_id)
        assert record.possible_states >= {ON, OFF}
    again = make_order("power_on", is_restore=True)
    ledger.record_outcomes([(outcome(machine(), queued, OFF), False)], queued)
    record_intent(ledger, again, machine(1, OFF))
    ledger.record_outcomes([(outcome(machine(1, OFF), again, ON), False)], again)
    assert list(ledger.history) == list(ledgers.read(path)) == []


@pytest.mark.parametrize("at_once", [True, False])
def test_what_one_of_two_calls_at_once_did_is_not_taken_for_somebody_elses(
    ledger: Ledger, path: Path, at_once: bool
) -> None:
    """The other one is unknown, and had no effect; it found the VM before the first one's."""
    suspend, off = make_order("suspend"), make_order()
    record_intent(ledger, suspend, machine())
    if at_once:
        record_intent(ledger, off, machine())
    ledger.record_request("vm-1", PowerCommand.SUSPEND, suspend)
    ledger.record_outcomes([(outcome(machine(), suspend, SUSPENDED), False)], suspend)
    if not at_once:  # somebody has powered it on meanwhile
        record_intent(ledger, off, machine())
    ledger.record_request("vm-1", PowerCommand.POWER_OFF, off)
    ledger.record_outcomes([(outcome(machine(), off, PowerState.UNKNOWN), False)], off)
    for history in (ledger.history, ledgers.read(path)):
        (record,) = history
        assert (SUSPENDED in record.possible_states) is at_once
        assert record.possible_states >= {ON, OFF}


@pytest.mark.parametrize("clock_moves", [1, -3600])
def test_of_two_calls_at_once_the_one_that_ends_last_counts(
    ledger: Ledger, path: Path, now: Now, clock_moves: float
) -> None:
    """It was sent first, and has left the VM off: undo has to power it on."""
    off, reboot = make_order(), make_order("reboot")
    record_intent(ledger, off, machine())
    record_intent(ledger, reboot, machine())
    for order, command in ((off, PowerCommand.SHUTDOWN_GUEST), (reboot, PowerCommand.RESET)):
        ledger.record_request("vm-1", command, order)
    for order, after in ((reboot, ON), (off, OFF)):
        now.set(clock_moves)
        ledger.record_outcomes([(outcome(machine(), order, after), False)], order)
    for history in (ledger.history, ledgers.read(path)):
        (record,) = history
        assert OFF in record.possible_states
        assert not record.is_in_original_state


def test_what_is_sent_during_a_restore_counts_after_it(ledger: Ledger, path: Path) -> None:
    """Otherwise undo would take it for somebody else's change."""
    queued, back = make_order(), make_order("power_on", is_restore=True)
    record_intent(ledger, queued, machine())
    record_intent(ledger, back, machine(1, OFF))
    ledger.record_request("vm-1", PowerCommand.POWER_ON, back)
    ledger.record_request("vm-1", PowerCommand.POWER_OFF, queued)
    ledger.record_outcomes([(outcome(machine(), queued, OFF), False)], queued)
    for history in (ledger.history, ledgers.read(path)):
        (record,) = history
        assert OFF in record.possible_states


def test_two_restores_of_one_vm_at_once(ledger: Ledger, path: Path) -> None:
    off = make_order()
    first, second = (make_order("power_on", is_restore=True) for _ in range(2))
    record_intent(ledger, off, machine())
    ledger.record_outcomes([(outcome(machine(), off, OFF), False)], off)
    for order in (first, second):
        record_intent(ledger, order, machine(1, OFF))
        ledger.record_request("vm-1", PowerCommand.POWER_ON, order)
    for order in (first, second):
        ledger.record_outcomes([(outcome(machine(1, OFF), order, ON), False)], order)
    assert list(ledger.history) == list(ledgers.read(path)) == []


def test_the_first_state_counts(ledger: Ledger, path: Path) -> None:
    for operation, state, after in (("power_off", ON, OFF), ("power_on", OFF, ON)):
        order, vm = make_order(operation), machine(1, state)
        record_intent(ledger, order, vm)
        ledger.record_request(vm.id, PowerCommand.POWER_OFF, order)
        ledger.record_answer(vm.id, order)
        ledger.record_outcomes([(outcome(vm, order, after), False)], order)
    for history in (ledger.history, ledgers.read(path)):
        (record,) = history
        assert record.original is ON
        assert [operation.before for operation in record.operations] == [ON, OFF]
        assert record.last.possible_states == {ON}


def test_what_was_put_back_is_not_touched_any_more(ledger: Ledger, path: Path) -> None:
    off, back = make_order(), make_order("power_on", is_restore=True)
    record_intent(ledger, off, machine(1))
    ledger.record_outcomes([(outcome(machine(1), off, OFF), False)], off)
    record_intent(ledger, back, machine(1, OFF))
    ledger.record_outcomes([(outcome(machine(1, OFF), back, ON), False)], back)
    assert original_states(ledger.history) == original_states(ledgers.read(path)) == {}
    assert len(ledger.history.changed_vms(ledger.run)) == 1


def test_without_an_outcome_it_may_be_either(ledger: Ledger) -> None:
    order = make_order()
    record_intent(ledger, order, machine(1))
    ledger.record_request("vm-1", PowerCommand.POWER_OFF, order)
    (record,) = ledger.history
    assert record.last.unconfirmed
    assert record.last.possible_states == {ON, OFF, PowerState.TRANSITIONING}


@pytest.mark.parametrize(("boot", "left"), [("same", {ON}), ("other", {ON, OFF})])
def test_without_a_request_it_is_as_it_was_unless_the_machine_died(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch, boot: str, left: set[PowerState]
) -> None:
    monkeypatch.setattr(ledgers, "boot_id", lambda: "same")
    ledger = Ledger(path)
    record_intent(ledger, make_order(), machine(1))
    monkeypatch.setattr(reading, "boot_id", lambda: boot)
    (record,) = ledgers.read(path)
    assert record.last.possible_states - {PowerState.TRANSITIONING} == left


def test_another_run_begins_with_the_externally_changed_state(path: Path) -> None:
    """Run 1 restored it, somebody powered it off, run 2 powered it on."""
    first, second = Ledger(path), Ledger(path)
    for operation, state, after in (("power_off", ON, OFF), ("power_on", OFF, ON)):
        order, vm = make_order(operation), machine(1, state)
        record_intent(first, order, vm)
        first.record_outcomes([(outcome(vm, order, after), False)], order)
    record_intent(second, make_order("power_on"), machine(1, OFF))
    assert original_states(ledgers.read(path)) == {"web-1": OFF}


def test_another_run_that_finds_what_the_first_left_goes_on_from_there(path: Path) -> None:
    first, second = Ledger(path), Ledger(path)
    order = make_order()
    record_intent(first, order, machine(1))
    first.record_outcomes([(outcome(machine(1), order, OFF), False)], order)
    record_intent(second, make_order("power_on"), machine(1, OFF))
    assert original_states(ledgers.read(path)) == {"web-1": ON}


@pytest.mark.parametrize(
    ("step", "patience"), [(PowerCommand.POWER_OFF, 15), (PowerCommand.SHUTDOWN_GUEST, 60)]
)
def test_what_was_sent_is_expected_for_a_while(
    ledger: Ledger, now: Now, step: PowerCommand, patience: float
) -> None:
    order = make_order()
    record_intent(ledger, order, machine(1))
    (record,) = ledger.history
    assert ledger.seconds_in_flight(record) == 0
    ledger.record_request("vm-1", step, order)
    now.later(1000)
    assert ledger.seconds_in_flight(record) > 0  # the answer has not come yet
    ledger.record_answer("vm-1", order)
    assert ledger.seconds_in_flight(record) == patience
    now.later(1)
    assert ledger.seconds_in_flight(record) == patience - 1
    for seconds in (1000, -5000):
        now.set(seconds)
        assert ledger.seconds_in_flight(record) == patience - 1
    now.later(patience)
    assert ledger.seconds_in_flight(record) == 0


def test_a_request_of_another_process_counts_as_new_if_the_clock_was_set_back(
    ledger: Ledger, path: Path, now: Now
) -> None:
    order = make_order()
    record_intent(ledger, order, machine())
    ledger.record_request("vm-1", PowerCommand.POWER_OFF, order)
    now.later(14)
    (record,) = ledgers.read(path)
    other = Ledger(path, now=now)
    assert other.seconds_in_flight(record) == 1
    now.set(-500)
    assert other.seconds_in_flight(record) == 15
