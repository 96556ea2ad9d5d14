"""Was a rehearsal asked for, whatever Chaos Toolkit made of it?

Chaos Toolkit runs an experiment without a control whose module it does not
find, or whose file it cannot read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from chaosvm.experiment import Command, command, experiment_at_hand

__all__ = ["where"]

_PACKAGE = "chaosvm.lab"


def where() -> str:
    """The place where a control of the lab is declared, or seems to be; else an empty text."""
    if _any_of_ours((experiment_at_hand() or {}).get("controls")):
        return "the experiment"
    run = command() or Command((), {})
    for path in run.control_files:
        if _in_file(path):
            return path
    controls = run.settings.get("controls")
    if isinstance(controls, Mapping) and _any_of_ours(controls.values()):
        return "Chaos Toolkit's settings"
    return ""


@cache
def _in_file(path: str) -> bool:
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, ValueError):
        return False  # nor could Chaos Toolkit
    try:
        told = yaml.safe_load(text)  # which JSON is, too
    except yaml.YAMLError:
        return _PACKAGE in text
    return isinstance(told, Mapping) and _any_of_ours(told.values())


def _any_of_ours(controls: Any) -> bool:
    """Also those whose names only begin alike: they may be misspelt."""
    if not isinstance(controls, Iterable):
        return False
    providers = [each.get("provider") for each in controls if isinstance(each, Mapping)]
    return any(
        str(each.get("module", "")).lower().startswith(_PACKAGE)
        for each in providers
        if isinstance(each, Mapping)
    )
