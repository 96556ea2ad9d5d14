"""Tells what ``chaos run --dry`` leaves out: the plan of each power action.

With ``--dry actions`` or ``--dry activities`` Chaos Toolkit does not call the
actions at all. With this control each power action of this package is planned
instead, and logged in readable lines: which VMs, what would be done to each,
what is passed over or refused, and what the guards say. Nothing is changed. An
action that would fail is told of as a warning, and the run goes on.

```json
{
  "controls": [
    {
      "name": "tell-what-a-dry-run-leaves-out",
      "provider": {"type": "python", "module": "chaosvm.controls.dry_run"}
    }
  ]
}
```
"""

import logging
from typing import Any, Dict

from chaoslib.activity import run_activity
from chaoslib.exceptions import ActivityFailed
from chaoslib.types import Dry

from chaosvm.controls.declaration import check, told, validate

__all__ = ["before_activity_control", "validate_control"]

logger = logging.getLogger("chaostoolkit")

_MODULES = ("chaosvm.vsphere.actions", "chaosvm.olvm.actions", "chaosvm.dora.actions")
# What keeps to chaosvm_dry_run. Other actions, such as an export, do not.
_POWER = ("power_on", "power_off", "reboot", "suspend")
_FUNCTIONS = (*_POWER, *(f"batch_{verb}" for verb in _POWER), "restore_power_states")


def validate_control(control: Dict[str, Any]) -> None:
    """Refuse an experiment that declares this control so that it would not be called."""
    validate(control, {})


@told
def before_activity_control(
    context: Dict[str, Any],
    experiment: Dict[str, Any] = None,
    configuration: Dict[str, Any] = None,
    secrets: Dict[str, Any] = None,
    **kwargs: Any,
) -> None:
    """Plan the action, if Chaos Toolkit is about to leave it out."""
    if not _is_ours(context) or not _is_left_out(context, experiment or {}):
        return
    rehearsing = {**(configuration or {}), "chaosvm_dry_run": True}
    try:
        run_activity(context, rehearsing, secrets or {})
    except ActivityFailed as error:
        logger.warning(f"dry run: {context.get('name')!r} would fail: {error}")


def _is_ours(activity: Dict[str, Any]) -> bool:
    provider = activity.get("provider") or {}
    ours = provider.get("module") in _MODULES and provider.get("func") in _FUNCTIONS
    return activity.get("type") == "action" and ours


def _is_left_out(activity: Dict[str, Any], experiment: Dict[str, Any]) -> bool:
    dry = activity.get("dry", experiment.get("dry"))
    return dry in (Dry.ACTIONS, Dry.ACTIVITIES)


check(__name__, {})
