"""Which experiment is running, as far as a call that is part of it can tell."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["declares_control", "reason_to_give"]

_LONGEST_TITLE = 200


def reason_to_give() -> str:
    """Names the experiment, or says that there is none: left in a platform's records."""
    title = (_running() or {}).get("title")
    if not isinstance(title, str) or not title:
        return "chaosvm, called from Python"
    return f"Chaos Toolkit experiment: {title[:_LONGEST_TITLE]}"


def declares_control(module: str) -> bool:
    """Does the experiment that this call is part of have a control of this module?"""
    controls = (_running() or {}).get("controls")
    return isinstance(controls, list) and any(
        isinstance(each, dict) and (each.get("provider") or {}).get("module") == module
        for each in controls
    )


def _running() -> dict[str, Any] | None:
    """The experiment that this call is part of.

    Chaos Toolkit tells an activity nothing about its experiment, but the
    function of its own that executes the activity has it, further up the stack
    of the same thread.
    """
    frame = sys._getframe()
    while (above := frame.f_back) is not None:
        frame = above
        if frame.f_globals.get("__name__", "").startswith("chaoslib."):
            experiment = frame.f_locals.get("experiment")
            if isinstance(experiment, dict) and "title" in experiment:
                return experiment
    return None
