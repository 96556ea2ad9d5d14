"""A server that quotes a request: the password is in no error, log, journal or ledger."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaosvm.errors import ChaosVMError
from chaosvm.lab import Lab, World, rule
from chaosvm.service import VMService
from chaosvm.settings import Safety
from chaosvm.vsphere import VSpherePlatform
from tests.moments import skip_waits

PASSWORD = "hunter2-Passw0rd<&>"


@pytest.fixture
def lab() -> Iterator[Lab]:
    world = World()
    world.add_vm("web-1")
    with Lab(world, platforms=["vsphere"], password=PASSWORD) as running:
        yield running


@pytest.fixture
def platform(lab: Lab, tmp_path: Path) -> Iterator[VMService]:
    made = VSpherePlatform(
        lab.vsphere_server,
        lab.username,
        PASSWORD,
        lab.vsphere_port,
        lab.ca_file,
        timeout=10,
        safety=Safety.of(ledger=str(tmp_path / "ledger")),
    )
    yield made
    lab.rules()
    made.disconnect()


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("PowerOffVM_Task", "NotSupported"),
        ("PowerOffVM_Task", "NoPermission"),
        ("RetrievePropertiesEx", "RuntimeFault"),
        ("RetrieveServiceContent", "RuntimeFault"),
        ("Login", "RuntimeFault"),
    ],
)
def test_a_fault_that_quotes_the_password(
    lab: Lab,
    platform: VMService,
    tmp_path: Path,
    logs: pytest.LogCaptureFixture,
    method: str,
    fault: str,
) -> None:
    said = f"user {lab.username} has the password {PASSWORD}"
    lab.rules(rule(f"*{method}*", "fault", fault=fault, message=said, code=500))
    with pytest.raises(ChaosVMError) as refused:
        skip_waits(platform).power_off("web-1", graceful=False)
    ledger = tmp_path / "ledger"
    recorded = ledger.read_text() if ledger.exists() else ""
    shown = "".join(traceback.format_exception(refused.value))  # as the journal has it
    for text in (str(refused.value), shown, logs.text, recorded):
        assert "hunter2" not in text


def test_a_task_that_fails_with_the_password(
    lab: Lab, platform: VMService, tmp_path: Path, logs: pytest.LogCaptureFixture
) -> None:
    said = f"the password {PASSWORD} is wrong"
    lab.rules(rule("PowerOffVM_Task", "failed_task", fault="GenericVmConfigFault", message=said))
    with pytest.raises(ChaosVMError, match=r"the password \*\*\* is wrong") as refused:
        skip_waits(platform).power_off("web-1", graceful=False)
    outcomes = [outcome.to_json() for outcome in refused.value.outcomes]
    assert "***" in json.dumps(outcomes)
    for text in (json.dumps(outcomes), logs.text, (tmp_path / "ledger").read_text()):
        assert "hunter2" not in text
