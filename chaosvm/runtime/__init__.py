"""What a call runs in: its experiment, its deadline, its login, and a rehearsal that redirects it.

Nothing here depends on a platform. ``documents``, ``deadline_http``,
``deadline_requests`` and ``unpacking`` are imported as modules, so that only those who
need them load their dependencies.
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
