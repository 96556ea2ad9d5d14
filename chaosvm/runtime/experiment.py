"""Which experiment is running, as far as an activity can know.

Chaos Toolkit tells an activity nothing about the run it is part of. But the
functions of its own that execute the run have it in their local variables,
further up the stack of the same thread. An activity in the background has there
the experiment, and the list that its result goes into, which tell the run. The
stacks of other threads are left alone: they change while they are looked at.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from chaoslib.types import Dry

__all__ = [
    "Command",
    "Importing",
    "Phase",
    "RunContext",
    "command",
    "event_registry",
    "current_experiment",
    "importing",
    "is_marked_dry",
    "journal_entry",
    "phase",
    "audit_reason",
    "rolling_back",
    "current_run",
]

_LONGEST_TITLE = 200
_MOST_KNOWN = 20


@dataclass(eq=False)
class Phase:
    """The rollbacks of a run, or all that comes before them.

    ``stopped_by`` names the signal after which nothing more of this phase is sent,
    ``held`` one that was kept from stopping what puts VMs back.
    """

    rollbacks: bool = False
    stopped_by: str | None = None
    held: str | None = None


@dataclass(eq=False)
class RunContext:
    """One run of an experiment; there is one such object for each.

    ``journal``, which the run fills, is None as long as only an activity in the
    background has asked; ``lists`` are those in which results were seen to go.
    ``stopped_by`` names the first signal that asked the run to stop, in whatever
    phase, and ``handlers`` those that signals had before. ``dry`` is what made it a
    dry run.
    """

    title: str | None
    experiment: dict[str, Any]
    journal: dict[str, Any] | None
    journal_path: Path | None
    lists: list[Any] = field(default_factory=list)
    phase: Phase = field(default_factory=Phase)
    stopped_by: str | None = None
    handlers: dict[int, Any] = field(default_factory=dict)
    dry: str | None = None

    def matches_run(self, journal: dict[str, Any] | None, results: list[Any] | None) -> bool:
        """Is it the run with this journal, or whose results go into this list?"""
        if journal is not None and self.journal is not None:
            return journal is self.journal
        told = journal or self.journal or {}
        filled = [told.get("run"), told.get("rollbacks")]
        if journal is not None:
            return any(seen is each for seen in self.lists for each in filled)
        # Where all that was seen is in the background, nothing tells two runs apart.
        known = [each for each in (*self.lists, *filled) if each is not None]
        return self.journal is None or any(results is each for each in known)


@dataclass(frozen=True)
class Importing:
    """What Chaos Toolkit imports a control for; no experiment for those of all experiments."""

    control: dict[str, Any]
    experiment: dict[str, Any] | None = None
    validating: bool = False


@dataclass(frozen=True)
class Command:
    """What `chaos run` was told."""

    control_files: tuple[str, ...]
    settings: Mapping[str, Any]
    journal_path: Path | None = None


def audit_reason() -> str:
    """Names the experiment, or says that there is none: for a platform's own records."""
    title = next(_titles(_stack(sys._getframe())), None)
    return f"Chaos Toolkit experiment: {title}" if title else "chaosvm, called from Python"


def current_run() -> RunContext | None:
    """The run that this call is part of; None outside of Chaos Toolkit."""
    stack = list(_stack(sys._getframe()))
    experiment = next(_experiments(stack), None)
    if experiment is None:
        # In a thread that an activity, or its user, has started by itself.
        return None if _in_main_thread() or not _known else _known[-1]
    journal = _first(stack, "chaoslib.", "journal", dict)
    results = _first(stack, "chaoslib.", "runs", list)
    with _known_lock:
        for run in reversed(_known):
            if run.experiment is experiment and run.matches_run(journal, results):
                run.journal = run.journal or journal
                return run
        if journal is None and results is None:
            return None  # it is only loaded, or validated
        told = command()
        path = told.journal_path if told else None
        run = RunContext(next(_titles(stack), None), experiment, journal, path)
        run.lists += [] if results is None else [results]
        _known.append(run)
        del _known[:-_MOST_KNOWN]
        return run


