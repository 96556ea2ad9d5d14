"""Stops the experiment when one of this package's actions fails.

Chaos Toolkit carries on with the next activity after an action that failed.
With this control the run is interrupted instead; what comes then, rollbacks
included, is up to the rollback strategy. Where the action was in the background,
that is before the next activity begins. An action that fails during the
rollbacks stops nothing, but the run ends as ``failed``.

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
import threading
from enum import StrEnum
from typing import Any, Dict, List

from chaoslib.exceptions import InterruptExecution

from chaosvm.controls.declaration import check, required, validate
from chaosvm.errors import InvalidValue
from chaosvm.runtime import supervision
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
_stopped: List[str] = []  # why, if the run was


class When(StrEnum):
    """When an experiment is stopped in which an action failed."""

    AT_ONCE = "at_once"
    AFTER_METHOD = "after_method"


_ARGUMENTS = {"when": lambda key, value: values.choice(key, value, When)}


def validate_control(control: Dict[str, Any]) -> None:
    """Refuse an experiment that declares this control so that it would not be called."""
    validate(control, _ARGUMENTS)


@required
def before_experiment_control(
    context: Dict[str, Any], when: str = "at_once", **kwargs: Any
) -> None:
    """A run begins outside of its rollbacks."""
    supervision.watch()
    _set_rolling_back(False)
    for each in (_failed, _failed_rollbacks, _stopped):
        each.clear()
    try:
        values.choice("when", when, When)
    except InvalidValue as error:
        raise InterruptExecution(f"chaosvm.controls.halt: {error}") from None


@required
def before_rollback_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """From here on, failures stop nothing."""
    _set_rolling_back(True)


@required
def after_rollback_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """The rollbacks are over."""
    _set_rolling_back(False)


@required
def before_activity_control(context: Dict[str, Any], when: str = "at_once", **kwargs: Any) -> None:
    """Interrupt the run if an action failed in the background, where nothing can."""
    if _failed and when != When.AFTER_METHOD and not _rolling_back:
        _stop()


@required
def after_activity_control(
    context: Dict[str, Any],
    state: Dict[str, Any] = None,
    when: str = "at_once",
    **kwargs: Any,
) -> None:
    """Interrupt the run if this was an action of ours, and it failed."""
    module = str((context.get("provider") or {}).get("module", ""))
    ours = context.get("type") == "action" and module.startswith(_PACKAGE)
    if not ours or (state or {}).get("status") != "failed":
        return
    name = str(context.get("name"))
    if _rolling_back:
        _failed_rollbacks.append(name)
        return
    _failed.append(name)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if when != When.AFTER_METHOD and in_main_thread:
        logger.error(f"the action {name!r} failed, so the experiment is stopped")
        _stop()


@required
def after_method_control(context: Dict[str, Any], **kwargs: Any) -> None:
    """Interrupt the run if an action failed earlier, and this was waited for."""
    if _failed and not _stopped:
        _stop()


@required
def after_experiment_control(
    context: Dict[str, Any], state: Dict[str, Any] = None, **kwargs: Any
) -> None:
    """Say in the journal why the run was stopped, or that its rollbacks failed."""
    journal = state if state is not None else {}
    if _stopped and journal.get("status") == "interrupted" and not journal.get("interruption"):
        journal["interruption"] = {"kind": "control", "name": __name__, "reason": _stopped[0]}
    if _failed_rollbacks and journal.get("status") == "completed":
        logger.error(f"of the rollbacks, these failed: {_named(_failed_rollbacks)}")
        journal["status"] = "failed"


def _stop() -> None:
    if len(_failed) == 1:
        why = f"the action {_failed[0]!r} failed"
    else:
        why = f"of the method's actions, these failed: {_named(_failed)}"
    _stopped.append(why)
    raise InterruptExecution(why)


def _named(names: List[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _set_rolling_back(now: bool) -> None:
    global _rolling_back
    _rolling_back = now


check(__name__, _ARGUMENTS)
