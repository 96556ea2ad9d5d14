"""A rehearsal that Chaos Toolkit would pass over: the run is stopped before anything is done."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chaoslib.control import load_global_controls, reset_global_controls
from chaoslib.exceptions import InvalidControl
from chaoslib.experiment import load_experiment, run_experiment

import chaosvm.lab
from chaosvm.runtime import rehearsal
from tests.production import Production, run, switch

MODULE = "chaosvm.lab.control"
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"arguments": None}, "an empty 'arguments'"),
    ({"arguments": ["small"]}, "the arguments .'small'.: expected a mapping"),
    ({"arguments": {"context": "small"}}, "an argument 'context'"),
]


def wrong() -> list[tuple[dict[str, Any], str]]:
    basis: dict[str, Any] = {"type": "python", "module": MODULE}
    made = [
        ({"name": "rehearse", "provider": {**basis, **more}}, reason) for more, reason in MISTAKES
    ]
    scoped = {"name": "rehearse", "scope": "after", "provider": basis}
    return [*made, (scoped, "the scope 'after'")]


@pytest.fixture(autouse=True)
def not_imported_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a `chaos` process: what is wrong is found while the control is imported."""
    __import__(MODULE)
    monkeypatch.setattr(chaosvm.lab, "control", sys.modules[MODULE])
    monkeypatch.delitem(sys.modules, MODULE)
    yield
    reset_global_controls()


def experiment(real: Production, folder: Path, *controls: dict[str, Any]) -> dict[str, Any]:
    touch = {"type": "process", "path": "touch", "arguments": str(folder / "touched")}
    get = {"type": "http", "url": f"http://127.0.0.1:{real.port}/", "timeout": 60}
    hypothesis = {
        "title": "It answers",
        "probes": [{"type": "probe", "name": "get", "tolerance": 200, "provider": get}],
    }
    action = {"type": "action", "name": "touch", "provider": touch}
    more = {"steady-state-hypothesis": hypothesis, "controls": list(controls)}
    return real.experiment(action, switch("vsphere"), rollbacks=[action], **more)


def untouched(real: Production, folder: Path) -> bool:
    return real.connections == 0 and not (folder / "touched").exists()


@pytest.mark.parametrize(("control", "reason"), wrong())
def test_in_a_control_file(
    control: dict[str, Any], reason: str, real: Production, tmp_path: Path
) -> None:
    path = tmp_path / "control.json"
    path.write_text(json.dumps({"rehearse": control}))
    with pytest.raises(SystemExit, match=f"nothing was run: .*'rehearse' has {reason}"):
        run(experiment(real, tmp_path), tmp_path, path, rollbacks="always")
    assert untouched(real, tmp_path)


@pytest.mark.parametrize(("control", "reason"), wrong())
def test_in_the_settings(control: dict[str, Any], reason: str) -> None:
    with pytest.raises(SystemExit, match=reason):
        load_global_controls({"controls": {"rehearse": control}})


@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize(
    ("control", "reason"),
    [*wrong(), ({**wrong()[0][0], "provider": {"type": "python", "module": MODULE}}, "")],
)
def test_in_the_experiment(
    control: dict[str, Any], reason: str, validated: bool, real: Production, tmp_path: Path
) -> None:
    if not reason:
        control, reason = {**control, "automatic": False}, "'automatic'"
    made = experiment(real, tmp_path, control)
    if validated:
        with pytest.raises(InvalidControl, match=reason):
            run(made, tmp_path, rollbacks="always")
    else:
        path = tmp_path / "experiment.json"
        path.write_text(json.dumps(made))
        with pytest.raises(SystemExit, match=reason):
            run_experiment(load_experiment(str(path)), settings={})
    assert untouched(real, tmp_path)


@pytest.mark.parametrize("place", ["method", "hypothesis"])
def test_not_among_the_experiments_own(place: str, real: Production, tmp_path: Path) -> None:
    """What comes before it would not be rehearsed."""
    made = experiment(real, tmp_path)
    part = made["method"][1] if place == "method" else made["steady-state-hypothesis"]
    part["controls"] = [{"name": "rehearse", "provider": {"type": "python", "module": MODULE}}]
    with pytest.raises(InvalidControl, match="not among the controls of the experiment itself"):
        run(made, tmp_path)
    assert untouched(real, tmp_path)


def test_what_goes_on_all_the_same_connects_nowhere(real: Production, tmp_path: Path) -> None:
    control, _ = wrong()[0]
    with pytest.raises(SystemExit):
        load_global_controls({"controls": {"rehearse": control}})
    assert not rehearsal.is_on()
    made = experiment(real, tmp_path)
    del made["steady-state-hypothesis"], made["method"][0]
    journal = run(made, tmp_path)
    assert [step["status"] for step in journal["run"]] == ["failed"]
    assert real.connections == 0
