"""What is seen of VMs: milestones of a start, recovery, and what a run has done.

Built on what a backend reports; nothing here changes a VM.
"""

from __future__ import annotations

from chaosvm.observe.milestones import Milestone
from chaosvm.observe.reach import answers_http, port_open
from chaosvm.observe.summary import journal_activities, journal_outcomes, outcome_table

__all__ = [
    "Milestone",
    "answers_http",
    "journal_activities",
    "journal_outcomes",
    "outcome_table",
    "port_open",
]
