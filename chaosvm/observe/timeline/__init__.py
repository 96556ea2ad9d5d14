"""The timeline of a run: its data, its file, and how it is built.

It is recorded during the run, or built afterwards from a journal or a ledger.
"""

from __future__ import annotations

from chaosvm.observe.timeline.build import build_timeline
from chaosvm.observe.timeline.document import FORMAT, VERSION, from_json, read_timeline, to_json
from chaosvm.observe.timeline.ledger_lines import LedgerStory, read_ledger
from chaosvm.observe.timeline.model import (
    ActivityRun,
    Change,
    Check,
    Guard,
    Interruption,
    Kind,
    Limit,
    Machine,
    Mode,
    Phase,
    Probe,
    Run,
    Server,
    Timeline,
    UndoResult,
)
from chaosvm.observe.timeline.recorder import Recorder, Recording

__all__ = [
    "FORMAT",
    "VERSION",
    "ActivityRun",
    "Change",
    "Check",
    "Guard",
    "Interruption",
    "Kind",
    "LedgerStory",
    "Limit",
    "Machine",
    "Mode",
    "Phase",
    "Probe",
    "Recorder",
    "Recording",
    "Run",
    "Server",
    "Timeline",
    "UndoResult",
    "build_timeline",
    "from_json",
    "read_ledger",
    "read_timeline",
    "to_json",
]
