"""Rehearses an experiment: simulated servers replace every platform, whatever is configured.

Declare it in the experiment, or rehearse an unchanged experiment with
``chaos run --control-file examples/rehearse.yaml experiment.json``. All arguments are
optional. See docs/rehearsals.md for them, and for what a rehearsal does not prevent.

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

A process that has imported this module is for rehearsals only: outside of them,
chaosvm refuses to connect.
"""

from __future__ import annotations

import atexit
import logging
import os
from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import InterruptExecution, InvalidControl
from chaoslib.run import EventHandlerRegistry, RunEventHandler

from chaosvm.lab import network_block
from chaosvm.lab.declaration import check_declaration, find_mistake
from chaosvm.lab.foreign_activities import is_chaosvm_activity, record_skipped
from chaosvm.runtime import Importing, current_experiment, rehearsal

if TYPE_CHECKING:
    from chaosvm.lab.placeholders import Placeholders
    from chaosvm.lab.session import RehearsalSession

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


def _block_servers(experiment: dict[str, Any] | None) -> None:
    settings = experiment or {}
    network_block.block_servers(settings.get("configuration"), settings.get("secrets"))


# Chaos Toolkit silently ignores a control that it cannot import or call, for example
# one with empty `arguments:`. So block first, and import what may fail later, where a
# failure stops the run.
rehearsal.block(rehearsal.NOT_YET)
check_declaration(rehearsal.CONTROL)
network_block.install()
_block_servers(current_experiment())

_session: RehearsalSession | None = None
_events: EventHandlerRegistry | None = None
_placeholders: Placeholders | None = None


def validate_control(control: dict[str, Any]) -> None:
    """Refuse a declaration that would prevent this control from being called."""
    experiment = current_experiment()
    if problem := find_mistake(Importing(control, experiment)):
        raise InvalidControl(f"the rehearsal cannot begin: {problem}")
    if _session is None:
        rehearsal.block(rehearsal.NOT_YET)
    _block_servers(experiment)


def after_loading_experiment_control(
    context: str, state: dict[str, Any] | None = None, **arguments: Any
) -> None:
    """Insert placeholders and start the lab. Only called with a control file.

    Placeholders replace variables and secrets that this machine lacks. The lab starts
    now because Chaos Toolkit runs the probes in the configuration next.
    """
    global _placeholders
    from chaosvm.lab.placeholders import insert_placeholders

    if state:
        _block_servers(state)
        _placeholders = insert_placeholders(state)
    _start_session(arguments)


def configure_control(event_registry: EventHandlerRegistry | None = None, **arguments: Any) -> None:
    """Keep the registry of run events, to be notified of the end of the run."""
    global _events
    _events = event_registry


def before_experiment_control(
    context: dict[str, Any],
    configuration: dict[str, Any] | None = None,
    secrets: dict[str, Any] | None = None,
    **arguments: Any,
) -> None:
    """Start the lab and begin the rehearsal, or interrupt the run."""
    try:
        network_block.block_servers(configuration, secrets)
        _start_session(arguments).begin(context, configuration or {}, secrets or {})
    # Chaos Toolkit ignores all other exceptions of a control and continues the run.
    except Exception as error:
        _close_session(f"the rehearsal could not be set up: {error}")
        raise InterruptExecution(
            f"the rehearsal could not be set up, so nothing was run: {error}"
        ) from error


def before_activity_control(context: dict[str, Any], **arguments: Any) -> None:
    """Interrupt the run if an activity would run outside of the rehearsal."""
    if _session is None or not _session.has_begun:
        raise InterruptExecution(f"{context.get('name')!r} was not run: there is no rehearsal")
    # Another control may have added or changed the activity.
    try:
        _session.foreign.mark_if_skipped(context)
    except Exception as error:
        raise InterruptExecution(f"{context.get('name')!r} was not run: {error}") from error


def after_activity_control(
    context: dict[str, Any], state: dict[str, Any] | None = None, **arguments: Any
) -> None:
    """Record in the journal that an activity was skipped."""
    if state:
        record_skipped(state)


def after_experiment_control(
    context: dict[str, Any], state: dict[str, Any] | None = None, **arguments: Any
) -> None:
    """Restore the experiment in the journal. Later controls can still use the lab."""
    journal = state or {}
    for run in (*journal.get("run", ()), *journal.get("rollbacks", ())):
        record_skipped(run)
    if _placeholders is not None and _placeholders.experiment is context:
        _placeholders.restore(journal)


def cleanup_control() -> None:
    """Stop the lab after all other controls and run events."""
    if _events is None:
        _close_session(_OVER)
    else:
        _events.register(_RunFinished())


class _RunFinished(RunEventHandler):  # type: ignore[misc]  # chaoslib is untyped
    """Ends the rehearsal on the last run event, after all earlier handlers."""

    def finish(self, journal: dict[str, Any]) -> None:
        global _events
        _events = None
        begun = _session is not None and _session.has_begun
        _close_session(_OVER)
        if begun:
            _record_failures(journal)


def _record_failures(journal: dict[str, Any]) -> None:
    """Let the run end as failed if an activity of chaosvm did, which Chaos Toolkit does not."""
    runs = (*journal.get("run", ()), *journal.get("rollbacks", ()))
    failed = [
        repr(run["activity"].get("name"))
        for run in runs
        if run.get("status") == "failed" and is_chaosvm_activity(run["activity"])
    ]
    if failed:
        logger.error(f"rehearsal: not passed, as these activities failed: {', '.join(failed)}")
        if journal.get("status") == "completed":
            journal["status"] = "failed"


def _start_session(arguments: dict[str, Any]) -> RehearsalSession:
    """The session, with its lab started."""
    global _session
    from chaosvm.lab.session import ControlArguments, RehearsalSession

    if _session is None:
        rehearsal.block(rehearsal.NOT_YET)
        network_block.block_servers(os.environ)
        _session = RehearsalSession(ControlArguments.read(arguments))
        try:
            _session.start_lab()
        except BaseException:
            _close_session(rehearsal.NOT_YET)
            raise
    return _session


def _close_session(reason: str) -> None:
    global _session
    session, _session = _session, None
    try:
        if session is not None:
            session.close(reason)
    finally:
        rehearsal.block(reason)


@atexit.register
def _at_exit() -> None:
    if _session is not None:
        logger.debug("the rehearsal ended with the process")
    _close_session(_OVER)
