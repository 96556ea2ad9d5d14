"""Which experiment is running: for the reason that is left in a platform's records."""

from __future__ import annotations

import sys

__all__ = ["reason_to_give"]

_LONGEST_TITLE = 200


def reason_to_give() -> str:
    """Names the experiment, or says that there is none."""
    title = _running_title()
    return f"Chaos Toolkit experiment: {title}" if title else "chaosvm, called from Python"


def _running_title() -> str | None:
    """The title of the experiment that this call is part of.

    Chaos Toolkit tells an activity nothing about its experiment, but the
    function of its own that executes the activity has it, further up the stack
    of the same thread.
    """
    frame = sys._getframe()
    while (above := frame.f_back) is not None:
        frame = above
        if frame.f_globals.get("__name__", "").startswith("chaoslib."):
            experiment = frame.f_locals.get("experiment")
            if isinstance(experiment, dict) and isinstance(experiment.get("title"), str):
                return str(experiment["title"])[:_LONGEST_TITLE]
    return None
