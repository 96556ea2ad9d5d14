from __future__ import annotations

from pathlib import Path

import pytest
from chaoslib.experiment import run_experiment

from chaosvm.runtime import audit_reason
from chaosvm.runtime.experiment import current_run
from chaosvm.service.orders import checked_order


def reason() -> str:
    """An activity that returns the reason for its requests."""
    return checked_order("power_on", 10).reason


@pytest.mark.parametrize(
    ("title", "named"), [("The shop survives", "The shop survives"), ("x" * 1000, "x" * 200)]
)
def test_within_an_experiment_the_reason_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    probe = {
        "type": "probe",
        "name": "reason",
        "provider": {"type": "python", "module": __name__, "func": "reason"},
    }
    journal = run_experiment(
        {
            "title": title,
            "description": "n/a",
            "method": [probe, {**probe, "background": True}],
            "rollbacks": [],
        }
    )
    expected = f"Chaos Toolkit experiment: {named}"
    assert [run["output"] for run in journal["run"]] == [expected, expected]


def test_only_chaos_toolkits_own_experiment_counts() -> None:
    experiment = {"title": "somebody else's variable"}
    assert audit_reason() == "chaosvm, called from Python"
    assert experiment


def test_from_python_the_reason_names_no_experiment() -> None:
    assert reason() == "chaosvm, called from Python"


def run_id() -> int:
    """An activity that returns the identity of its run."""
    run = current_run()
    assert run is not None
    return id(run)


def runs_of(*method: dict[str, object], same: dict[str, object] | None = None) -> set[int]:
    made = same or {"title": "A test", "description": "n/a", "method": [], "rollbacks": []}
    made |= {"method": list(method), "rollbacks": [method[0]]}
    journal = run_experiment(made)
    return {each["output"] for each in [*journal["run"], *journal["rollbacks"]]}


PROBE = {
    "type": "probe",
    "name": "run_id",
    "provider": {"type": "python", "module": __name__, "func": "run_id"},
}
BACKGROUND = {**PROBE, "background": True}


@pytest.mark.parametrize(
    "method", [(PROBE, BACKGROUND), (BACKGROUND, PROBE), (BACKGROUND, BACKGROUND), (PROBE, PROBE)]
)
def test_all_activities_of_a_run_see_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: tuple[dict[str, object], ...]
) -> None:
    """Also if the first activity is in the background, without a journal on its stack."""
    monkeypatch.chdir(tmp_path)
    assert len(runs_of(*method)) == 1


def test_the_same_experiment_run_twice_is_two_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made: dict[str, object] = {"title": "A test", "description": "n/a"}
    first, second = runs_of(BACKGROUND, PROBE, same=made), runs_of(BACKGROUND, PROBE, same=made)
    assert (len(first), len(second), len(first | second)) == (1, 1, 2)


def test_outside_of_chaos_toolkit_there_is_no_run() -> None:
    assert current_run() is None
