"""The wheels in fresh environments: without extras, and with each extra alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import chaosvm
from chaosvm.errors import MissingExtra
from tests.packaging.conftest import EXTRAS, ROOT, Environment

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]

PROGRAM = Path(__file__).with_name("installed.py")
ACTIVITIES = sorted(
    f"{each['mod']}.{each['name']}"
    for each in chaosvm.discover(discover_system=False)["activities"]
)
ENVIRONMENTS = ("none", *EXTRAS)


def discovered(environment: Environment, distribution: str) -> list[str]:
    """The activities that `chaos discover` finds."""
    environment.chaos("discover", "--no-install", distribution)
    found = json.loads((environment.folder / "discovery.json").read_text("utf-8"))
    return sorted(f"{each['mod']}.{each['name']}" for each in found["activities"])


@pytest.mark.parametrize("extra", ENVIRONMENTS)
def test_an_extra_alone(environments: Mapping[str, Environment], extra: str) -> None:
    environment = environments[extra]
    found: dict[str, Any] = json.loads(environment.run_python(PROGRAM))
    assert not Path(found["package"]).is_relative_to(ROOT)
    assert found["activities"] == ACTIVITIES
    assert {"chaosvm.controls.undo", "chaosvm.controls.halt"} <= set(found["modules"])
    for needed, outcome in found["outcomes"].items():
        missing = outcome.startswith(MissingExtra.__name__)
        assert missing is (needed != extra), outcome
        assert not missing or f"pip install 'chaostoolkit-vm[{needed}]'" in outcome


@pytest.mark.parametrize("extra", ENVIRONMENTS)
def test_chaos_discovers_all(environments: Mapping[str, Environment], extra: str) -> None:
    assert discovered(environments[extra], "chaosvm") == ACTIVITIES


def test_chaos_lists_the_extension_with_its_license(
    environments: Mapping[str, Environment],
) -> None:
    printed = environments["none"].chaos("info", "extensions")
    (line,) = (each for each in printed.splitlines() if each.startswith("chaostoolkit-vm"))
    assert "Apache-2.0" in line


def test_an_example_is_copied_and_valid(environments: Mapping[str, Environment]) -> None:
    environment = environments["none"]
    environment.run_python("-m", "chaosvm.examples", "copied")
    copied = {path.name for path in (environment.folder / "copied").iterdir()}
    sources = {path.name for path in (ROOT / "examples").iterdir() if path.suffix != ".py"}
    assert copied == sources - {"__pycache__"}
    printed = environment.chaos("validate", Path("copied", "dora_all_environments.json"))
    assert "look valid" in printed


def test_uninstalling_either_breaks_nothing(environments: Mapping[str, Environment]) -> None:
    environment = environments["none"]
    environment.uninstall("chaosvm")
    assert discovered(environment, "chaostoolkit-vm") == ACTIVITIES
    environment.install("chaosvm")
    environment.uninstall("chaostoolkit-vm")
    try:
        printed = environment.chaos("discover", "--no-install", "chaosvm")
        assert "pip install chaostoolkit-vm, or pip uninstall chaosvm" in printed
        assert "Core library" in environment.chaos("info", "core")
    finally:
        environment.install("chaostoolkit-vm")
