"""Is the control declared so that Chaos Toolkit can call it?

Chaos Toolkit passes over a control that it cannot call, tells nobody but its
log file, and runs the experiment. So this is found out before it is called: from
the declaration that Chaos Toolkit has at hand while it imports the control.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaosvm.controls.declaration import wrong_arguments
from chaosvm.experiment import Importing, importing

__all__ = ["check", "mistake"]

_STOPPED = "the rehearsal cannot begin, so nothing was run"


def check(module: str) -> None:
    """Raises SystemExit, which Chaos Toolkit does not pass over, while it imports the control."""
    found = importing(module)
    # What is validated is asked about its mistakes next.
    if found is None or found.validating:
        return
    if wrong := mistake(found):
        raise SystemExit(f"{_STOPPED}: {wrong}")


def mistake(found: Importing) -> str:
    """What is wrong with the declaration; an empty text for nothing."""
    control = found.control
    provider = control.get("provider")
    provider = provider if isinstance(provider, Mapping) else {}
    name = f"the control {control.get('name')!r}"
    if wrong := wrong_arguments(provider, "{'world': 'small'}"):
        return f"{name} has {wrong}"
    if control.get("scope") is not None:
        return f"{name} has the scope {control['scope']!r}, and has to be called before and after"
    if found.experiment is None:
        return ""
    if control.get("automatic", True) is not True:
        return f"{name} has 'automatic', and has to be called always"
    if not any(_same(each, control) for each in found.experiment.get("controls") or ()):
        return f"{name} is not among the controls of the experiment itself"
    return ""


def _same(one: Any, other: Mapping[str, Any]) -> bool:
    return isinstance(one, Mapping) and one.get("provider") == other.get("provider")
