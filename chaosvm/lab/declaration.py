"""Checks that the control is declared so that Chaos Toolkit can call it.

Chaos Toolkit ignores a control that it cannot call, notes that in its log file only,
and runs the experiment. So the declaration is checked while the control is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaosvm.controls.declaration import wrong_arguments
from chaosvm.runtime import Importing, importing

__all__ = ["check_declaration", "find_mistake"]

_CANNOT_BEGIN = "the rehearsal cannot begin, so nothing was run"


def check_declaration(module: str) -> None:
    """Raises SystemExit, which Chaos Toolkit does not ignore when it imports a control."""
    declaration = importing(module)
    # During validation, Chaos Toolkit calls validate_control() next.
    if declaration is None or declaration.validating:
        return
    if problem := find_mistake(declaration):
        raise SystemExit(f"{_CANNOT_BEGIN}: {problem}")


def find_mistake(declaration: Importing) -> str:
    """The problem with the declaration, an empty string if there is none."""
    control = declaration.control
    provider = control.get("provider")
    provider = provider if isinstance(provider, Mapping) else {}
    name = f"the control {control.get('name')!r}"
    if problem := wrong_arguments(provider, "{'world': 'small'}"):
        return f"{name} has {problem}"
    if control.get("scope") is not None:
        return f"{name} has the scope {control['scope']!r}, but must be called before and after"
    if declaration.experiment is None:
        return ""
    if control.get("automatic", True) is not True:
        return f"{name} has 'automatic', but must always be called"
    controls = declaration.experiment.get("controls") or ()
    if not any(_has_same_provider(each, control) for each in controls):
        return f"{name} is not among the controls of the experiment itself"
    return ""


def _has_same_provider(control: Any, other: Mapping[str, Any]) -> bool:
    return isinstance(control, Mapping) and control.get("provider") == other.get("provider")
