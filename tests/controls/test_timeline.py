"""The control that records a run and draws it, in whole runs within this process."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chaoslib.experiment import run_experiment
from chaoslib.types import Schedule, Strategy

from chaosvm.activities import connections
from chaosvm.lab import Lab, Machine, State, World
from chaosvm.lab.simulation import EventKind, HighAvailability
from chaosvm.observe import write_report
from chaosvm.observe.timeline import Kind, Phase, Timeline, read_timeline
from tests.fakes import FakePlatform

pytestmark = pytest.mark.timeout(180)

PLATFORMS = ("vsphere", "olvm")
_platform = FakePlatform()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    world = World()
    for number in range(1, 61):
        world.add_vm(f"web-{number:02d}")
    vm = world.add_vm("ha-01", highly_available=True)
    world.change_cluster(vm.cluster_id, ha=HighAvailability(enabled=True, admission_control=False))
    with Lab(world, platforms=PLATFORMS) as running:
        yield running


@pytest.fixture
def world(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> World:
    for name, value in lab.environment().items():
        monkeypatch.setenv(name, value)
    return lab.world


def control(name: str, **arguments: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": f"chaosvm.controls.{name}", "arguments": arguments}
    return {"name": name, "provider": provider}


def activity(platform: str, func: str, kind: str = "action", **arguments: Any) -> dict[str, Any]:
    module = f"chaosvm.{platform}.{kind}s" if platform else __name__
    provider = {"type": "python", "module": module, "func": func, "arguments": arguments}
    return {"type": kind, "name": func, "provider": provider}


def run(
    *method: dict[str, Any],
    controls: list[dict[str, Any]] | None = None,
    probe: dict[str, Any] | None = None,
    strategy: Strategy = Strategy.DEFAULT,
    **experiment: Any,
) -> dict[str, Any]:
    made = {
        "title": "What happened?",
        "description": "n/a",
        "controls": [control("timeline"), control("undo")] if controls is None else controls,
        "method": list(method),
        "rollbacks": [],
        **experiment,
    }
    if probe is not None:
        made["steady-state-hypothesis"] = {"title": "Well", "probes": [probe]}
    schedule = Schedule(continuous_hypothesis_frequency=0.5)
    journal: dict[str, Any] = run_experiment(made, strategy=strategy, schedule=schedule)
    return journal


def timeline_in(folder: Path) -> Timeline:
    return read_timeline(folder / "timeline.json")


# What the server's own record has -----------------------------------------------------------

STATES = {
    EventKind.STARTED: "powered_on",
    EventKind.RESUMED: "powered_on",
    EventKind.WENT_DOWN: "powered_off",
    EventKind.SUSPENDED: "suspended",
}


def recorded(world: World, since: datetime) -> dict[str, list[tuple[datetime, str]]]:
    found: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for event in world.events:
        if event.kind in STATES and event.at >= since and event.vm_name:
            found[event.vm_name].append((event.at, STATES[event.kind]))
    return found


def drawn(timeline: Timeline) -> dict[str, list[tuple[datetime, str]]]:
    """The changes of power, without the first reading and what passes by itself."""
    names = {vm.ref: vm.name for vm in timeline.vms}
    found: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for change in timeline.changes:
        known = found[names[change.vm]]
        passing = change.kind is not Kind.POWER or change.value == "transitioning"
        # A guest that ignores a shutdown is on again.
        if not passing and [state for _, state in known[-1:]] != [change.value]:
            known.append((change.at, change.value))
    return {name: changes[1:] for name, changes in found.items()}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_60_vms_down_and_up(platform: str, world: World, folder: Path) -> None:
    """Each change is within a second of the server's own record, and none is missed."""
    running = {"name": "web-*", "power_state": "powered_on"}
    journal = run(
        activity(platform, "power_off", vm_name="web-07", graceful=False, timeout=60),
        activity(platform, "batch_power_off", vms=running, parallel=30, timeout=60),
        activity(platform, "batch_power_on", vms={"name": "web-*"}, parallel=30, timeout=60),
        activity(platform, "batch_suspend", vms={"names": ["web-01", "web-02"]}, timeout=60),
        probe={**activity(platform, "count_vms", "probe"), "tolerance": [61, 61]},
        strategy=Strategy.CONTINUOUS,
        configuration={"chaosvm_max_vms": 60},
    )
    timeline = timeline_in(folder)
    expected, found = recorded(world, timeline.run.started), drawn(timeline)
    assert len(timeline.vms) == 60
    assert {name: [state for _, state in each] for name, each in found.items()} == {
        name: [state for _, state in each] for name, each in expected.items()
    }
    late = [
        (name, state, theirs, ours)
        for name, each in expected.items()
        for (theirs, state), (ours, _) in zip(each, found[name], strict=True)
        if abs(ours - theirs) > timedelta(seconds=1)
    ]
    assert late == []
    assert journal["chaosvm_timeline"]["not_back"] == []
    assert timeline.gaps == ()
    offs = [each for each in timeline.changes if each.value == "powered_off"]
    causes = {each.cause for each in offs}
    assert causes == {"guest shutdown", "powered off hard"}
    assert {each.name: each.used for each in timeline.guards}["chaosvm_max_vms"] == "60"
    (probe,) = timeline.probes or ()
    assert {check.phase for check in probe.checks} == {Phase.BEFORE, Phase.DURING, Phase.AFTER}
    assert "60 of 60 VMs" in (folder / "report.html").read_text()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_tools_and_addresses_are_recorded(platform: str, world: World, folder: Path) -> None:
    run(activity(platform, "power_off", vm_name="web-01", timeout=60))
    kinds = {each.kind for each in timeline_in(folder).changes}
    assert kinds >= {Kind.POWER, Kind.TOOLS, Kind.HOST}


