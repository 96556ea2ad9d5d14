"""Tests against the lab's engine, over TLS: each has a small one of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from chaosvm.activities import connections
from chaosvm.errors import OperationFailed
from chaosvm.lab import Durations, Lab, World
from chaosvm.olvm import OLVMPlatform
from chaosvm.outcome import Outcome
from chaosvm.runtime import Clock
from tests.moments import running_time

VM, OTHER, DB = "web-01", "web-02", "db-01"
ACTIONS = ("start", "stop", "shutdown", "reboot", "reset", "suspend")
# What a call may take beyond its deadline on a machine that has much else to do. Without
# a deadline it would be more: the time that a request may take, or for ever.
GRACE = 6.0

# For a world on a FakeClock: the engine answers a stop when the VM is down, and no time
# passes while its answer is waited for.
INSTANT_STOP = Durations(power_off=0)

Connect = Callable[..., OLVMPlatform]


@pytest.fixture
def world() -> World:
    """Three running VMs in one cluster."""
    made = World()
    for name in (VM, OTHER, DB):
        made.add_vm(name)
    return made


@pytest.fixture
def lab(world: World) -> Iterator[Lab]:
    with Lab(world, platforms=["olvm"]) as running:
        yield running


@pytest.fixture
def connect(lab: Lab) -> Iterator[Connect]:
    """Makes platforms for the lab, with some arguments replaced."""
    with ExitStack() as opened:

        def make(**replaced: Any) -> OLVMPlatform:
            arguments = {
                "url": lab.olvm_url,
                "username": lab.username,
                "password": lab.password,
                "ca_file": lab.ca_file,
                "timeout": 60,
            }
            platform = OLVMPlatform(**(arguments | replaced))
            opened.callback(_disconnect, platform, lab)
            return platform

        yield make


def _disconnect(platform: OLVMPlatform, lab: Lab) -> None:
    """Without the trouble that the test made."""
    lab.rules()
    platform.disconnect()


@pytest.fixture
def clock() -> Clock:
    """Of the platform; a test that replaces it gives its world the same."""
    return time


@pytest.fixture
def platform(connect: Connect, clock: Clock) -> OLVMPlatform:
    made = connect()
    made.backend.clock = clock
    return made


@pytest.fixture
def environment(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The settings for the lab in the environment, as a user would have them."""
    for name, value in lab.environment().items():
        monkeypatch.setenv(name, value)
    yield lab.environment()
    lab.rules()
    connections.close_all()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """The block, whatever becomes of it, takes no longer than this and a little grace."""
    with running_time() as took:
        try:
            yield
        finally:
            seconds_taken = took()
    assert seconds_taken < seconds + GRACE, f"took {seconds_taken:.1f} s instead of {seconds:g} s"


def sent(lab: Lab) -> dict[str, int]:
    """How often each action was requested, retries included."""
    counted = lab.requests()
    times = {action: counted.get(f"POST /api/vms/{{id}}/{action}", 0) for action in ACTIONS}
    return {action: number for action, number in times.items() if number}


def failed(act: Callable[[], object]) -> Outcome:
    """The one outcome of what must fail."""
    with pytest.raises(OperationFailed) as caught:
        act()
    (outcome,) = caught.value.outcomes
    assert outcome.error
    assert outcome.error in str(caught.value)
    return outcome
