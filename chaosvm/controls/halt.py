"""Stops the experiment when one of this package's actions fails.

Without it, Chaos Toolkit continues with the next activity. With it the run is
interrupted, and the rollback strategy decides whether rollbacks are played. If the
action runs in the background, the run stops before the next activity begins. A
rollback that fails stops nothing, but the run ends as ``failed``. So does a run whose
hypothesis was not met before the method; Chaos Toolkit alone calls it ``completed``.

The argument ``when`` is ``at_once`` (the default) or ``after_method``: the rest of the
method is played first, for actions that do not depend on each other.

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
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Dict, List

from chaoslib.exceptions import InterruptExecution

from chaosvm.controls.declaration import check, required, validate
from chaosvm.errors import InvalidValue
from chaosvm.runtime import experiment, supervision
from chaosvm.settings import values

__all__ = [
    "after_activity_control",
    "after_experiment_control",
    "after_method_control",
    "after_rollback_control",
    "before_activity_control",
    "before_experiment_control",
    "before_rollback_control",
    "validate_control",
]

logger = logging.getLogger("chaostoolkit")

_PACKAGE = "chaosvm."
_rolling_back = False
_failed: List[str] = []
_failed_rollbacks: List[str] = []
_reasons: List[str] = []  # why the run was stopped


class When(StrEnum):
    """When to stop the experiment after an action failed."""

    AT_ONCE = "at_once"
    AFTER_METHOD = "after_method"


_ARGUMENTS = {"when": lambda key, value: values.choice(key, value, When)}


def validate_control(control: Dict[str, Any]) -> None:
    """Refuse a declaration with which this control would not be called."""
    validate(control, _ARGUMENTS)


@required
def before_experiment_control(
    context: Dict[str, Any], when: str = "at_once", **kwargs: Any
) -> None:
    """Start a run: forget the previous one, and check the argument."""
    supervision.watch()
    _set_rolling_back(False)
    for names in (_failed, _failed_rollbacks, _reasons):
        names.clear()
    try:
        values.choice("when", when, When)
    except InvalidValue as error:
        raise InterruptExecution(f"chaosvm.controls.halt: {error}") from None


@required
def before_rollback_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """Let failures stop nothing from here on."""
    _set_rolling_back(True)


@required
def after_rollback_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """Let failures stop the run again."""
    _set_rolling_back(False)


@required
def before_activity_control(context: Dict[str, Any], when: str = "at_once", **kwargs: Any) -> None:
    """Interrupt the run if an action failed in a background thread, which cannot do it."""
    if _failed and when != When.AFTER_METHOD and not _rolling_back:
        _stop()


@required
def after_activity_control(
    context: Dict[str, Any],
    state: Dict[str, Any] = None,
    when: str = "at_once",
    **kwargs: Any,
) -> None:
    """Interrupt the run if an action of this package failed."""
    module = str((context.get("provider") or {}).get("module", ""))
    is_own_action = context.get("type") == "action" and module.startswith(_PACKAGE)
    if not is_own_action or (state or {}).get("status") != "failed":
        return
    name = str(context.get("name"))
    if _rolling_back:
        _failed_rollbacks.append(name)
        return
    _failed.append(name)
    if when != When.AFTER_METHOD and experiment.in_main_thread():
        logger.error(f"the action {name!r} failed, so the experiment is stopped")
        _stop()


@required
def after_method_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """Interrupt the run if an action failed and the run has not been stopped yet."""
    if _failed and not _reasons:
        _stop()


@required
def after_experiment_control(
    context: Dict[str, Any], state: Dict[str, Any] = None, **kwargs: Any
) -> None:
    """Record in the journal why the run was stopped or failed."""
    journal = state if state is not None else {}
    if _reasons and journal.get("status") == "interrupted" and not journal.get("interruption"):
        journal["interruption"] = {"kind": "control", "name": __name__, "reason": _reasons[0]}
    if journal.get("status") != "completed":
        return
    before = (journal.get("steady_states") or {}).get("before") or {}
    if before.get("steady_state_met") is False:
        logger.error("the hypothesis was not met before the method, so the method was not run")
        journal["status"] = "failed"
    if _failed_rollbacks:
        logger.error(f"these rollbacks failed: {_named(_failed_rollbacks)}")
        journal["status"] = "failed"


def _stop() -> None:
    if len(_failed) == 1:
        reason = f"the action {_failed[0]!r} failed"
    else:
        reason = f"of the method's actions, these failed: {_named(_failed)}"
    _reasons.append(reason)
    if (run := experiment.current_run()) is not None:
        run.stopped_at = run.stopped_at or datetime.now(UTC)
    raise InterruptExecution(reason)


def _named(names: List[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _set_rolling_back(value: bool) -> None:
    global _rolling_back
    _rolling_back = value


check(__name__, _ARGUMENTS)
