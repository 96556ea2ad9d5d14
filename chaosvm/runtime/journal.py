"""What Chaos Toolkit's journal says of a run, where it would not be the whole truth by itself.

An activity that fails has no output there; a run that goes on after a signal is
``completed``; and only Chaos Toolkit's own ``--dry`` makes a dry run.
"""

from __future__ import annotations

from typing import Any

from chaosvm.runtime import experiment
from chaosvm.runtime.experiment import RunContext

__all__ = [
    "fill_in",
    "keep_output",
    "mark_dry_run",
    "tell_dry_run",
    "tell_interruption",
    "tell_status",
]

_KEPT = "chaosvm_output"
_ACTIONS = "actions"


def keep_output(output: dict[str, Any]) -> None:
    """Have this in the journal as the output of the present activity, which is about to fail."""
    entry = experiment.journal_entry()
    if entry is not None:
        entry[_KEPT] = output


def fill_in(entry: dict[str, Any]) -> None:
    """Give an activity that has failed the output that was kept for it."""
    kept = entry.pop(_KEPT, None)
    if kept is not None and entry.get("status") == "failed" and entry.get("output") is None:
        entry["output"] = kept


def mark_dry_run() -> None:
    """Something was only planned, so the run proves nothing."""
    if (run := experiment.current_run()) is not None:
        run.dry = run.dry or _ACTIONS


def tell_status(journal: dict[str, Any], run: RunContext) -> None:
    """A run that was told to stop is not ``completed``."""
    if run.stopped_by is not None and journal.get("status") in (None, "completed"):
        journal["status"] = "interrupted"


def tell_interruption(journal: dict[str, Any], run: RunContext) -> None:
    """Name the signal, as Chaos Toolkit 1.21 does where its own handler was called."""
    if run.stopped_by is None or journal.get("status") != "interrupted":
        return
    if not journal.get("interruption"):
        reason = f"received {run.stopped_by}"
        journal["interruption"] = {"kind": "signal", "name": run.stopped_by, "reason": reason}


def tell_dry_run(journal: dict[str, Any], run: RunContext) -> None:
    """Say in the experiment of the journal that actions were not carried out."""
    told = journal.get("experiment")
    if run.dry is not None and isinstance(told, dict) and not isinstance(told, _DryExperiment):
        journal["experiment"] = _DryExperiment({**told, "dry": _dry_of(told) or run.dry})


def _dry_of(told: dict[str, Any]) -> Any:
    return getattr(told.get("dry"), "value", told.get("dry"))


class _DryExperiment(dict[str, Any]):
    """Keeps ``dry``, in the place of which `chaos run` puts its own ``--dry`` when a run has ended.

    From ``dry`` its report tells that the run has proved nothing.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        if key != "dry" or value:
            super().__setitem__(key, value)
