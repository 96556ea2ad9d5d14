from __future__ import annotations

from pathlib import Path

import pytest
from chaoslib.experiment import run_experiment

from chaosvm.experiment import reason_to_give
from chaosvm.order import Order


def told() -> str:
    """An activity, as far as Chaos Toolkit is concerned."""
    return Order.checked("power_on", 10).reason


@pytest.mark.parametrize(
    ("title", "named"), [("The shop survives", "The shop survives"), ("x" * 1000, "x" * 200)]
)
def test_within_an_experiment_the_reason_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    probe = {
        "type": "probe",
        "name": "told",
        "provider": {"type": "python", "module": __name__, "func": "told"},
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
    assert reason_to_give() == "chaosvm, called from Python"
    assert experiment


def test_from_python_there_is_none() -> None:
    assert told() == "chaosvm, called from Python"
