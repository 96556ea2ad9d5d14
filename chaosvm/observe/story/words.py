"""How the report writes numbers, times, names and states, and what it never shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from chaosvm.listing import listed
from chaosvm.observe.timeline import Timeline
from chaosvm.redaction import redacted

__all__ = [
    "clean",
    "clock_time",
    "count",
    "date_time",
    "duration",
    "joined",
    "moment",
    "named",
    "rounded",
    "seconds_text",
    "state_word",
    "visible",
    "without_secrets",
]

_MAX_LENGTH = 200
_MAX_NAMED = 20
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
# The user, the query and the fragment of a URL may hold secrets.
_URL = re.compile(
    r"\b([a-z][a-z0-9+.-]*://)(?:[^\s/@]*@)?([^\s?#'\"<>]*)(?:[?#][^\s'\"<>]*)?", re.I
)
_PATH = re.compile(r"(?<![\w.:/<-])/(?:[\w.@+~%-]+/)+(?=[\w.@+~%-])")
_USER = re.compile(r"\b(user(?:name)?:?) (['\"])[^'\"]*\2")
_STATES = {
    "powered_on": "on",
    "powered_off": "off",
    "suspended": "suspended",
    "paused": "paused",
    "transitioning": "changing state",
    "unknown": "unknown",
}


def without_secrets(timeline: Timeline) -> Timeline:
    """The timeline with all its strings made safe to show."""
    shown: Timeline = _mapped(timeline, clean)
    return shown


def visible(text: str) -> str:
    """The text with a replacement character for each that cannot be shown."""
    return _CONTROL.sub("\ufffd", text)


def clean(text: str) -> str:
    """The text without what is never shown: see docs/report.md."""
    shown = redacted(visible(text))
    shown = _URL.sub(r"\1\2", shown)
    shown = _USER.sub(r"\1 ***", _PATH.sub("", shown))
    return shown if len(shown) <= _MAX_LENGTH else f"{shown[: _MAX_LENGTH - 1]}…"


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, StrEnum):
        return value
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(key)): _mapped(item, change) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_mapped(item, change) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value)]
        return replace(value, **{name: _mapped(getattr(value, name), change) for name in names})
    return value


def duration(seconds: float) -> str:
    """63.4 s, or 2 min 46 s from two minutes on."""
    if seconds < 119.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def rounded(seconds: float) -> str:
    """For times that are at best accurate to a second."""
    return duration(seconds) if not 1 <= seconds < 119.5 else f"{seconds:.0f} s"


def seconds_text(seconds: float) -> str:
    """9.8 s, 132 s; for how long something took."""
    return f"{seconds:.1f} s" if seconds < 99.95 else f"{seconds:.0f} s"


def moment(seconds: float, span: float) -> str:
    """A time of the run, in a run of ``span`` seconds: 12.0 s, or 1:02 in longer ones."""
    if span < 120:
        return f"{seconds:.1f} s"
    whole = max(0, round(seconds))
    if span < 7200:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def clock_time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%H:%M:%S}"


def date_time(time: datetime) -> str:
    utc = time.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y, %H:%M:%S}"


def count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def joined(parts: Sequence[str]) -> str:
    """a and b; a, b, and c"""
    if len(parts) < 3:
        return " and ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"


def named(names: Sequence[str]) -> str:
    """The first twenty names, then how many more."""
    if len(names) <= _MAX_NAMED:
        return joined(names)
    return listed(names, _MAX_NAMED)


def state_word(state: str) -> str:
    return _STATES.get(state, state.replace("_", " "))
