"""Settings from files, as examples/.env.platforms.example and vars.yaml show them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosvm.lab import Lab, State
from tests.e2e.conftest import EXAMPLES, Chaos


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab("small", platforms=["vsphere"]) as lab:
        yield lab


def came_back(journal: dict[str, Any], lab: Lab) -> bool:
    statuses = {each["status"] for each in (*journal["run"], *journal["rollbacks"])}
    changed = journal["run"][0]["output"]["changed"]
    back = lab.world.vm("web-01").state is not State.OFF
    return statuses == {"succeeded"} and changed and back


def test_an_env_file(lab: Lab, tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, {})
    variables = {**lab.environment(), "VM_NAME": "web-01"}
    path = tmp_path / ".env"
    path.write_text("# A comment\n" + "".join(f"{k}={v}\n" for k, v in variables.items()))
    journal = chaos.run(EXAMPLES / "vsphere_vm_poweroff.json", "--var-file", str(path))
    assert came_back(journal, lab), chaos.console
    assert lab.password not in json.dumps(journal) + chaos.console


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_declared_secrets(suffix: str, lab: Lab, tmp_path: Path) -> None:
    environment = lab.environment()
    chaos = Chaos(tmp_path, {key: environment[key] for key in ("VSPHERE_PORT", "VSPHERE_CA_FILE")})
    given = {
        "configuration": {"vm_name": "web-01", "vsphere_server": environment["VSPHERE_SERVER"]},
        "secrets": {
            "vsphere": {"vsphere_username": lab.username, "vsphere_password": lab.password}
        },
    }
    path = tmp_path / f"vars.{suffix}"
    path.write_text(json.dumps(given))  # which is YAML too
    journal = chaos.run(EXAMPLES / "declared_secrets.yaml", "--var-file", str(path))
    assert came_back(journal, lab), chaos.console
    assert lab.password not in json.dumps(journal) + chaos.console
