"""Finds controls whose modules do not exist: Chaos Toolkit runs the experiment without them."""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["declared_controls", "own_controls", "without_module"]


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


def without_module(controls: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Any, str]]:
    """The name and the module of each control that cannot be found."""
    for control in controls:
        provider = control.get("provider")
        module = provider.get("module") if isinstance(provider, Mapping) else None
        if isinstance(module, str) and not _can_be_found(module):
            yield control.get("name"), module


def own_controls() -> list[str]:
    """The modules of this package's controls."""
    package = importlib.util.find_spec("chaosvm.controls")
    places = package.submodule_search_locations if package else None
    return [f"chaosvm.controls.{each.name}" for each in pkgutil.iter_modules(places)]


def _can_be_found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
