"""An engine that quotes a request: the password is in no error, log, journal or ledger."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from chaosvm.errors import ChaosVMError
from chaosvm.lab import Lab, World, rule
from chaosvm.olvm import OLVMPlatform
from chaosvm.settings import Safety
from tests.moments import skip_waits

PASSWORD = "hunter2-Passw0rd<&>"


@pytest.fixture
def lab() -> Iterator[Lab]:
    world = World()
    world.add_vm("web-1")
    with Lab(world, platforms=["olvm"], password=PASSWORD) as running:
        yield running


@pytest.fixture
def platform(lab: Lab, tmp_path: Path) -> Iterator[OLVMPlatform]:
    made = OLVMPlatform(
        lab.olvm_url,
        lab.username,
        PASSWORD,
        ca_file=lab.ca_file,
        timeout=60,
        safety=Safety.of(ledger=str(tmp_path / "ledger")),
    )
    yield made
    lab.rules()
    made.disconnect()


@pytest.mark.parametrize(
    ("method", "code"),
    [
        *product(["*/stop", "GET /api/vms*", "*/sso/*"], [400, 403, 409, 500]),
        ("GET /api/tags*", 500),  # with 400 and 403 it goes on without them
    ],
)
def test_a_fault_that_quotes_the_password(
    lab: Lab,
    platform: OLVMPlatform,
    tmp_path: Path,
    logs: pytest.LogCaptureFixture,
    method: str,
    code: int,
) -> None:
    said = f"user {lab.username} has the password {PASSWORD}"
    lab.rules(rule(method, "fault", code=code, message=said))
    with pytest.raises(ChaosVMError) as refused:
        skip_waits(platform).power_off("web-1", graceful=False, timeout=40)
    assert lab.applied != [0]
    ledger = tmp_path / "ledger"
    recorded = ledger.read_text() if ledger.exists() else ""
    shown = "".join(traceback.format_exception(refused.value))  # as the journal has it
    for text in (str(refused.value), shown, logs.text, recorded):
        assert "hunter2" not in text
