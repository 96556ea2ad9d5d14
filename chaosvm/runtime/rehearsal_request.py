"""Was a rehearsal asked for, whatever Chaos Toolkit made of it?

Chaos Toolkit runs an experiment without a control whose module it does not
find, or whose file it cannot read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chaosvm.runtime.documents import UnusableFile, parse_yaml, read_text
from chaosvm.runtime.experiment import Command, command, current_experiment

__all__ = ["where"]

_PACKAGE = "chaosvm.lab"


def where() -> str:
    """The place where a control of the lab is declared, or seems to be; else an empty text."""
    if _any_of_ours((current_experiment() or {}).get("controls")):
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
        text = read_text(Path(path))
    except UnusableFile:
        return False
    try:
        told = parse_yaml(text)  # which JSON is, too
    except ValueError:
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
