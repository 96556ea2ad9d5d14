"""Stops a run on a signal, so that nothing more is sent, whatever the run is doing.

Chaos Toolkit raises InterruptExecution in its main thread on SIGTERM. That is an
ordinary exception: up to chaostoolkit-lib 1.44 it only fails the current
activity, and with any version it is lost if code catches ``Exception``. So the
signal is recorded here, and SystemExit is raised with the code by which Chaos
Toolkit ends a run and then plays its rollbacks. Activities in the background
receive no signal, so they check the record.

Restoring VMs is finished first: during the rollbacks, and after the run has
ended, only a second signal stops it.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import chaoslib.exit
from chaoslib.exceptions import InterruptExecution

from chaosvm.errors import Interrupted
from chaosvm.runtime import experiment
from chaosvm.runtime.experiment import RunContext

__all__ = ["check", "install", "stopped", "uninstall"]

logger = logging.getLogger("chaostoolkit")

# Chaos Toolkit's exit code for SIGUSR1: stop, then play the rollbacks as the strategy says.
_STOP = 20
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
# The error of an activity in which chaostoolkit-lib 1.44 or older swallowed an interruption.
_SWALLOWED = "chaoslib.exceptions.ActivityFailed: chaoslib.exceptions.InterruptExecution"

Handler = Callable[[int, FrameType | None], Any]


def install(run: RunContext) -> None:
    """Handle the run's signals before other handlers do; only the main thread can."""
    if not experiment.in_main_thread():
        return
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler) and number not in run.handlers:
            run.handlers[number] = handler
            signal.signal(number, _recording(handler, run))


def uninstall(run: RunContext) -> None:
    """Restore the earlier handlers, except where ours have been replaced since."""
    for number, handler in run.handlers.items():
        if getattr(signal.getsignal(number), "run", None) is run:
            signal.signal(number, handler)


def check(run: RunContext) -> None:
    """Raise SystemExit, or Interrupted in the background, if the run has been stopped."""
    name = stopped(run)
    if name is None:
        return
    if experiment.in_main_thread():
        raise SystemExit(_STOP)
    raise Interrupted(f"not carried out, as {name} has stopped the run")


def stopped(run: RunContext) -> str | None:
    """Return the signal that has stopped the current phase of the run, if any."""
    if "end" in (run.journal or {}):
        return None
    if run.phase.stopped_by is None and _swallowed(run):
        logger.error("the run continued after an interruption, so it is stopped now")
        _record(run, "SIGTERM")
    return run.phase.stopped_by


def _record(run: RunContext, name: str) -> None:
    """Stop the current phase: nothing more of it is sent."""
    run.stopped_by = run.stopped_by or name
    run.stopped_at = run.stopped_at or datetime.now(UTC)
    run.phase.stopped_by = run.phase.stopped_by or name


def _defer(run: RunContext, name: str) -> bool:
    """Record the first signal while VMs are restored; True if it was that one."""
    journal = run.journal or {}
    ended = journal.get("status") == "interrupted" or "end" in journal
    if run.phase.deferred or not (ended or run.phase.rollbacks or experiment.rolling_back()):
        return False
    run.phase.deferred = run.stopped_by = name
    logger.warning(f"{name}: VMs are restored first; a second signal stops that as well")
    return True


def _recording(previous: Handler, run: RunContext | None = None) -> Handler:
    """Wrap a signal handler so that it records the signal before it is called."""

    def handle(number: int, frame: FrameType | None) -> None:
        name, stopped_run = signal.Signals(number).name, run or experiment.current_run()
        if stopped_run is not None:
            if number in (signal.SIGTERM, signal.SIGINT) and _defer(stopped_run, name):
                return
            _record(stopped_run, name)
        try:
            previous(number, frame)
        except InterruptExecution:
            raise SystemExit(_STOP) from None

    handle.run = run  # type: ignore[attr-defined]
    return handle


def _swallowed(run: RunContext) -> bool:
    """True if an interruption ended an activity of this phase but not the run."""
    journal = run.journal or {}
    if run.phase.rollbacks:
        lists = [journal.get("rollbacks")]
    else:
        before = (journal.get("steady_states") or {}).get("before") or {}
        lists = [journal.get("run"), before.get("probes"), *run.result_lists]
    return any(_was_interrupted(entry) for entries in lists for entry in tuple(entries or ()))


def _was_interrupted(entry: dict[str, Any]) -> bool:
    lines: Iterable[str] = entry.get("exception") or ()
    return any(line.startswith(_SWALLOWED) for line in lines)


def _wrap_handlers() -> None:
    """Wrap Chaos Toolkit's own handlers, as an activity in the background can install none.

    Chaos Toolkit imports the activities' modules for validation, and installs these
    handlers when the run starts.
    """
    for name in ("_terminate_now", "_leave_now"):
        if hasattr(chaoslib.exit, name):
            setattr(chaoslib.exit, name, _recording(getattr(chaoslib.exit, name)))
    handler = signal.getsignal(signal.SIGINT)
    main = experiment.in_main_thread()
    if main and callable(handler) and experiment.command() is not None:
        signal.signal(signal.SIGINT, _recording(handler))


_wrap_handlers()
