"""What an import brings in: no more than it takes to say what there is."""

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


def brought_in(module: str) -> set[str]:
    """The large modules that are there after an import, and were not before."""
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
def test_what_speaks_to_a_platform_is_imported_when_it_is_used(module: str) -> None:
    assert brought_in(module) == set()


def test_and_that_can_be_told() -> None:
    assert brought_in("chaosvm.dora.client") >= {"requests"}
