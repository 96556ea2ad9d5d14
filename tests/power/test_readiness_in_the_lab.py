"""Guests of the lab whose agent, address and services come one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosvm.errors import OperationFailed
from chaosvm.lab import Durations, Guest, Lab, State, World
from chaosvm.lab.simulation import Service
from chaosvm.power.guests import GuestReader
from tests.moments import ForwardClock
from tests.power.test_reboots_in_the_lab import PLATFORMS

PORT, HTTP = 18_022, 18_080


@pytest.fixture(params=PLATFORMS)
def platform(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    name: str = request.param
    services = (Service(PORT), Service(HTTP, http=True), Service(HTTP + 1, http=True, status=503))
    guest = Guest(agent_after=0.4, ip_after=0.8, services=services)
    world = World(durations=Durations(boot=0.2))
    world.add_vm("web", State.OFF, guest=guest)
    world.add_vm("old", guest=guest)
    with Lab(world, platforms=[name]) as lab:
        platform: Any = PLATFORMS[name](lab)
        yield platform
        platform.disconnect()


def test_each_milestone_is_reached_in_turn(platform: Any) -> None:
    outcome = platform.power_on("web", timeout=60, wait_for=f"http:{HTTP}/health")
    reached = dict(outcome.milestones)
    assert list(reached)[-2:] == ["ip", f"http:{HTTP}/health"]
    assert list(reached.values()) == sorted(reached.values())
    if platform.name == "vsphere":
        assert reached["ip"] - reached["power"] >= 0.5

    again = platform.reboot("old", graceful=False, timeout=60, wait_for=f"port:{PORT}")
    assert again.verified == "confirmed"
    assert list(again.milestones)[-1] == f"port:{PORT}"


def test_a_service_that_is_not_well_is_what_is_missing(
    platform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.backend.clock = clock = ForwardClock()
    missing = f"http:{HTTP + 1}"
    reaches = GuestReader._reaches

    def reaches_and_skip(reader: GuestReader, milestone: Any, status: Any) -> bool:
        try:
            return reaches(reader, milestone, status)
        finally:
            if str(milestone) == missing:
                clock.put_forward(100)

    monkeypatch.setattr(GuestReader, "_reaches", reaches_and_skip)
    with pytest.raises(OperationFailed) as failed:
        platform.power_on("web", timeout=100, wait_for=missing)
    (outcome,) = failed.value.outcomes
    assert re.search(rf"not ready after 1\d\d s: '{missing}' is missing", outcome.error or "")
    assert outcome.changed
    assert platform.restore_power_states(timeout=60).changed == 1
