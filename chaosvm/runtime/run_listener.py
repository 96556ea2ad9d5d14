"""Hears of a run's events, and keeps what its journal says true to what has happened.

Chaos Toolkit tells every run's events to those who are in its registry, which
an activity, or a control, finds further up its stack.
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
    """Hear of the events of this run, before others do; False if they are not told here."""
    if experiment.rolling_back():
        run.phase.rollbacks = True
    if rehearsal.is_on():
        run.dry = "rehearsal"
    registry = experiment.event_registry()
    if registry is None:
        return False
    with _lock:
        if not any(isinstance(each, _Listener) and each.run is run for each in registry.handlers):
            # Another list: somebody may be going through this one.
            registry.handlers = [_Listener(run), *registry.handlers]
    return True


class _Listener(RunEventHandler):  # type: ignore[misc]  # chaoslib is untyped
    def __init__(self, run: RunContext) -> None:
        self.run = run

    def start_rollbacks(self, experiment: dict[str, Any]) -> None:
        self.run.phase = Phase(rollbacks=True)

    def start_activity(self, activity: dict[str, Any]) -> None:
        self._stop_if_told()

    def method_completed(self, experiment: dict[str, Any], state: Any = None) -> None:
        self._stop_if_told()

    def activity_completed(self, activity: dict[str, Any], run: dict[str, Any]) -> None:
        journal.fill_in(run)

    def rollbacks_completed(self, experiment: dict[str, Any], journal_: dict[str, Any]) -> None:
        journal.tell_status(journal_, self.run)

    def finish(self, journal_: dict[str, Any]) -> None:
        interruption.uninstall(self.run)
        journal.tell_status(journal_, self.run)
        journal.tell_interruption(journal_, self.run)
        journal.tell_dry_run(journal_, self.run)

    def _stop_if_told(self) -> None:
        if threading.current_thread() is threading.main_thread():
            interruption.install(self.run)
            interruption.check(self.run)
