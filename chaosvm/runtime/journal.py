"""Completes Chaos Toolkit's journal where it would leave something out.

By itself, an activity that fails or is interrupted has no output there, a run that continues
after a signal is ``completed``, and only Chaos Toolkit's own ``--dry`` makes a dry run.
"""

from __future__ import annotations

from typing import Any

from chaosvm.runtime import experiment
from chaosvm.runtime.experiment import RunContext

__all__ = [
    "correct_status",
    "keep_output",
    "mark_dry_run",
    "record_dry_run",
    "record_interruption",
    "restore_output",
    "unwrap_output",
]

_OUTPUT_KEY = "chaosvm_output"
_ACTIONS = "actions"


def keep_output(output: dict[str, Any]) -> None:
    """Keep the output of the current activity, which fails or is interrupted, for the journal."""
    entry = experiment.journal_entry()
    if entry is not None:
        entry[_OUTPUT_KEY] = output


def unwrap_output() -> None:
    """Make the kept output of a batch that of its only VM."""
    outcomes = (experiment.journal_entry() or {}).get(_OUTPUT_KEY, {}).get("outcomes")
    if outcomes:
        keep_output(outcomes[0])


def restore_output(entry: dict[str, Any]) -> None:
    """Give a failed or interrupted activity the output that was kept for it."""
    output = entry.pop(_OUTPUT_KEY, None)
    if output is not None and entry.get("status") != "succeeded" and entry.get("output") is None:
        entry["output"] = output


def mark_dry_run() -> None:
    """Mark the current run as a dry run, as an action was only planned."""
    if (run := experiment.current_run()) is not None:
        run.dry = run.dry or _ACTIONS


def correct_status(journal: dict[str, Any], run: RunContext) -> None:
    """Set the status of a run that a signal has stopped to ``interrupted``."""
    if run.stopped_by is not None and journal.get("status") in (None, "completed"):
        journal["status"] = "interrupted"


def record_interruption(journal: dict[str, Any], run: RunContext) -> None:
    """Name the signal, as Chaos Toolkit 1.21 does after a call of its own handler."""
    if run.stopped_by is None or journal.get("status") != "interrupted":
        return
    if not journal.get("interruption"):
        reason = f"received {run.stopped_by}"
        journal["interruption"] = {"kind": "signal", "name": run.stopped_by, "reason": reason}


def record_dry_run(journal: dict[str, Any], run: RunContext) -> None:
    """Mark the journal's experiment as ``dry`` if actions were only planned."""
    recorded = journal.get("experiment")
    if run.dry is None or not isinstance(recorded, dict):
        return
    if not isinstance(recorded, _DryExperiment):
        dry = getattr(recorded.get("dry"), "value", recorded.get("dry"))
        journal["experiment"] = _DryExperiment({**recorded, "dry": dry or run.dry})


class _DryExperiment(dict[str, Any]):
    """An experiment whose ``dry`` survives `chaos run`, which sets it from ``--dry`` at the end.

    Chaos Toolkit's report uses it to say that the run proves nothing.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        if key != "dry" or value:
            super().__setitem__(key, value)
