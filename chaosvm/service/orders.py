"""Makes an order from the arguments of an activity, checked before anything is read or sent."""

from __future__ import annotations

from typing import Any

from chaosvm.backend import OnTimeout, Operation, Order
from chaosvm.settings import values

__all__ = ["checked_order"]


def checked_order(operation: str, timeout: Any, **options: Any) -> Order:
    """From the arguments of an activity; raises InvalidValue, naming the argument."""
    for flag in ("graceful", "discard_memory"):
        if flag in options:
            options[flag] = values.boolean(flag, options[flag])
    if "on_timeout" in options:
        options["on_timeout"] = values.choice("on_timeout", options["on_timeout"], OnTimeout)
    seconds = values.timeout_seconds("timeout", timeout)
    return Order(operation=Operation(operation), timeout=seconds, **options)