@pytest.mark.parametrize("order", [("timeline", "undo"), ("undo", "timeline")])
def test_it_is_written_after_undo(order: tuple[str, str], world: World, folder: Path) -> None:
    journal = run(
        activity("vsphere", "power_off", vm_name="web-01", timeout=60),
        controls=[control(name) for name in order],
    )
    timeline = timeline_in(folder)
    assert timeline.undo is not None
    assert timeline.undo.ended is not None
    assert timeline.undo.ended <= timeline.run.ended
    assert drawn(timeline)["web-01"][-1][1] == "powered_on"
    assert journal["chaosvm_timeline"]["files"] == {
        "json": "timeline.json",
        "svg": "timeline.svg",
        "html": "report.html",
        "png": "timeline.png",
    }
    assert journal["chaosvm_timeline"]["story"][0] == "web-01 was shut down by its guest."


def test_the_link_to_the_ledger_leads_to_it(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "chaosvm-ledgers").mkdir()
    monkeypatch.setenv("CHAOSVM_LEDGER", str(folder / "chaosvm-ledgers" / "ledger.jsonl"))
    run(activity("vsphere", "power_off", vm_name="web-01", timeout=60))
    link = timeline_in(folder).files["Ledger"]
    assert link == "chaosvm-ledgers/ledger.jsonl"
    assert (folder / link).is_file()


def test_other_vms_are_recorded_on_request(world: World, folder: Path) -> None:
    run(
        activity("vsphere", "power_off", vm_name="web-01", timeout=60),
        controls=[control("timeline", vms={"name": "web-0*"}), control("undo")],
    )
    assert len(timeline_in(folder).vms) == 9


def test_no_connection_of_its_own(world: World, lab: Lab, folder: Path) -> None:
    before = sum(each.kind is EventKind.LOGGED_IN for each in world.events)
    run(activity("vsphere", "power_off", vm_name="web-01", timeout=60))
    assert sum(each.kind is EventKind.LOGGED_IN for each in world.events) == before + 1


_world = World()


def crash() -> str:
    """Not by this package: its process dies, and high availability restarts it."""
    down, restarted = threading.Event(), threading.Event()

    def heard(vms: Sequence[Machine]) -> None:
        for state in (vm.state for vm in vms if vm.name == "ha-01"):
            if state is not State.RUNNING:
                down.set()
            elif down.is_set():
                restarted.set()

    stop_listening = _world.listen(heard)
    _world.power.crash("ha-01")
    assert restarted.wait(60)
    stop_listening()
    return "crashed"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_others_do_is_recorded(platform: str, world: World, folder: Path) -> None:
    global _world
    _world = world
    run(
        {**activity(platform, "vm_power_state", "probe", vm_name="ha-01")},
        # The clocks of engines are known to the second only.
        {**activity("", "crash"), "pauses": {"before": 1.5, "after": 2}},
        controls=[control("timeline", vms={"names": ["ha-01"]})],
    )
    timeline = timeline_in(folder)
    assert [state for _, state in drawn(timeline)["ha-01"]] == ["powered_off", "powered_on"]
    (cause,) = [each.cause for each in timeline.changes if (each.cause or "").startswith("rest")]
    assert cause is not None
    assert cause.startswith("restarted by HA on ")
    assert "not by this run" in (folder / "report.html").read_text()


def test_a_run_that_a_guard_stops(world: World, folder: Path) -> None:
    journal = run(
        activity("vsphere", "batch_power_off", vms={"name": "web-*"}),
        configuration={"chaosvm_max_vms": 3},
    )
    assert journal["run"][0]["status"] == "failed"
    assert journal["chaosvm_timeline"]["story"][0] == (
        "A guard stopped batch_power_off: chaosvm_max_vms is 3 for this run: 0 changed so far, "
        "60 with this action."
    )


