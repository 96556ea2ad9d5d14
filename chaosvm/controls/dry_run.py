"""Logs the plan of each power action that ``chaos run --dry`` skips.

With ``--dry actions`` or ``--dry activities``, Chaos Toolkit does not call actions at
all. This control plans each power action of this package instead, and logs the plan:
the VMs, what would be done to each, which are passed over or refused, and the limits.
Nothing is changed. An action that would fail is logged as a warning, and the run
continues. The control takes no arguments.

```json
{
  "controls": [
    {
      "name": "plan-the-skipped-actions",
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

from chaosvm.controls.declaration import check, log_errors, validate
from chaosvm.platforms import PLATFORMS

__all__ = ["before_activity_control", "validate_control"]

logger = logging.getLogger("chaostoolkit")

_MODULES = tuple(f"{platform.package}.actions" for platform in PLATFORMS)
# The actions that respect chaosvm_dry_run. Others, such as an export, do not.
_POWER = ("power_on", "power_off", "reboot", "suspend")
_FUNCTIONS = (*_POWER, *(f"batch_{verb}" for verb in _POWER), "outage", "restore_power_states")


def validate_control(control: Dict[str, Any]) -> None:
    """Refuse a declaration with which this control would not be called."""
    validate(control, {})


@log_errors
def before_activity_control(
    context: Dict[str, Any],
    experiment: Dict[str, Any] = None,
    configuration: Dict[str, Any] = None,
    secrets: Dict[str, Any] = None,
    **kwargs: Any,
) -> None:
    """Plan the action if Chaos Toolkit is about to skip it."""
    if not _is_power_action(context) or not _is_skipped(context, experiment or {}):
        return
    dry_run = {**(configuration or {}), "chaosvm_dry_run": True}
    try:
        run_activity(context, dry_run, secrets or {})
    except ActivityFailed as error:
        logger.warning(f"dry run: {context.get('name')!r} would fail: {error}")


def _is_power_action(activity: Dict[str, Any]) -> bool:
    provider = activity.get("provider") or {}
    known = provider.get("module") in _MODULES and provider.get("func") in _FUNCTIONS
    return activity.get("type") == "action" and known


def _is_skipped(activity: Dict[str, Any], experiment: Dict[str, Any]) -> bool:
    dry = activity.get("dry", experiment.get("dry"))
    return dry in (Dry.ACTIONS, Dry.ACTIVITIES)


check(__name__, {})
