"""Finds the run and the experiment that a call is part of.

Chaos Toolkit does not pass them to an activity, but its own functions further up
the stack of the same thread have them in local variables. For an activity in the
background these are the experiment and the list that its result is appended to,
which together identify the run. The stacks of other threads are not read, as they
change in the meantime.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

from chaoslib.types import Dry

__all__ = [
    "Command",
    "Importing",
    "Phase",
    "RunContext",
    "checking_continuously",
    "command",
    "event_registry",
    "current_experiment",
    "importing",
    "in_main_thread",
    "is_marked_dry",
    "journal_entry",
    "phase",
    "audit_reason",
    "rolling_back",
    "current_run",
]

_MAX_TITLE_LENGTH = 200
_MAX_RUNS = 20


@dataclass(eq=False)
class Phase:
    """The rollbacks of a run, or everything before them.

    ``stopped_by`` names the signal that stopped this phase: nothing more of it is
    sent. ``deferred`` names a signal that was ignored so that a restore could finish.
    """

    rollbacks: bool = False
    stopped_by: str | None = None
    deferred: str | None = None


@dataclass(eq=False)
class RunContext:
    """One run of an experiment; each run has exactly one.

    - ``journal``: None as long as the run is known only from activities in the background
    - ``result_lists``: the lists to which such activities were seen to append results
    - ``stopped_by``: the first signal that asked the run to stop, in any phase
    - ``stopped_at``: when a signal or a control stopped the run first
    - ``handlers``: the signal handlers that were replaced
    - ``dry``: what made it a dry run
    - ``observers``: called with a backend and the VMs that it is about to change
    """

    title: str | None
    experiment: dict[str, Any]
    journal: dict[str, Any] | None
    journal_path: Path | None
    result_lists: list[Any] = field(default_factory=list)
    phase: Phase = field(default_factory=Phase)
    stopped_by: str | None = None
    stopped_at: datetime | None = None
    handlers: dict[int, Any] = field(default_factory=dict)
    dry: str | None = None
    observers: list[Callable[[Any, Sequence[Any]], None]] = field(default_factory=list)

    def matches_run(self, journal: dict[str, Any] | None, results: list[Any] | None) -> bool:
        """True if this run has the journal, or appends to the list of results."""
        if journal is not None and self.journal is not None:
            return journal is self.journal
        known_journal = journal or self.journal or {}
        journal_lists = [known_journal.get("run"), known_journal.get("rollbacks")]
        if journal is not None:
            return any(seen is each for seen in self.result_lists for each in journal_lists)
        # Runs known only from the background cannot be distinguished.
        lists = [each for each in (*self.result_lists, *journal_lists) if each is not None]
        return self.journal is None or any(results is each for each in lists)


@dataclass(frozen=True)
class Importing:
    """The control that a module is imported for; without an experiment if it is for all of them."""

    control: dict[str, Any]
    experiment: dict[str, Any] | None = None
    validating: bool = False


@dataclass(frozen=True)
class Command:
    """The options and settings of `chaos run`."""

    control_files: tuple[str, ...]
    settings: Mapping[str, Any]
    journal_path: Path | None = None


def audit_reason() -> str:
    """Return what to write into a platform's own records as the reason for a request."""
    title = next(_titles(_stack(sys._getframe())), None)
    return f"Chaos Toolkit experiment: {title}" if title else "chaosvm, called from Python"


def current_run() -> RunContext | None:
    """Return the run that this call is part of; None outside of Chaos Toolkit."""
    stack = list(_stack(sys._getframe()))
    experiment = next(_experiments(stack), None)
    if experiment is None:
        # A thread that an activity, or a user of the package, has started.
        return None if in_main_thread() or not _runs else _runs[-1]
    journal = _first(stack, "chaoslib.", "journal", dict)
    results = _first(stack, "chaoslib.", "runs", list)
    with _runs_lock:
        for run in reversed(_runs):
            if run.experiment is experiment and run.matches_run(journal, results):
                run.journal = run.journal or journal
                return run
        if journal is None and results is None:
            return None  # the experiment is being loaded or validated
        run_command = command()
        path = run_command.journal_path if run_command else None
        run = RunContext(next(_titles(stack), None), experiment, journal, path)
        run.result_lists += [] if results is None else [results]
        _runs.append(run)
        del _runs[:-_MAX_RUNS]
        return run


def phase() -> Phase:
    """Return the phase that this call is part of; a new one outside of Chaos Toolkit."""
    run = current_run()
    return run.phase if run else Phase()


