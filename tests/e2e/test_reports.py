"""What the journal, and Chaos Toolkit's report for machines, say of a run."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from chaosvm.lab import Guest, Lab, World, rule
from tests.e2e.conftest import Chaos, activity
from tests.examples import EXAMPLES

REPORTS = tuple(map(int, version("chaostoolkit").split(".")[:2])) >= (1, 21)


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = World()
    for number in range(3):
        made.add_vm(f"web-{number}", guest=Guest.obeys())
    with Lab(made, platforms=["vsphere"]) as running:
        yield running


@pytest.fixture
def chaos(lab: Lab, tmp_path: Path) -> Chaos:
    return Chaos(tmp_path, lab.environment())


def control(name: str, **arguments: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": f"chaosvm.controls.{name}", "arguments": arguments}
    return {"name": name, "provider": provider}


def lose(**arguments: Any) -> dict[str, Any]:
    return activity("action", "batch_power_off", vms={"name": "web-*"}, **arguments)


def experiment(*method: Any, **more: Any) -> dict[str, Any]:
    probe = activity("probe", "count_vms", tolerance=3)
    return {
        "title": "A report",
        "description": "n/a",
        "steady-state-hypothesis": {"title": "Three VMs", "probes": [probe]},
        "method": list(method),
        "rollbacks": [],
        **more,
    }


def report(chaos: Chaos, made: Any, *arguments: str) -> dict[str, Any]:
    """The report; where Chaos Toolkit has none yet, what it would be made of."""
    if not REPORTS:
        chaos.run(made, *arguments)
        return {}
    chaos.run(made, "--output", "agent", *arguments)
    return told(chaos)


def told(chaos: Chaos) -> dict[str, Any]:
    start = chaos.console.index('{\n  "schema"')
    found, _ = json.JSONDecoder().raw_decode(chaos.console[start:])
    return dict(found)


def codes(found: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in found["warnings"]}


@pytest.mark.parametrize("by", ["configuration", "environment", "flag"])
def test_a_dry_run_proves_nothing(lab: Lab, tmp_path: Path, by: str) -> None:
    told = {"CHAOSVM_DRY_RUN": "true"} if by == "environment" else {}
    configuration = {"chaosvm_dry_run": True} if by == "configuration" else {}
    flags = ["--dry", "actions"] if by == "flag" else []
    made = experiment(lose(), configuration=configuration, controls=[control("dry_run")])
    chaos = Chaos(tmp_path, {**lab.environment(), **told})
    found = report(chaos, made, *flags)
    journal = chaos.journal()
    assert (journal["status"], journal["experiment"]["dry"]) == ("completed", "actions")
    assert [run["status"] for run in journal["run"]] == ["succeeded"]
    if found:
        assert (found["outcome"], found["conclusive"]) == ("passed", False)
        assert codes(found) == {"dry-run"}


def test_a_dry_restore_proves_nothing(chaos: Chaos) -> None:
    restore = activity("action", "restore_power_states")
    configuration = {"chaosvm_dry_run": True}
    found = report(chaos, experiment(restore, configuration=configuration))
    assert chaos.journal()["experiment"]["dry"] == "actions"
    assert not found or not found["conclusive"]


@pytest.mark.parametrize("mark", [True, "actions"])
def test_an_action_that_is_marked_as_dry_is_only_planned(chaos: Chaos, lab: Lab, mark: Any) -> None:
    """Chaos Toolkit runs it: chaosaddons.controls.bypass 0.12 sets ``dry`` to true."""
    marked = lose() | {"dry": mark}
    found = report(chaos, experiment(marked, activity("action", "restore_power_states")))
    journal = chaos.journal()
    assert journal["run"][0]["output"]["dry_run"] is True
    assert not any("hutdown" in name for name in lab.requests())
    assert not found or not found["conclusive"]


def test_a_rehearsal_proves_nothing(tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, {})
    control_file = str(EXAMPLES / "rehearse.yaml")
    found = report(chaos, EXAMPLES / "quickstart.json", "--control-file", control_file)
    assert chaos.journal()["experiment"]["dry"] == "rehearsal", chaos.console
    assert not found or not found["conclusive"]


def test_a_run_in_earnest_proves_something(chaos: Chaos) -> None:
    made = experiment(lose(), controls=[control("halt"), control("undo")])
    found = report(chaos, made)
    journal = chaos.journal()
    assert (journal["status"], journal["rollbacks"]) == ("completed", [])
    assert not journal["experiment"]["dry"]
    if found:
        assert (found["outcome"], found["conclusive"], found["warnings"]) == ("passed", True, [])


@pytest.mark.parametrize("background", [False, True])
def test_a_halt_says_what_stopped_the_run(chaos: Chaos, lab: Lab, background: bool) -> None:
    lab.rules(rule("PowerOff*", "fault", fault="NoPermission"))
    failing = lose(graceful=False) | {"background": background}
    found = report(chaos, experiment(failing, controls=[control("halt")]))
    journal = chaos.journal()
    assert journal["status"] == "interrupted"
    reason = "the action 'batch_power_off' failed"
    by = {"kind": "control", "name": "chaosvm.controls.halt", "reason": reason}
    assert journal["interruption"] == by
    if found:
        assert (found["outcome"], found["conclusive"]) == ("interrupted", False)
        assert found["interrupted_by"] == by
        assert found["exit_code"] == 1


def test_a_failed_rollback_is_no_success(chaos: Chaos, lab: Lab) -> None:
    lab.rules(rule("PowerOn*", "fault", fault="NoPermission"))
    back = activity("action", "batch_power_on", vms={"name": "web-*"})
    made = experiment(lose(), rollbacks=[back], controls=[control("halt")])
    assert chaos(*chaos.command(made)) == 1
    assert chaos.journal()["status"] == "failed"


def test_an_undo_that_failed_is_a_failed_rollback(chaos: Chaos, lab: Lab) -> None:
    lab.rules(rule("PowerOn*", "fault", fault="NoPermission", vm="web-1"))
    found = report(chaos, experiment(lose(), controls=[control("undo")]))
    journal = chaos.journal()
    (entry,) = journal["rollbacks"]
    assert (journal["status"], entry["status"]) == ("failed", "failed")
    assert "restore failed for 1 of 3 VMs: 'web-1'" in entry["exception"][-1]
    assert entry["output"]["failed"] == 1
    if found:
        assert "rollback-failed" in codes(found)
        assert found["rollbacks"]["failed"][0]["name"] == "chaosvm.controls.undo"


@pytest.mark.parametrize("many", [True, False])
def test_a_failed_action_has_its_outcomes_in_the_journal(
    chaos: Chaos, lab: Lab, many: bool
) -> None:
    """Without any control."""
    lab.rules(rule("PowerOff*", "fault", fault="NoPermission", vm="web-1"))
    one = activity("action", "power_off", vm_name="web-1", graceful=False)
    journal = chaos.run(experiment(lose(graceful=False) if many else one))
    (run,) = journal["run"]
    assert run["status"] == "failed"
    assert set(run) <= {"activity", "output", "start", "end", "duration", "status", "exception"}
    outcomes = run["output"]["outcomes"] if many else [run["output"]]
    errors = {each["name"]: each.get("error") for each in outcomes}
    assert "lacks the privilege" in errors.pop("web-1")
    assert errors == (dict.fromkeys(["web-0", "web-2"]) if many else {})
    assert all(each["changed"] for each in outcomes if "error" not in each)


def test_a_failed_restore_has_its_outcomes_in_the_journal(chaos: Chaos, lab: Lab) -> None:
    lab.rules(rule("PowerOn*", "fault", fault="NoPermission", vm="web-1"))
    restore = activity("action", "restore_power_states")
    journal = chaos.run(experiment(lose(), rollbacks=[restore]))
    (run,) = journal["rollbacks"]
    assert (run["status"], run["output"]["failed"], run["output"]["changed"]) == ("failed", 1, 2)


def test_a_signal_is_named(chaos: Chaos, lab: Lab) -> None:
    lab.rules(rule("ShutdownGuest", "ignore"))
    flags = ["--output", "agent"] if REPORTS else []
    process = chaos.start(*chaos.command(experiment(lose()), *flags))
    while not sum(lab.applied()):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert chaos.finish(process) == 1
    by = {"kind": "signal", "name": "SIGTERM", "reason": "received SIGTERM"}
    assert chaos.journal()["interruption"] == by
    if REPORTS:
        found = told(chaos)
        assert (found["outcome"], found["interrupted_by"]) == ("interrupted", by)


@pytest.mark.parametrize(
    ("declared", "complaint"),
    [
        (control("undo", timeot=5), "unknown argument 'timeot' (did you mean 'timeout'?)"),
        (control("undo", timeout="soon"), "timeout is 'soon'"),
        (control("undo") | {"scope": "after"}, "must not have a scope"),
        (control("halt", when="later"), "when is 'later'"),
        (control("dry_run", loud=True), "it takes none"),
    ],
)
def test_a_control_that_could_not_be_called_is_refused(
    chaos: Chaos, declared: dict[str, Any], complaint: str
) -> None:
    made = experiment(lose(), controls=[declared])
    assert chaos("validate", chaos.command(made)[-1]) == 1
    assert complaint in chaos.console
    assert chaos(*chaos.command(made)) == 1


def test_without_arguments_below_it_nothing_is_run(chaos: Chaos, lab: Lab) -> None:
    """Chaos Toolkit would pass over it: a control file is not validated."""
    path = chaos.folder / "controls.json"
    provider = {"type": "python", "module": "chaosvm.controls.undo", "arguments": None}
    path.write_text(json.dumps({"undo": {"provider": provider}}))
    assert chaos(*chaos.command(experiment(lose()), "--control-file", str(path))) != 0
    assert "an empty 'arguments'" in chaos.console
    assert not any("hutdown" in name for name in lab.requests())


def test_undo_for_one_activity_is_refused(chaos: Chaos) -> None:
    made = experiment(lose() | {"controls": [control("undo")]})
    assert chaos(*chaos.command(made)) == 1
    assert "must be among the controls of the experiment itself" in chaos.console
