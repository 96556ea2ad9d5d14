"""Waits are shortened in a rehearsal, and the journal shows them as they were written."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from chaosvm.lab.waits import shorten_waits


def activity(module: str, arguments: Any = None, **keys: Any) -> dict[str, Any]:
    provider = {"type": "python", "module": module, "func": "outage", "arguments": arguments}
    return {"type": "action", "name": "a", "provider": provider, **keys}


def test_all_by_the_same_factor_and_restored() -> None:
    outage = activity("chaosvm.vsphere.actions", {"duration": 120, "interval": "${gap}"})
    paused = activity("chaosvm.olvm.actions", {"timeout": 300}, pauses={"before": 6, "after": "12"})
    made = {"method": [outage, {"ref": "a"}, paused], "rollbacks": [outage]}
    written = copy.deepcopy(made)
    restore = shorten_waits(made, {"gap": 60}, 5)
    assert outage["provider"]["arguments"] == {"duration": 5, "interval": 2.5}
    assert paused["pauses"] == {"before": 0.25, "after": 0.5}
    assert paused["provider"]["arguments"] == {"timeout": 300}
    restore()
    assert made == written


@pytest.mark.parametrize(
    "left_alone",
    [
        activity("chaosvm.vsphere.actions", {"duration": 5}, pauses={"after": 4}),
        activity("chaosvm.vsphere.actions", {"duration": "long", "interval": True}),
        activity("chaosvm.vsphere.actions", {"duration": "inf"}),
        activity("mine.actions", {"duration": 120}),
        activity("chaosvm.vsphere.actions", pauses={}),
    ],
)
def test_others_are_left_alone(left_alone: dict[str, Any]) -> None:
    before = copy.deepcopy(left_alone)
    shorten_waits({"method": [left_alone]}, {}, 5)
    assert left_alone == before
