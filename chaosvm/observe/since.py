"""The moment that a probe looks back to: a time, or the start of an earlier activity."""

from __future__ import annotations

import datetime as dt

from chaosvm.errors import InvalidValue, NotBegun
from chaosvm.runtime.activity_times import activity_began, activity_names, parse_time
from chaosvm.settings import values

__all__ = ["began"]

_EXPECTED = "an ISO 8601 time such as 2026-11-30T10:00:00Z, or the name of an activity of this run"


def began(since: object) -> dt.datetime:
    """The time on this machine's clock; a time without a zone is UTC.

    Raises InvalidValue, also for a time in the future, of which nothing can be known,
    and NotBegun for an activity that has not begun yet.
    """
    text = values.string("since", since, _EXPECTED)
    names = activity_names()
    if text in names:
        at = activity_began(text)
        if at is None:
            raise NotBegun(f"since is {text!r}, an activity that has not begun in this run")
        return at
    try:
        time = parse_time(text)
    except ValueError:
        hint = values.suggestion(text, names)
        raise InvalidValue(f"{values.invalid('since', text, _EXPECTED)}{hint}") from None
    if time > dt.datetime.now(dt.UTC):
        raise values.invalid("since", text, "a time that has passed")
    return time
