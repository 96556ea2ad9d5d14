"""Notices the signals that stop a run, wherever the run is, and lets nothing more be sent.

Chaos Toolkit raises InterruptExecution in its main thread on SIGTERM. That is an
ordinary exception: up to chaostoolkit-lib 1.44 it only fails the activity that
it is raised in, and whoever catches ``Exception`` loses it on any version. So
here the signal is noted, and SystemExit is raised, with the code by which Chaos
Toolkit ends a run but for its rollbacks. Activities in the background, which no
signal reaches, look at what was noted.

Whatever puts VMs back is finished first: during the rollbacks, and once the run
has ended, a signal has to be given twice.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import chaoslib.exit
from chaoslib.exceptions import InterruptExecution

from chaosvm.errors import Interrupted
from chaosvm.runtime import experiment
from chaosvm.runtime.experiment import RunContext

__all__ = ["check", "hold", "install", "note", "stopped", "uninstall"]

logger = logging.getLogger("chaostoolkit")

# Chaos Toolkit's own, for SIGUSR1: stop, and play the rollbacks as the strategy says.
_STOP = 20
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
# How an activity ends that lib 1.44 and older have an interruption end.
_SWALLOWED = "chaoslib.exceptions.ActivityFailed: chaoslib.exceptions.InterruptExecution"

Handler = Callable[[int, FrameType | None], Any]


def install(run: RunContext) -> None:
    """Be told of signals first; only the main thread can see to that."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler) and number not in run.handlers:
            run.handlers[number] = handler
            signal.signal(number, _noticing(handler, run))


def uninstall(run: RunContext) -> None:
    """Whoever put a handler in the place of ours keeps it."""
    for number, handler in run.handlers.items():
        if getattr(signal.getsignal(number), "notices_for", None) is run:
            signal.signal(number, handler)


def check(run: RunContext) -> None:
    """Raises SystemExit or, in the background, Interrupted, if nothing more may be sent."""
    why = stopped(run)
    if why is None:
        return
    if threading.current_thread() is threading.main_thread():
        raise SystemExit(_STOP)
    raise Interrupted(f"not carried out, as {why} has stopped the run")


def stopped(run: RunContext) -> str | None:
    """The signal that has stopped the present phase of the run."""
    if "end" in (run.journal or {}):
        return None
    if run.phase.stopped_by is None and _swallowed(run):
        logger.error("the run goes on after an interruption: it is stopped now")
        note(run, "SIGTERM")
    return run.phase.stopped_by


def note(run: RunContext, name: str) -> None:
    """From now on nothing more of this phase is sent."""
    run.stopped_by = run.stopped_by or name
    run.phase.stopped_by = run.phase.stopped_by or name


def hold(run: RunContext, name: str) -> bool:
    """Is this the first signal while VMs are put back? Then it only leaves its mark."""
    journal = run.journal or {}
    ended = journal.get("status") == "interrupted" or "end" in journal
    if run.phase.held or not (ended or run.phase.rollbacks or experiment.rolling_back()):
        return False
    run.phase.held = run.stopped_by = name
    logger.warning(f"{name}: what puts VMs back is finished first; once more stops that as well")
    return True


def _noticing(previous: Handler, run: RunContext | None = None) -> Handler:
    def notice(number: int, frame: FrameType | None) -> None:
        name, stopping = signal.Signals(number).name, run or experiment.current_run()
        if stopping is not None:
            if number in (signal.SIGTERM, signal.SIGINT) and hold(stopping, name):
                return
            note(stopping, name)
        try:
            previous(number, frame)
        except InterruptExecution:
            raise SystemExit(_STOP) from None

    notice.notices_for = run  # type: ignore[attr-defined]
    return notice


def _swallowed(run: RunContext) -> bool:
    """Has an activity of this phase ended by an interruption, and the run gone on?"""
    journal = run.journal or {}
    if run.phase.rollbacks:
        lists = [journal.get("rollbacks")]
    else:
        before = (journal.get("steady_states") or {}).get("before") or {}
        lists = [journal.get("run"), before.get("probes"), *run.lists]
    return any(_was_interrupted(entry) for entries in lists for entry in tuple(entries or ()))


def _was_interrupted(entry: dict[str, Any]) -> bool:
    lines: Iterable[str] = entry.get("exception") or ()
    return any(line.startswith(_SWALLOWED) for line in lines)


def _notice_from_the_start() -> None:
    """Be there before the run is, and before an activity in the background, which cannot be.

    Chaos Toolkit imports the modules of the activities to validate them, and puts
    these handlers of its own in place when the run starts.
    """
    for name in ("_terminate_now", "_leave_now"):
        if hasattr(chaoslib.exit, name):
            setattr(chaoslib.exit, name, _noticing(getattr(chaoslib.exit, name)))
    handler = signal.getsignal(signal.SIGINT)
    main = threading.current_thread() is threading.main_thread()
    if main and callable(handler) and experiment.command() is not None:
        signal.signal(signal.SIGINT, _noticing(handler))


_notice_from_the_start()
