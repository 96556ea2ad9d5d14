"""Which experiment is running, as far as an activity can know.

Chaos Toolkit tells an activity nothing about the run it is part of. But the
functions of its own that execute the run have it in their local variables,
further up the stack: of the same thread, or of another one where an activity
runs in the background.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

__all__ = [
    "Command",
    "Importing",
    "Running",
    "command",
    "experiment_at_hand",
    "importing",
    "reason_to_give",
    "running",
]

_LONGEST_TITLE = 200


@dataclass(frozen=True)
class Running:
    """One run of an experiment, told from others by ``journal``, the object that it fills."""

    title: str | None
    experiment: dict[str, Any]
    journal: dict[str, Any]
    journal_path: Path | None


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


def reason_to_give() -> str:
    """Names the experiment, or says that there is none: for a platform's own records."""
    title = next(_titles(_stack(sys._getframe())), None)
    return f"Chaos Toolkit experiment: {title}" if title else "chaosvm, called from Python"


def running() -> Running | None:
    """The run that this call is part of; None outside of Chaos Toolkit.

    An activity in the background has the experiment on its own stack, and the
    run that holds this very experiment is on the stack of another thread.
    """
    own = list(_stack(sys._getframe()))
    if found := _running(own):
        return found
    experiment = next(_experiments(own), None)
    others = [_running(list(_stack(frame))) for frame in sys._current_frames().values()]
    runs = {id(run.journal): run for run in others if run is not None}
    if experiment is not None:
        return next((run for run in runs.values() if run.experiment is experiment), None)
    # A thread that an activity, or its user, has started by itself.
    return next(iter(runs.values())) if len(runs) == 1 else None


def experiment_at_hand() -> dict[str, Any] | None:
    """The experiment that this call is part of, perhaps over already, or only loaded."""
    return next(_experiments(_stack(sys._getframe())), None)


def command() -> Command | None:
    """The `chaos run` that this call is part of, perhaps in another thread."""
    main = sys._current_frames().get(threading.main_thread().ident or 0)
    # Functions of the command that it calls have the settings, and not always the files.
    for stack in (_stack(sys._getframe()), _stack(main)):
        frames = list(stack)
        told = [_local(frame, "chaostoolkit.", "settings") for frame in frames]
        files = [_local(frame, "chaostoolkit.", "control_file") for frame in frames]
        if settings := [each for each in told if isinstance(each, dict)]:
            return Command(tuple(next(filter(None, files), ())), settings[0])
    return None


def importing(module: str) -> Importing | None:
    """The declaration for which a control's module is being imported, or is validated."""
    stack = list(_stack(sys._getframe()))
    for frame in stack:
        control = _local(frame, "chaoslib.", "control")
        if isinstance(control, dict) and (control.get("provider") or {}).get("module") == module:
            validating = frame.f_code.co_name == "validate_python_control"
            return Importing(control, next(_experiments(stack), None), validating)
    return None


def _running(stack: list[FrameType]) -> Running | None:
    for frame in stack:
        journal = _local(frame, "chaoslib.", "journal")
        experiment = _local(frame, "chaoslib.", "experiment")
        if isinstance(journal, dict) and isinstance(experiment, dict):
            return Running(next(_titles(stack), None), experiment, journal, _journal_path(stack))
    return None


def _journal_path(stack: list[FrameType]) -> Path | None:
    for frame in stack:
        path = _local(frame, "chaostoolkit.", "journal_path")
        if isinstance(path, str):
            return Path(path)
    return None


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


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
