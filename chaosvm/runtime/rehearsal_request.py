"""Finds out whether a rehearsal is requested, even if Chaos Toolkit ignores the request.

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

__all__ = ["find_declaration"]

_PACKAGE = "chaosvm.lab"


def find_declaration() -> str:
    """Return where a control of the lab is declared, or seems to be; an empty string if nowhere."""
    if _any_of_lab((current_experiment() or {}).get("controls")):
        return "the experiment"
    run = command() or Command((), {})
    for path in run.control_files:
        if _declared_in(path):
            return path
    controls = run.settings.get("controls")
    if isinstance(controls, Mapping) and _any_of_lab(controls.values()):
        return "Chaos Toolkit's settings"
    return ""


@cache
def _declared_in(path: str) -> bool:
    try:
        text = read_text(Path(path))
    except UnusableFile:
        return False
    try:
        declarations = parse_yaml(text)  # JSON is YAML
    except ValueError:
        return _PACKAGE in text
    return isinstance(declarations, Mapping) and _any_of_lab(declarations.values())


def _any_of_lab(controls: Any) -> bool:
    """True if a control's module starts with the lab's name, as the rest may be misspelled."""
    if not isinstance(controls, Iterable):
        return False
    providers = [each.get("provider") for each in controls if isinstance(each, Mapping)]
    return any(
        str(each.get("module", "")).lower().startswith(_PACKAGE)
        for each in providers
        if isinstance(each, Mapping)
    )
