"""What a call runs in: its experiment, its deadline, and whether a rehearsal redirects it.

Nothing here knows a platform.
"""

from __future__ import annotations

from chaosvm.runtime.deadline import Clock, Deadline
from chaosvm.runtime.experiment import (
    Importing,
    Phase,
    RunContext,
    audit_reason,
    current_experiment,
    importing,
    phase,
)
from chaosvm.runtime.login import Login

__all__ = [
    "Clock",
    "Deadline",
    "Importing",
    "Login",
    "Phase",
    "RunContext",
    "audit_reason",
    "current_experiment",
    "importing",
    "phase",
]
