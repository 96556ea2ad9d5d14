"""Mistakes in an experiment that a rehearsal finds before anything is run.

In production they would fail, perhaps late; in a lab that adds what an experiment names, or
that has settings of its own, some would not.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chaoslib.exceptions import InvalidActivity
from chaoslib.provider.python import validate_python_activity

from chaosvm.errors import InvalidValue
from chaosvm.lab.fixtures import find_misspellings, is_near_miss, read_needs
from chaosvm.lab.foreign_activities import activities, is_chaosvm_activity
from chaosvm.lab.simulation import World
from chaosvm.platforms import PLATFORMS
from chaosvm.settings import Safety, Settings, load, suggestion
from chaosvm.settings.declared_controls import declared_controls, missing_controls

__all__ = ["find_mistakes"]

_SETTINGS: Mapping[str, type[Settings]] = {
    **{each.name: each.load_settings() for each in PLATFORMS},
    Safety.prefix: Safety,
}
_SETTING_KEYS = frozenset(
    f"{cls.prefix}_{field.name}" for cls in _SETTINGS.values() for field in dataclasses.fields(cls)
)
# The keys that Chaos Toolkit reads; it ignores all others.
_EXPERIMENT_KEYS = (
    *("version", "title", "description", "tags", "configuration", "secrets", "runtime"),
    *("steady-state-hypothesis", "method", "rollbacks", "controls", "extensions", "dry"),
    "contributions",
)
_ACTIVITY_KEYS = (
    *("type", "name", "ref", "provider", "tolerance", "pauses", "background", "controls", "dry"),
)
_PAUSE_KEYS = ("before", "after")
_CONTROL_KEYS = ("name", "provider", "scope", "automatic")
_PROVIDER_KEYS = ("type", "module", "func", "arguments", "secrets", "timeout")


def find_mistakes(
    experiment: Mapping[str, Any],
    configuration: Mapping[str, Any],
    secrets: Mapping[str, Any],
    world: World,
) -> list[str]:
    """A line for each mistake.

    configuration, secrets: their values, as activities receive them.
    """
    own = [each for each in activities(dict(experiment)) if is_chaosvm_activity(each)]
    problems = [
        *_misspelt_keys(experiment),
        *_unusable_activities(experiment),
        *missing_controls(experiment),
        *_misspelt_settings(own, configuration, secrets),
        *_misspelt_secrets(own, experiment.get("secrets") or {}),
    ]
    # What follows reads the arguments, which have to be right for that.
    return problems or [
        *read_needs(experiment, configuration)[1],
        *_misspelt_references(own, experiment),
        *find_misspellings(own, configuration, world, load(Safety, configuration, {})),
    ]


# Keys ------------------------------------------------------------------------------------


def _misspelt_keys(experiment: Mapping[str, Any]) -> Iterator[str]:
    yield from _misspelt(experiment, _EXPERIMENT_KEYS, "the experiment")
    for each in activities(dict(experiment)):
        name = f"the activity {each.get('name')!r}"
        yield from _misspelt(each, _ACTIVITY_KEYS, name)
        yield from _misspelt(_mapping(each, "pauses"), _PAUSE_KEYS, f"the pauses of {name}")
        if each["provider"].get("type") == "python":
            yield from _misspelt(each["provider"], _PROVIDER_KEYS, f"the provider of {name}")
    for control in declared_controls(experiment):
        name = f"the control {control.get('name')!r}"
        yield from _misspelt(control, _CONTROL_KEYS, name)
        yield from _misspelt(
            _mapping(control, "provider"), _PROVIDER_KEYS, f"the provider of {name}"
        )


def _mapping(part: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What is below a key; empty if that is no mapping, which Chaos Toolkit reports."""
    value = part.get(key)
    return value if isinstance(value, Mapping) else {}


def _misspelt(mapping: Mapping[str, Any], known: Iterable[str], where: str) -> Iterator[str]:
    for key in mapping:
        if key not in known and (meant := _meant(key, known)):
            yield f"{where} has the key {key!r}: did you mean {meant!r}?"


def _meant(key: Any, known: Iterable[str]) -> str | None:
    if not isinstance(key, str):
        return None
    return next((each for each in sorted(known) if is_near_miss(key, each)), None)


# Activities and controls -----------------------------------------------------------------


def _unusable_activities(experiment: Mapping[str, Any]) -> Iterator[str]:
    """Modules, functions and arguments that do not exist."""
    for activity in activities(dict(experiment)):
        if activity["provider"].get("type") != "python":
            continue
        try:
            validate_python_activity({"name": "", **activity})
        except InvalidActivity as error:
            yield f"{error}{_hint(activity['provider'])}"


def _hint(provider: Mapping[str, Any]) -> str:
    """The function or argument that was probably meant."""
    module, func = str(provider.get("module")), str(provider.get("func"))
    try:
        found = importlib.import_module(module)
    except ImportError:
        return suggestion(module, _own_modules())
    if not hasattr(found, func):
        return suggestion(func, getattr(found, "__all__", ()))
    known = getattr(found, func).__code__.co_varnames
    unknown = [name for name in provider.get("arguments") or {} if name not in known]
    return suggestion(unknown[0], known) if unknown else ""


def _own_modules() -> list[str]:
    return [f"chaosvm.{each.name}.{kind}" for each in PLATFORMS for kind in ("actions", "probes")]


def _misspelt_references(
    own: Iterable[Mapping[str, Any]], experiment: Mapping[str, Any]
) -> Iterator[str]:
    """Earlier activities that `since` names; anything else is a time."""
    names = [str(each.get("name")) for each in activities(dict(experiment))]
    for activity in own:
        since = (activity["provider"].get("arguments") or {}).get("since")
        if isinstance(since, str) and since not in names and (meant := _meant(since, names)):
            yield f"since is {since!r} in {activity.get('name')!r}: did you mean {meant!r}?"


# Settings --------------------------------------------------------------------------------


def _misspelt_settings(
    own: Iterable[Mapping[str, Any]], configuration: Mapping[str, Any], secrets: Mapping[str, Any]
) -> Iterator[str]:
    groups = {name: group for name, group in secrets.items() if isinstance(group, Mapping)}
    for where, keys in (("configuration", configuration), *groups.items()):
        for key in keys:
            if key not in _SETTING_KEYS and (meant := _meant(key, _SETTING_KEYS)):
                yield f"{where} has {key!r}: did you mean the setting {meant!r}?"
    used = {each["provider"]["module"].split(".")[1] for each in own}
    problems = {
        problem
        for name, cls in _SETTINGS.items()
        if name in used or cls is Safety
        for group in ({}, *groups.values())
        if (problem := _problem(cls, configuration, group))
    }
    yield from sorted(problems)


def _problem(
    cls: type[Settings], configuration: Mapping[str, Any], group: Mapping[str, Any]
) -> str:
    try:
        load(cls, configuration, group)
    except InvalidValue as error:
        return str(error)
    return ""


def _misspelt_secrets(
    own: Iterable[Mapping[str, Any]], secrets: Mapping[str, Any]
) -> Iterator[str]:
    """Without its group of secrets an activity would log in to the lab all the same."""
    for activity in own:
        names = activity["provider"].get("secrets") or ()
        for name in [names] if isinstance(names, str) else names:
            if name not in secrets:
                hint = suggestion(str(name), secrets)
                yield (
                    f"{activity.get('name')!r} names the group of secrets {name!r}{hint}, "
                    "which the experiment does not declare"
                )
