"""The guides name the least privileges for every activity."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

import chaosvm

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("platform", ["vsphere", "olvm"])
def test_each_activity_is_in_the_section_on_privileges(platform: str) -> None:
    page = (DOCS / f"{platform}.md").read_text("utf-8")
    section = page.split("\n## Least privileges\n")[1].split("\n## ")[0]
    patterns = re.findall(r"`([a-z_*]+)`", section)
    activities = chaosvm.discover(discover_system=False)["activities"]
    names = [each["name"] for each in activities if each["mod"].startswith(f"chaosvm.{platform}.")]
    assert len(names) > 30
    assert [n for n in names if not any(fnmatch(n, pattern) for pattern in patterns)] == []
