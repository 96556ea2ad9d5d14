"""Placeholders for settings that an experiment needs and a rehearsal does not.

Chaos Toolkit refuses an experiment if an environment variable is not set or Vault
cannot be reached. In a rehearsal the lab provides addresses and credentials, so
placeholders are sufficient.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from chaosvm.lab.foreign_activities import activities, is_chaosvm_activity
from chaosvm.platforms import PLATFORMS

__all__ = ["Placeholders", "insert_placeholders"]

logger = logging.getLogger("chaostoolkit")

_PLACEHOLDER = "rehearsal"
_REDIRECTED = frozenset(
    f"{cls.prefix}_{field.name}"
    for cls in (platform.load_settings() for platform in PLATFORMS)
    for field in dataclasses.fields(cls)
    if not cls.rehearses(field)
)


@dataclasses.dataclass(frozen=True, slots=True)
class Placeholders:
    """The original configuration and secrets of an experiment with placeholders."""

    experiment: dict[str, Any]
    original: Mapping[str, Any]

    def restore(self, journal: dict[str, Any]) -> None:
        """Restore the originals in the experiment and its journal."""
        self.experiment.update(self.original)
        journal.get("experiment", {}).update(self.original)


def insert_placeholders(experiment: dict[str, Any]) -> Placeholders:
    """Replace settings that are unset and not needed in a rehearsal."""
    original = {
        key: deepcopy(experiment[key])
        for key in ("configuration", "secrets")
        if isinstance(experiment.get(key), dict)
    }
    replaced = [
        *_in_configuration(experiment.get("configuration") or {}),
        *_in_secrets(experiment.get("secrets") or {}, _groups_of_foreign_activities(experiment)),
    ]
    if replaced:
        logger.info(f"rehearsal: placeholders replace {', '.join(replaced)}")
    return Placeholders(experiment, original)


def _in_configuration(configuration: dict[str, Any]) -> list[str]:
    missing = [
        key for key, value in configuration.items() if key in _REDIRECTED and _is_unset(value)
    ]
    configuration.update(dict.fromkeys(missing, _PLACEHOLDER))
    return missing


def _in_secrets(secrets: dict[str, Any], kept_groups: frozenset[str]) -> list[str]:
    replaced = []
    for name, group in secrets.items():
        if name in kept_groups or not isinstance(group, dict):
            continue
        if _is_unavailable(group):
            # A Vault group is a mapping; a single secret is a string.
            secrets[name] = {} if group.get("type") == "vault" else _PLACEHOLDER
            replaced.append(name)
        else:
            missing = [key for key, secret in group.items() if _is_unavailable(secret)]
            group.update(dict.fromkeys(missing, _PLACEHOLDER))
            replaced += missing
    return replaced


def _groups_of_foreign_activities(experiment: dict[str, Any]) -> frozenset[str]:
    """The groups of secrets that foreign activities use."""
    return frozenset(
        str(group)
        for activity in activities(experiment)
        if not is_chaosvm_activity(activity)
        for group in activity["provider"].get("secrets") or ()
    )


def _is_unavailable(value: Any) -> bool:
    return _is_unset(value) or (isinstance(value, dict) and value.get("type") == "vault")


def _is_unset(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("type") == "env"
        and "default" not in value
        and value.get("key") not in os.environ
    )
