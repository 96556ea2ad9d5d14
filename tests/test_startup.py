"""What an import loads: no more than discovery needs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LARGE = {
    *("pyVmomi", "pyVim", "ovirtsdk4", "pycurl", "requests", "urllib3", "aiohttp", "http.client"),
    *("chaosvm.service", "chaosvm.power", "chaosvm.ledger", "logzero"),
}
PLATFORMS = ("vsphere", "olvm", "dora")
ACTIVITIES = [f"chaosvm.{name}.{kind}" for name in PLATFORMS for kind in ("actions", "probes")]


def loaded_by(module: str) -> set[str]:
    """Return the large modules that an import loads."""
    program = f"""
import sys, json
import chaoslib.types
before = set(sys.modules)
import {module}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return LARGE & set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["chaosvm", *ACTIVITIES])
def test_clients_are_imported_only_when_used(module: str) -> None:
    assert loaded_by(module) == set()


def test_a_large_module_is_noticed() -> None:
    assert loaded_by("chaosvm.dora.client") >= {"requests"}
