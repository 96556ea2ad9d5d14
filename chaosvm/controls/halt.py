"""Stops the experiment when one of this package's actions fails.

Chaos Toolkit carries on with the next activity after an action that failed.
With this control the run is interrupted instead; what comes then, rollbacks
included, is up to ``--rollback-strategy``. An action that fails during the
rollbacks stops nothing.

With the argument ``when`` of ``after_method`` instead of ``at_once`` the other
activities of the method are played first: for actions that do not depend on
each other, but whose failure must not pass for success.

```json
{
  "controls": [
    {
      "name": "stop-when-an-action-fails",
      "provider": {"type": "python", "module": "chaosvm.controls.halt"}
    }
  ]
}
```
"""

import logging
from enum import StrEnum
from typing import Any, Dict, List

from chaoslib.exceptions import InterruptExecution

from chaosvm import values
from chaosvm.errors import InvalidValue

__all__ = [
    "after_activity_control",
    "after_method_control",
    "after_rollback_control",
    "before_experiment_control",
    "before_rollback_control",
]

logger = logging.getLogger("chaostoolkit")

_PACKAGE = "chaosvm."
_rolling_back = False
_failed: List[str] = []


class When(StrEnum):
    """When an experiment is stopped in which an action failed."""

    AT_ONCE = "at_once"
    AFTER_METHOD = "after_method"


def before_experiment_control(
    context: Dict[str, Any], when: str = "at_once", **kwargs: Any
) -> None:
    """A run begins outside of its rollbacks."""
    _set_rolling_back(False)
    _failed.clear()
    try:
        values.choice("when", when, When)
    except InvalidValue as error:
        raise InterruptExecution(f"chaosvm.controls.halt: {error}") from None


def before_rollback_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """From here on, failures stop nothing."""
    _set_rolling_back(True)


def after_rollback_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """The rollbacks are over."""
    _set_rolling_back(False)


def after_activity_control(
    context: Dict[str, Any],
    state: Dict[str, Any] = None,
    when: str = "at_once",
    **kwargs: Any,
) -> None:
    """Interrupt the run if this was an action of ours, and it failed."""
    module = str(context.get("provider", {}).get("module", ""))
    ours = context.get("type") == "action" and module.startswith(_PACKAGE)
    if not ours or _rolling_back or (state or {}).get("status") != "failed":
        return
    name = str(context.get("name"))
    if when == When.AFTER_METHOD:
        _failed.append(name)
        return
    logger.error(f"the action {name!r} failed, so the experiment is stopped")
    raise InterruptExecution(f"the action {name!r} failed")


def after_method_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """Interrupt the run if an action failed earlier, and this was waited for."""
    if _failed:
        names = ", ".join(repr(name) for name in _failed)
        raise InterruptExecution(f"of the method's actions, these failed: {names}")


def _set_rolling_back(now: bool) -> None:
    global _rolling_back
    _rolling_back = now
