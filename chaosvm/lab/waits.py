"""Shortens the waits of an experiment that only let time pass, so that a rehearsal is quick.

All of them are shortened by the same factor, so what overlaps in the experiment overlaps in the
rehearsal, too.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaoslib import substitute

from chaosvm.lab.foreign_activities import activities, is_chaosvm_activity

__all__ = ["shorten_waits"]

logger = logging.getLogger("chaostoolkit")

_ARGUMENTS = ("duration", "interval")
_PAUSES = ("before", "after")


@dataclass
class _Wait:
    """A value in the experiment: seconds, or a variable that holds them."""

    place: dict[str, Any]
    key: str
    written: Any
    seconds: float


def shorten_waits(
    experiment: dict[str, Any], configuration: Mapping[str, Any], longest: float
) -> Callable[[], None]:
    """Let no wait take longer; returns a function that restores the experiment."""
    waits = {(id(each.place), each.key): each for each in _waits(experiment, configuration)}
    most = max((each.seconds for each in waits.values()), default=0.0)
    if most <= longest:
        return lambda: None
    for each in waits.values():
        each.place[each.key] = each.seconds * longest / most
    logger.info(
        f"rehearsal: pauses, durations and intervals are shortened: {most:g} s to {longest:g} s, "
        "and shorter ones in proportion"
    )

    def restore() -> None:
        for each in waits.values():
            each.place[each.key] = each.written

    return restore


def _waits(experiment: dict[str, Any], configuration: Mapping[str, Any]) -> Iterator[_Wait]:
    for activity in activities(experiment):
        places = [(activity.get("pauses"), _PAUSES)]
        if is_chaosvm_activity(activity):
            places.append((activity["provider"].get("arguments"), _ARGUMENTS))
        for place, keys in places:
            for key in keys:
                if isinstance(place, dict) and key in place:
                    value = substitute(place[key], dict(configuration), {})
                    if (seconds := _seconds(value)) is not None:
                        yield _Wait(place, key, place[key], seconds)


def _seconds(value: Any) -> float | None:
    """None for what is no number, which is left to the activity to refuse."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None
