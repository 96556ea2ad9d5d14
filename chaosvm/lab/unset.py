"""What an experiment needs to be loaded, and a rehearsal does not.

Chaos Toolkit does not run an experiment whose environment variables are not
set, or whose Vault cannot be reached. Where platforms are, and how to log in,
is the lab's in a rehearsal, so placeholders do as well.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from chaosvm.lab.others import activities, is_ours
from chaosvm.platforms import PLATFORMS

__all__ = ["Unset", "stand_in"]

logger = logging.getLogger("chaostoolkit")

_PLACEHOLDER = "rehearsal"
_REDIRECTED = frozenset(
    f"{cls.prefix}_{field.name}"
    for cls in (platform.load_settings() for platform in PLATFORMS)
    for field in dataclasses.fields(cls)
    if not cls.rehearses(field)
)


@dataclasses.dataclass(frozen=True, slots=True)
class Unset:
    """What was replaced in an experiment."""

    experiment: dict[str, Any]
    before: Mapping[str, Any]

    def restore(self, journal: dict[str, Any]) -> None:
        """Show the experiment, there and in its journal, as it was written."""
        self.experiment.update(self.before)
        journal.get("experiment", {}).update(self.before)


def stand_in(experiment: dict[str, Any]) -> Unset:
    """Put placeholders for what is not there and not needed."""
    before = {
        key: deepcopy(experiment[key])
        for key in ("configuration", "secrets")
        if isinstance(experiment.get(key), dict)
    }
    replaced = [
        *_in_configuration(experiment.get("configuration") or {}),
        *_in_secrets(experiment.get("secrets") or {}, _needed_by_others(experiment)),
    ]
    if replaced:
        logger.info(f"rehearsal: placeholders stand for {', '.join(replaced)}")
    return Unset(experiment, before)


def _in_configuration(configuration: dict[str, Any]) -> list[str]:
    missing = [key for key, told in configuration.items() if key in _REDIRECTED and _unset(told)]
    configuration.update(dict.fromkeys(missing, _PLACEHOLDER))
    return missing


def _in_secrets(secrets: dict[str, Any], kept: frozenset[str]) -> list[str]:
    replaced = []
    for name, told in secrets.items():
        if name in kept or not isinstance(told, dict):
            continue
        if _unreachable(told):
            # A whole group is a mapping; a single secret is a text.
            secrets[name] = {} if told.get("type") == "vault" else _PLACEHOLDER
            replaced.append(name)
        else:
            missing = [key for key, each in told.items() if _unreachable(each)]
            told.update(dict.fromkeys(missing, _PLACEHOLDER))
            replaced += missing
    return replaced


def _needed_by_others(experiment: dict[str, Any]) -> frozenset[str]:
    """The groups of secrets that activities name which no lab stands in for."""
    return frozenset(
        str(group)
        for activity in activities(experiment)
        if not is_ours(activity)
        for group in activity["provider"].get("secrets") or ()
    )


def _unreachable(told: Any) -> bool:
    return _unset(told) or (isinstance(told, dict) and told.get("type") == "vault")


def _unset(told: Any) -> bool:
    return (
        isinstance(told, dict)
        and told.get("type") == "env"
        and "default" not in told
        and told.get("key") not in os.environ
    )
