"""100 guests that obey, ignore, are slow or have no agent: what is said is what happened."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosvm.errors import OperationFailed
from chaosvm.lab import Durations, Guest, Lab, World
from chaosvm.lab.simulation import EventKind
from chaosvm.olvm import OLVMPlatform
from chaosvm.outcome import Outcome, Verified
from chaosvm.service import VMService
from chaosvm.vsphere import VSpherePlatform

# How many times as fast as ours the clocks of the lab and of the platform are.
SPEED = 10.0
GUESTS = {
    "obeys": (Guest.obeys(3), 40),
    "ignores": (Guest.ignores(60), 25),
    "slow": (Guest.slow(30), 20),
    "without-agent": (Guest.without_agent(3), 15),
}
PLATFORMS = {
    "vsphere": lambda lab: VSpherePlatform(
        lab.vsphere_server,
        lab.username,
        lab.password,
        port=lab.vsphere_port,
        ca_file=str(lab.ca_file),
        timeout=600,
    ),
    "olvm": lambda lab: OLVMPlatform(
        lab.olvm_url, lab.username, lab.password, ca_file=str(lab.ca_file), timeout=600
    ),
}


class FastClock:
    def monotonic(self) -> float:
        return time.monotonic() * SPEED

    def sleep(self, seconds: float, /) -> None:
        time.sleep(seconds / SPEED)


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> Iterator[VMService]:
    name: str = request.param
    world = World(durations=Durations(boot=10))
    for kind, (guest, count) in GUESTS.items():
        for number in range(count):
            world.add_vm(f"{kind}-{number:02}", guest=guest, up_for=500)
    with Lab(world, platforms=[name], speed=SPEED) as lab:
        platform: Any = PLATFORMS[name](lab)
        platform.backend.clock = FastClock()
        platform.world = world
        yield platform
        platform.disconnect()


def reboot(platform: Any, **options: Any) -> list[Outcome]:
    try:
        return list(platform.batch_reboot({"all": True}, parallel=32, **options).outcomes)
    except OperationFailed as failed:
        return list(failed.outcomes)


def test_each_outcome_is_what_happened(
    platform: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = reboot(platform, timeout=200, on_timeout="leave")
    happened: dict[str, set[EventKind]] = {}
    for event in platform.world.events:
        happened.setdefault(event.vm_name or "", set()).add(event.kind)
    wrong = []
    for outcome in found:
        kinds = happened.get(outcome.name, set())
        rebooted = bool(kinds & {EventKind.REBOOTED, EventKind.RESET})
        if outcome.verified is not (Verified.CONFIRMED if rebooted else Verified.NOT_REBOOTED):
            wrong.append((outcome.name, kinds, outcome))
    assert wrong == []
    assert len(found) == 100
    counts = Counter((each.name.rsplit("-", 1)[0], each.verified) for each in found)
    assert counts["obeys", Verified.CONFIRMED] == 40
    assert counts["slow", Verified.CONFIRMED] == 20
    assert sum(each.verified is Verified.CONFIRMED for each in found) >= 60
