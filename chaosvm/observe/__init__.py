"""Observations of VMs: milestones of a start, recovery, and what a run has done.

Built on what a backend reports; nothing here changes a VM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaosvm.observe.milestones import Milestone, usable_addresses
from chaosvm.observe.outages import Outage, outages, was_restarted_by_ha
from chaosvm.observe.reach import answers_http, port_open
from chaosvm.observe.recovery import Recovery, RecoveryRecord
from chaosvm.observe.since import began
from chaosvm.observe.summary import journal_activities, journal_outcomes, outcome_table
from chaosvm.observe.telemetry import traced

if TYPE_CHECKING:
    from chaosvm.observe.written import write_report

__all__ = [
    "Milestone",
    "Outage",
    "Recovery",
    "RecoveryRecord",
    "answers_http",
    "began",
    "journal_activities",
    "journal_outcomes",
    "outages",
    "outcome_table",
    "port_open",
    "traced",
    "usable_addresses",
    "was_restarted_by_ha",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Imported on first use: only reports need it, and actions import this package."""
    if name == "write_report":
        from chaosvm.observe.written import write_report

        return write_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
