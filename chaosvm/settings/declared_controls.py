"""The controls that an experiment declares, and those of them that do not exist."""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any

from chaosvm.settings import values

__all__ = ["declared_controls", "missing_controls"]

_OWN = "chaosvm.controls"


def declared_controls(experiment: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The controls of an experiment and of its activities."""
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    activities = [
        *(hypothesis.get("probes") or ()),
        *(experiment.get("method") or ()),
        *(experiment.get("rollbacks") or ()),
    ]
    for part in (experiment, *activities):
        yield from (each for each in part.get("controls") or () if isinstance(each, Mapping))


def missing_controls(experiment: Mapping[str, Any], only_own: bool = False) -> Iterator[str]:
    """A sentence for each control without a module: Chaos Toolkit continues without it.

    only_own: only for those of this package, misspelt ones included.
    """
    for control in declared_controls(experiment):
        provider = control.get("provider")
        module = provider.get("module") if isinstance(provider, Mapping) else None
        if not isinstance(module, str) or _can_be_found(module):
            continue
        hint = values.suggestion(module, _own_controls())
        if hint or module.startswith("chaosvm.") or not only_own:
            name = control.get("name")
            yield f"the control {name!r} has the module {module!r}, which does not exist{hint}"


def _own_controls() -> list[str]:
    package = importlib.util.find_spec(_OWN)
    places = package.submodule_search_locations if package else None
    return [f"{_OWN}.{each.name}" for each in pkgutil.iter_modules(places)]


def _can_be_found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
