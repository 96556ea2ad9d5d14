"""Controls that Chaos Toolkit does not find, and would do without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from chaoslib.experiment import run_experiment


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("SERVER", "USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"VSPHERE_{name}", "unused.invalid")


def error_of_an_action(module: str, of_activity: bool = False) -> str:
    control = {"name": "put-back", "provider": {"type": "python", "module": module}}
    provider = {
        "type": "python",
        "module": "chaosvm.vsphere.actions",
        "func": "power_off",
        "arguments": {"vm_name": "web-01"},
    }
    action: dict[str, Any] = {"type": "action", "name": "lose-web-01", "provider": provider}
    declared = action if of_activity else {}
    declared["controls"] = [control]
    experiment = {"title": "T", "description": "n/a", "rollbacks": [], "method": [action]}
    journal = run_experiment({**experiment, **({} if of_activity else declared)})
    return str(journal["run"][0]["exception"][-1])


@pytest.mark.parametrize("of_activity", [False, True])
def test_an_action_is_refused(of_activity: bool) -> None:
    assert (
        "the control 'put-back' has the module 'chaosvm.controls.undoo', which does not exist "
        "(did you mean 'chaosvm.controls.undo'?)"
    ) in error_of_an_action("chaosvm.controls.undoo", of_activity)


def test_the_package_may_be_misspelt_too() -> None:
    assert "did you mean 'chaosvm.controls.halt'?" in error_of_an_action("chaosvn.controls.halt")


@pytest.mark.parametrize("module", ["chaosvm.controls.undo", "of_others.control"])
def test_what_exists_or_belongs_to_others_is_none_of_our_business(module: str) -> None:
    assert "no connection to" in error_of_an_action(module)