def test_a_dry_run(world: World, folder: Path) -> None:
    journal = run(
        activity("vsphere", "power_off", vm_name="web-01"),
        configuration={"chaosvm_dry_run": True},
    )
    story = journal["chaosvm_timeline"]["story"]
    assert story[0] == "web-01 would have been powered off."
    assert "Dry run." in (folder / "report.dry-run.html").read_text()
    assert not (folder / "report.html").exists()


def test_a_run_that_was_killed_has_a_ledger(world: World, folder: Path) -> None:
    """Its last lines are missing, and there is no journal."""
    ledger = folder / "ledger.jsonl"
    run(
        activity("vsphere", "batch_power_off", vms={"names": ["web-01", "web-02"]}, timeout=60),
        controls=[control("undo")],
        configuration={"chaosvm_ledger": str(ledger)},
    )
    lines = ledger.read_text().splitlines(keepends=True)
    killed = folder / "killed.jsonl"
    killed.write_text("".join(lines[:5]))
    connections.close_all()
    paths = write_report(ledger=killed)
    timeline = read_timeline(paths["json"])
    assert timeline.run.killed
    assert [vm.name for vm in timeline.vms] == ["web-01", "web-02"]
    text = paths["html"].read_text()
    assert "This run was killed" in text
    assert "--var ledger=killed.jsonl" in text


def test_a_journal_is_enough(world: World, folder: Path) -> None:
    journal = run(
        activity("olvm", "power_off", vm_name="web-01", timeout=60), controls=[control("undo")]
    )
    (folder / "journal.json").write_text(json.dumps(journal, default=str))
    timeline = read_timeline(write_report(journal="journal.json")["json"])
    assert [state for _, state in drawn(timeline)["web-01"]] == ["powered_off", "powered_on"]


# It never disturbs the run --------------------------------------------------------------------


def lose() -> dict[str, Any]:
    return _platform.power_off("web-1", graceful=False).to_json()


def lose_and_interrupt() -> None:
    _platform.power_off("web-1", graceful=False)
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    global _platform
    _platform = FakePlatform()
    _platform.add("web-1")
    return _platform


def test_a_platform_that_reports_nothing_but_power(fake: FakePlatform, folder: Path) -> None:
    journal = run(activity("", "lose"))
    assert journal["status"] == "completed"
    timeline = timeline_in(folder)
    assert "the fake.example.com" not in timeline.gaps
    assert any("keeps no events" in gap for gap in timeline.gaps)
    assert [state for _, state in drawn(timeline)["web-1"]][:1] == ["powered_off"]


@pytest.mark.parametrize("broken", ["watch", "server_time", "events", "server_info"])
def test_an_error_of_the_recorder_is_not_one_of_the_run(
    broken: str, fake: FakePlatform, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = fake.backend.watch

    def breaks(*arguments: Any, **options: Any) -> Any:
        import threading

        if broken == "watch" and threading.current_thread().name != "chaosvm-timeline":
            return original(*arguments, **options)
        raise RuntimeError("cannot be")

    monkeypatch.setattr(fake.backend, broken, breaks)
    journal = run(activity("", "lose"))
    assert journal["status"] == "completed"
    assert fake.machines["vm-1"].state.value == "powered_on"


def test_a_folder_that_is_gone_is_a_warning(
    fake: FakePlatform, folder: Path, logs: pytest.LogCaptureFixture
) -> None:
    journal = run(
        activity("", "lose"),
        controls=[control("timeline", folder="${gone}"), control("undo")],
        configuration={"gone": "/no/such/folder"},
    )
    assert journal["status"] == "completed"
    warnings = [each.message for each in logs.records if each.levelno == logging.WARNING]
    assert any(each.startswith("timeline: nothing is recorded: folder is") for each in warnings)


def test_an_interruption_is_told(fake: FakePlatform, folder: Path) -> None:
    journal = run(activity("", "lose_and_interrupt"), activity("", "lose"))
    assert journal["status"] == "interrupted"
    interruption = timeline_in(folder).run.interruption
    assert interruption is not None
    assert interruption.by == "SIGINT"
    assert interruption.at is not None


def test_the_control_halt_says_when_and_why_it_stopped_the_run(world: World, folder: Path) -> None:
    journal = run(
        activity("vsphere", "power_off", vm_name="no-such"),
        controls=[control("halt"), control("timeline")],
    )
    assert journal["status"] == "interrupted"
    interruption = timeline_in(folder).run.interruption
    assert interruption is not None
    assert interruption.by == "the action 'power_off' failed"
    assert interruption.at is not None


def test_nothing_was_selected(folder: Path) -> None:
    journal = run(controls=[control("timeline")])
    assert journal["chaosvm_timeline"]["story"][0] == "No VM was selected."
