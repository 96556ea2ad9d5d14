"""Settings and secrets from files and from Vault, as the examples show them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from chaosvm.lab import Lab, State
from tests.e2e.conftest import Chaos
from tests.examples import EXAMPLES
from tests.http_service import answering
from tests.registry import ACTING

TOKEN = "hvs.token-of-the-test"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab("small", platforms=ACTING) as lab:
        yield lab


def came_back(journal: dict[str, Any], lab: Lab) -> bool:
    statuses = {each["status"] for each in (*journal["run"], *journal["rollbacks"])}
    output = journal["run"][0]["output"]
    changed = output.get("outcomes", [output])
    states = {lab.world.vm(each["name"]).state for each in changed if each["changed"]}
    return statuses == {"succeeded"} and bool(states) and State.OFF not in states


def filled_in(template: str, lab: Lab, vm_name: str) -> str:
    """The template with the lab's values, and a line for each that has none in it."""
    for name, value in {**lab.environment(), "VM_NAME": vm_name}.items():
        template, found = re.subn(rf"(?m)^(# )?{name}=.*$", f"{name}={value}", template)
        assert found == 1, name
    return template


@pytest.mark.parametrize(
    ("example", "vm_name"),
    [
        ("vsphere_vm_poweroff.json", "web-01"),
        ("olvm_vm_shutdown.json", "app-01"),
        ("olvm_vm_batch_shutdown.json", "app-*"),
    ],
)
def test_an_env_file(example: str, vm_name: str, lab: Lab, tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, {})
    template = (EXAMPLES / ".env.platforms.example").read_text("utf-8")
    (tmp_path / ".env").write_text(filled_in(template, lab, vm_name))
    journal = chaos.run(EXAMPLES / example, "--var-file", ".env")
    assert came_back(journal, lab), chaos.console
    assert lab.password not in chaos.everything_written()


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_declared_secrets(suffix: str, lab: Lab, tmp_path: Path) -> None:
    environment = lab.environment()
    chaos = Chaos(tmp_path, {"VSPHERE_PORT": environment["VSPHERE_PORT"]})
    given = (EXAMPLES / f"vars.{suffix}").read_text("utf-8")
    for placeholder, value in {
        "vcenter.example.com": environment["VSPHERE_SERVER"],
        "chaos@vsphere.local": lab.username,
        "change-me": lab.password,
    }.items():
        given = given.replace(placeholder, value)
    ca_file = json.dumps(environment["VSPHERE_CA_FILE"])
    given = re.sub(r'(vsphere_ca_file"?: )""', rf"\1{ca_file}", given)
    (tmp_path / f"vars.{suffix}").write_text(given)
    journal = chaos.run(EXAMPLES / "declared_secrets.yaml", "--var-file", f"vars.{suffix}")
    assert came_back(journal, lab), chaos.console
    assert lab.password not in json.dumps(journal) + chaos.console


def test_vault(lab: Lab, tmp_path: Path) -> None:
    """The secret's path and answer are those of Vault's key-value store, version 2.

    https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version
    """
    secret = {"username": lab.username, "password": lab.password}

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, Any]:
        if request.headers["X-Vault-Token"] != TOKEN:
            return 403, {"errors": ["permission denied"]}
        if request.path != "/v1/secret/data/chaos/vcenter":
            return 404, {"errors": []}
        return 200, {"data": {"data": secret, "metadata": {"version": 1}}}

    kept = ("VSPHERE_SERVER", "VSPHERE_PORT", "VSPHERE_CA_FILE")
    settings = {name: lab.environment()[name] for name in kept}
    with answering(answer) as port:
        address = f"http://127.0.0.1:{port}"
        chaos = Chaos(tmp_path, {**settings, "VAULT_ADDR": address, "VAULT_TOKEN": TOKEN})
        journal = chaos.run(EXAMPLES / "vault_secrets.yaml", "--var", "vm_name=web-01")
    assert came_back(journal, lab), chaos.console
    written = chaos.everything_written()
    assert lab.password not in written
    assert TOKEN not in written
