"""Groups of secrets that an activity names and the experiment lacks."""

from __future__ import annotations

from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed
from chaoslib.provider.python import run_python_activity

SECRETS = {"vsphere": {"vsphere_username": "chaos", "vsphere_password": "hunter2"}}


def count_vms(groups: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an environment that would be used instead."""
    for name in ("SERVER", "USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"VSPHERE_{name}", "unused.invalid")
    provider = {"type": "python", "module": "chaosvm.vsphere.probes", "func": "count_vms"}
    activity = {"type": "probe", "name": "count", "provider": {**provider, "secrets": groups}}
    run_python_activity(activity, {}, SECRETS)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["vspere"], r"group of secrets 'vspere', .* declare \(did you mean 'vsphere'\?\)"),
        (["vsphere", "olvm"], "the group of secrets 'olvm', which the experiment does not declare"),
        ("vsphere", r"the provider's secrets are 'vsphere': give a list, \['vsphere'\]"),
    ],
)
def test_it_is_refused(groups: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ActivityFailed, match=message):
        count_vms(groups, monkeypatch)


def test_one_that_is_declared_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ActivityFailed, match=r"no connection to unused\.invalid"):
        count_vms(["vsphere"], monkeypatch)
