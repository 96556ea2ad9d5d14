"""Listens to a run's events, to stop it on a signal and to complete its journal.

Chaos Toolkit calls the handlers in a registry, which an activity or a control
finds further up its stack.
"""

from __future__ import annotations

import threading
from typing import Any

from chaoslib.run import RunEventHandler

from chaosvm.runtime import experiment, interruption, journal, rehearsal
from chaosvm.runtime.experiment import Phase, RunContext

__all__ = ["listen"]

_lock = threading.Lock()


def listen(run: RunContext) -> bool:
    """Listen to the run's events, before other handlers; False if there is no registry."""
    if experiment.rolling_back():
        run.phase.rollbacks = True
    if rehearsal.is_on():
        run.dry = "rehearsal"
    registry = experiment.event_registry()
    if registry is None:
        return False
    with _lock:
        if not any(isinstance(each, _Listener) and each.run is run for each in registry.handlers):
            # A new list, as another thread may be iterating over this one.
            registry.handlers = [_Listener(run), *registry.handlers]
    return True


class _Listener(RunEventHandler):  # type: ignore[misc]  # chaoslib is untyped
    def __init__(self, run: RunContext) -> None:
        self.run = run

    def start_rollbacks(self, experiment: dict[str, Any]) -> None:
        self.run.phase = Phase(rollbacks=True)

    def start_activity(self, activity: dict[str, Any]) -> None:
        self._check_stopped()

    def method_completed(self, experiment: dict[str, Any], state: Any = None) -> None:
        self._check_stopped()

    def activity_completed(self, activity: dict[str, Any], run: dict[str, Any]) -> None:
        journal.restore_output(run)

    def rollbacks_completed(self, experiment: dict[str, Any], journal_: dict[str, Any]) -> None:
        journal.correct_status(journal_, self.run)

    def finish(self, journal_: dict[str, Any]) -> None:
        interruption.uninstall(self.run)
        journal.correct_status(journal_, self.run)
        journal.record_interruption(journal_, self.run)
        journal.record_dry_run(journal_, self.run)

    def _check_stopped(self) -> None:
        if experiment.in_main_thread():
            interruption.install(self.run)
            interruption.check(self.run)
