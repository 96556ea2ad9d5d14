"""Makes an order from the arguments of an activity, checked before anything is read or sent."""

from __future__ import annotations

from typing import Any

from chaosvm.backend import OnTimeout, Operation, Order
from chaosvm.observe import Milestone
from chaosvm.settings import values

__all__ = ["checked_order"]

_MAX_WAVES = 1000
_DAY = 86_400
# The options that only the other operation has.
_FOREIGN = {Operation.POWER_OFF: OnTimeout.RESET, Operation.REBOOT: OnTimeout.HARD}


def checked_order(operation: str, timeout: Any, **options: Any) -> Order:
    """From the arguments of an activity; raises InvalidValue, naming the argument."""
    verb = Operation(operation)
    for flag in ("graceful", "discard_memory"):
        if flag in options:
            options[flag] = values.boolean(flag, options[flag])
    if "on_timeout" in options:
        options["on_timeout"] = _on_timeout(verb, options["on_timeout"])
    if "wait_for" in options:
        options["wait_for"] = Milestone.parse("wait_for", options["wait_for"]).text
    if "waves" in options:
        options["waves"] = values.integer("waves", options["waves"], 1, _MAX_WAVES)
    if "interval" in options:
        options["interval"] = values.number("interval", options["interval"], 0, _DAY, "seconds")
    if "duration" in options:
        options["duration"] = values.number("duration", options["duration"], 0, _DAY, "seconds")
    seconds = values.timeout_seconds("timeout", timeout)
    return Order(operation=verb, timeout=seconds, **options)


def _on_timeout(operation: Operation, value: Any) -> OnTimeout:
    fitting = [each.value for each in OnTimeout if each is not _FOREIGN.get(operation)]
    if isinstance(value, str) and value in fitting:
        return OnTimeout(value)
    hint = values.suggestion(value, fitting)
    raise values.invalid("on_timeout", value, f"one of {', '.join(fitting)}{hint}")