def journal_entry() -> dict[str, Any] | None:
    """Return the journal's entry for the activity that this call is part of."""
    entry = _first(_stack(sys._getframe()), "chaoslib.activity", "run", dict)
    return entry if entry is None or isinstance(entry.get("activity"), dict) else None


def rolling_back() -> bool:
    """True if this is called from the run's rollbacks, in the main thread."""
    stack = _stack(sys._getframe())
    return any(_is_function(frame, "chaoslib.run", "run_rollback") for frame in stack)


def checking_continuously() -> bool:
    """True if this is called by a check of the hypothesis while the method runs."""
    stack = _stack(sys._getframe())
    return any(
        _is_function(frame, "chaoslib.run", "run_hypothesis_continuously") for frame in stack
    )


def is_marked_dry() -> bool:
    """True if the current activity is marked ``dry`` in a way that Chaos Toolkit ignores."""
    marks = (_local(frame, "chaoslib.activity", "dry") for frame in _stack(sys._getframe()))
    mark = next((mark for mark in marks if mark is not None), None)
    # Chaos Toolkit honors its own values; these two strings do not apply to actions.
    return bool(mark) and not isinstance(mark, Dry) and mark not in ("probes", "pause")


def secret_groups() -> tuple[Any, set[str]]:
    """Return the groups of secrets that the current activity names, and those that exist."""
    for frame in _stack(sys._getframe()):
        if _is_function(frame, "chaoslib.provider.python", "run_python_activity"):
            known = frame.f_locals.get("secrets") or {}
            return frame.f_locals["activity"]["provider"].get("secrets", ()), set(known)
    return (), set()


def event_registry() -> Any:
    """Return the registry of the run's event handlers; None outside of Chaos Toolkit."""
    stack = _stack(sys._getframe())
    registries = (_local(frame, "chaoslib.", "event_registry") for frame in stack)
    return next(filter(None, registries), None)


def current_experiment() -> dict[str, Any] | None:
    """Return the experiment that this call is part of, even if it is only being loaded."""
    return next(_experiments(_stack(sys._getframe())), None)


def command() -> Command | None:
    """Return the `chaos run` that this call is part of; outside the main thread, the last one."""
    global _last_command
    stack = list(_stack(sys._getframe()))
    # Inner functions of the command have the settings, but not always the control files.
    settings = _first(stack, "chaostoolkit.", "settings", dict)
    if settings is not None:
        files = _first(stack, "chaostoolkit.", "control_file", (tuple, list)) or ()
        path = _first(stack, "chaostoolkit.", "journal_path", str)
        _last_command = Command(tuple(files), settings, Path(path) if path else None)
    elif in_main_thread():
        _last_command = None
    return _last_command


def importing(module: str) -> Importing | None:
    """Return the declaration for which a control's module is being imported or validated."""
    stack = list(_stack(sys._getframe()))
    for frame in stack:
        control = _local(frame, "chaoslib.", "control")
        if isinstance(control, dict) and (control.get("provider") or {}).get("module") == module:
            validating = frame.f_code.co_name == "validate_python_control"
            return Importing(control, next(_experiments(stack), None), validating)
    return None


def in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _first(stack: Iterable[FrameType], package: str, name: str, kind: Any) -> Any:
    """Return the innermost local variable of this name and type; None if there is none."""
    values = (_local(frame, package, name) for frame in stack)
    return next((value for value in values if isinstance(value, kind) and value != ()), None)


def _titles(stack: Iterable[FrameType]) -> Iterator[str]:
    for experiment in _experiments(stack):
        if isinstance(experiment.get("title"), str):
            yield experiment["title"][:_MAX_TITLE_LENGTH]


def _experiments(stack: Iterable[FrameType]) -> Iterator[dict[str, Any]]:
    for frame in stack:
        experiment = _local(frame, "chaoslib.", "experiment")
        if isinstance(experiment, dict):
            yield experiment


def _local(frame: FrameType, package: str, name: str) -> Any:
    """Return a local variable if the frame's function belongs to the package, else None."""
    if not frame.f_globals.get("__name__", "").startswith(package):
        return None
    return frame.f_locals.get(name)


def _is_function(frame: FrameType, module: str, name: str) -> bool:
    return frame.f_code.co_name == name and frame.f_globals.get("__name__") == module


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


_runs: list[RunContext] = []
_runs_lock = threading.RLock()
_last_command: Command | None = None
# Chaos Toolkit imports activities, and thereby this module, in its main thread.
command()
