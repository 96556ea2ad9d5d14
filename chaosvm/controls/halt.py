"""Stops the experiment when one of this package's actions fails.

Chaos Toolkit carries on with the next activity after an action that failed.
With this control the run is interrupted instead; what comes then, rollbacks
included, is up to ``--rollback-strategy``. An action that fails during the
rollbacks stops nothing.

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

from typing import Any, Dict

from chaoslib.exceptions import InterruptExecution
from logzero import logger

__all__ = [
    "after_activity_control",
    "after_rollback_control",
    "before_experiment_control",
    "before_rollback_control",
]

_PACKAGE = "chaosvm."
_rolling_back = False


def before_experiment_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """A run begins outside of its rollbacks."""
    _set_rolling_back(False)


def before_rollback_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """From here on, failures stop nothing."""
    _set_rolling_back(True)


def after_rollback_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """The rollbacks are over."""
    _set_rolling_back(False)


def after_activity_control(
    context: Dict[str, Any], state: Dict[str, Any] = None, **kwargs: Any
) -> None:
    """Interrupt the run if this was an action of ours, and it failed."""
    module = str(context.get("provider", {}).get("module", ""))
    ours = context.get("type") == "action" and module.startswith(_PACKAGE)
    if not ours or _rolling_back or (state or {}).get("status") != "failed":
        return
    name = context.get("name")
    logger.error(f"the action {name!r} failed, so the experiment is stopped")
    raise InterruptExecution(f"the action {name!r} failed")


def _set_rolling_back(now: bool) -> None:
    global _rolling_back
    _rolling_back = now
