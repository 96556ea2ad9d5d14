"""The registry: one line for each platform, and what it refers to exists."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import chaosvm
from chaosvm.platforms import PLATFORMS, Platform
from chaosvm.settings import Settings

PACKAGE = Path(chaosvm.__file__).parent


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_a_platform_is_what_its_line_says(platform: Platform) -> None:
    assert issubclass(platform.load_settings(), Settings)
    assert platform.load_settings().prefix == platform.name
    assert hasattr(import_module(platform.package), "discover")


def test_every_folder_that_can_be_discovered_has_a_line() -> None:
    with_actions = {path.parent.name for path in PACKAGE.glob("*/actions.py")}
    assert with_actions - {"activities"} == {platform.name for platform in PLATFORMS}
