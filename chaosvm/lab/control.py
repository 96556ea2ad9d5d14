"""Rehearses an experiment: a lab stands in for every platform, whatever is configured.

Declared in the experiment, or for any experiment as it is with
``chaos run --control-file examples/rehearse.yaml experiment.json``. All arguments
may be left out; docs/lab.md tells what they mean, and what a rehearsal does not
keep away from.

```json
{
  "controls": [
    {
      "name": "rehearse",
      "provider": {
        "type": "python",
        "module": "chaosvm.lab.control",
        "arguments": {"world": "small", "latency": 0.01, "other_actions": "stop"}
      }
    }
  ]
}
```

A process that has loaded this module is for rehearsals only: before, between
and after them chaosvm connects nowhere.
"""

from __future__ import annotations

import atexit
import logging
import os
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import InterruptExecution, InvalidControl
from chaoslib.run import EventHandlerRegistry, RunEventHandler

from chaosvm import rehearsal
from chaosvm.experiment import Importing, experiment_at_hand
from chaosvm.lab import wall
from chaosvm.lab.declared import check, mistake
from chaosvm.lab.others import note_skipped

if TYPE_CHECKING:
    from chaosvm.lab.stage import Stage
    from chaosvm.lab.unset import Unset

__all__ = [
    "after_activity_control",
    "after_experiment_control",
    "after_loading_experiment_control",
    "before_activity_control",
    "before_experiment_control",
    "cleanup_control",
    "configure_control",
    "validate_control",
]

logger = logging.getLogger("chaostoolkit")

_OVER = "the rehearsal is over"


def _keep_from(experiment: dict[str, Any] | None) -> None:
    told = experiment or {}
    wall.keep_from(told.get("configuration"), told.get("secrets"))


# Chaos Toolkit goes on without a control that it cannot call, as with `arguments:`
# and nothing below, or cannot import, and tells nobody. So this comes first, and
# what may fail to be imported is imported where that stops the run.
rehearsal.block(rehearsal.NOT_YET)
check(rehearsal.CONTROL)
wall.build()
_keep_from(experiment_at_hand())

_stage: Stage | None = None
_events: EventHandlerRegistry | None = None
_unset: Unset | None = None


def validate_control(control: dict[str, Any]) -> None:
    """Refuse an experiment that declares this control so that it would not be called."""
    experiment = experiment_at_hand()
    if wrong := mistake(Importing(control, experiment)):
        raise InvalidControl(f"the rehearsal cannot begin: {wrong}")
    if _stage is None:
        rehearsal.block(rehearsal.NOT_YET)
    _keep_from(experiment)


def after_loading_experiment_control(
    context: str, state: dict[str, Any] | None = None, **arguments: Any
) -> None:
    """With a control file only: what the experiment lacks on this machine must not end the run.

    The lab is there from now on, as probes in the configuration are run next.
    """
    global _unset
    from chaosvm.lab.unset import stand_in

    if state:
        _keep_from(state)
        _unset = stand_in(state)
    _set_up(arguments)


def configure_control(event_registry: EventHandlerRegistry | None = None, **arguments: Any) -> None:
    """Know where to hear of the end of the run."""
    global _events
    _events = event_registry


def before_experiment_control(
    context: dict[str, Any],
    configuration: dict[str, Any] | None = None,
    secrets: dict[str, Any] | None = None,
    **arguments: Any,
) -> None:
    """Start the lab, make sure that everything leads there, and open; or stop the run."""
    try:
        wall.keep_from(configuration, secrets)
        _set_up(arguments).open(context, configuration or {}, secrets or {})
    # Any other error than InterruptExecution would be passed over, and the run go on.
    except Exception as error:
        _take_down(f"the rehearsal could not be set up: {error}")
        raise InterruptExecution(
            f"the rehearsal could not be set up, so nothing was run: {error}"
        ) from error


def before_activity_control(context: dict[str, Any], **arguments: Any) -> None:
    """Stop whatever would run outside of the rehearsal, rollbacks and all."""
    if _stage is None or not _stage.is_open:
        raise InterruptExecution(f"{context.get('name')!r} was not run: there is no rehearsal")
    # Another control may have changed it.
    try:
        _stage.others.look_at(context)
    except Exception as error:
        raise InterruptExecution(f"{context.get('name')!r} was not run: {error}") from error


def after_activity_control(
    context: dict[str, Any], state: dict[str, Any] | None = None, **arguments: Any
) -> None:
    """Leave in the journal that an action was skipped, and not how."""
    if state:
        note_skipped(state)


def after_experiment_control(
    context: dict[str, Any], state: dict[str, Any] | None = None, **arguments: Any
) -> None:
    """Put the experiment into the journal as it was. Other controls still find the lab."""
    journal = state or {}
    for run in (*journal.get("run", ()), *journal.get("rollbacks", ())):
        note_skipped(run)
    if _unset is not None and _unset.experiment is context:
        _unset.restore(journal)


def cleanup_control() -> None:
    """Stop the lab when everybody has had their say, those at the run's very end included."""
    if _events is None:
        _take_down(_OVER)
    else:
        _events.register(_End())


class _End(RunEventHandler):  # type: ignore[misc]  # chaoslib is untyped
    """Chaos Toolkit's very last step, after that of all who wanted to hear of it before."""

    def finish(self, journal: dict[str, Any]) -> None:
        global _events
        _events = None
        _take_down(_OVER)


def _set_up(arguments: dict[str, Any]) -> Stage:
    """The stage, with the lab running on it."""
    global _stage
    from chaosvm.lab.stage import Plan, Stage

    if _stage is None:
        rehearsal.block(rehearsal.NOT_YET)
        wall.keep_from(os.environ)
        _stage = Stage(Plan.read(arguments))
        try:
            _stage.set_up()
        except BaseException:
            _take_down(rehearsal.NOT_YET)
            raise
    return _stage


def _take_down(why: str) -> None:
    global _stage
    stage, _stage = _stage, None
    try:
        if stage is not None:
            stage.take_down(why)
    finally:
        rehearsal.block(why)


@atexit.register
def _at_exit() -> None:
    if _stage is not None:
        logger.debug("the rehearsal ended with the process")
    _take_down(_OVER)