def phase() -> Phase:
    """The phase that this call is part of; one of its own outside of Chaos Toolkit."""
    run = current_run()
    return run.phase if run else Phase()


def journal_entry() -> dict[str, Any] | None:
    """What the journal will have of the activity that this call is part of."""
    entry = _first(_stack(sys._getframe()), "chaoslib.activity", "run", dict)
    return entry if entry is None or isinstance(entry.get("activity"), dict) else None


def rolling_back() -> bool:
    """Are the rollbacks being played? Only the main thread can tell."""
    stack = _stack(sys._getframe())
    return any(_is_function(frame, "chaoslib.run", "run_rollback") for frame in stack)


def is_marked_dry() -> bool:
    """Is the present activity to be left out, by a mark that Chaos Toolkit does not heed?"""
    marks = (_local(frame, "chaoslib.activity", "dry") for frame in _stack(sys._getframe()))
    mark = next((mark for mark in marks if mark is not None), None)
    # Its own values, as text too, are for probes and pauses as well.
    return bool(mark) and not isinstance(mark, Dry) and mark not in ("probes", "pause")


def event_registry() -> Any:
    """By which Chaos Toolkit tells of the events of this run; None outside of it."""
    stack = _stack(sys._getframe())
    return next(
        filter(None, (_local(frame, "chaoslib.", "event_registry") for frame in stack)), None
    )


def current_experiment() -> dict[str, Any] | None:
    """The experiment that this call is part of, perhaps over already, or only loaded."""
    return next(_experiments(_stack(sys._getframe())), None)


def command() -> Command | None:
    """The `chaos run` that this call is part of, or, in another thread, that was last seen."""
    global _last_command
    stack = list(_stack(sys._getframe()))
    # Functions of the command that it calls have the settings, and not always the files.
    settings = _first(stack, "chaostoolkit.", "settings", dict)
    if settings is not None:
        files = _first(stack, "chaostoolkit.", "control_file", (tuple, list)) or ()
        path = _first(stack, "chaostoolkit.", "journal_path", str)
        _last_command = Command(tuple(files), settings, Path(path) if path else None)
    elif _in_main_thread():
        _last_command = None
    return _last_command


def importing(module: str) -> Importing | None:
    """The declaration for which a control's module is being imported, or is validated."""
    stack = list(_stack(sys._getframe()))
    for frame in stack:
        control = _local(frame, "chaoslib.", "control")
        if isinstance(control, dict) and (control.get("provider") or {}).get("module") == module:
            validating = frame.f_code.co_name == "validate_python_control"
            return Importing(control, next(_experiments(stack), None), validating)
    return None


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _first(stack: Iterable[FrameType], package: str, name: str, kind: Any) -> Any:
    """The nearest local variable of that name and type; None if there is none."""
    found = (_local(frame, package, name) for frame in stack)
    return next((value for value in found if isinstance(value, kind) and value != ()), None)


def _titles(stack: Iterable[FrameType]) -> Iterator[str]:
    for experiment in _experiments(stack):
        if isinstance(experiment.get("title"), str):
            yield experiment["title"][:_LONGEST_TITLE]


def _experiments(stack: Iterable[FrameType]) -> Iterator[dict[str, Any]]:
    for frame in stack:
        experiment = _local(frame, "chaoslib.", "experiment")
        if isinstance(experiment, dict):
            yield experiment


def _local(frame: FrameType, package: str, name: str) -> Any:
    """A local variable of a function of that package; None for what it does not have."""
    if not frame.f_globals.get("__name__", "").startswith(package):
        return None
    return frame.f_locals.get(name)


def _is_function(frame: FrameType, module: str, name: str) -> bool:
    return frame.f_code.co_name == name and frame.f_globals.get("__name__") == module


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


_known: list[RunContext] = []
_known_lock = threading.RLock()
_last_command: Command | None = None
command()  # Chaos Toolkit imports activities, and by them this, in its main thread
