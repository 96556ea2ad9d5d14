"""A control that adds an action to the method when the run has begun."""

from __future__ import annotations

from typing import Any


def before_method_control(context: dict[str, Any], **_: Any) -> None:
    context["method"].append(context["extensions"][0])
