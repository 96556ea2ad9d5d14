"""What a client asks for that the lab does not do, and why: known_failures.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

__all__ = ["reason"]

_FILE = Path(__file__).with_suffix(".yaml")


def reason(family: str, name: str) -> str:
    """Why it is expected to fail; empty if it has to pass."""
    return _reasons().get((family, name), "")


@cache
def _reasons() -> dict[tuple[str, str], str]:
    """By family and name: the file lists them by reason, then by family."""
    listed = yaml.safe_load(_FILE.read_text(encoding="utf-8")) or {}
    return {
        (family, name): why
        for why, families in listed.items()
        for family, names in families.items()
        for name in names
    }
