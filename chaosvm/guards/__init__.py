"""What may be touched: limits for a whole run, and VMs that are protected.

Nothing here talks to a platform.
"""

from __future__ import annotations

from chaosvm.guards.limits import (
    GuardRequest,
    GuardResult,
    disables_protection,
    going_down,
    guard_results,
    protected_by_name,
    raise_if_exceeded,
    takes_down,
    unmatched_globs,
)
from chaosvm.guards.run_counter import RunCounter, Usage, counter_for

__all__ = [
    "counter_for",
    "GuardRequest",
    "GuardResult",
    "RunCounter",
    "Usage",
    "disables_protection",
    "going_down",
    "guard_results",
    "protected_by_name",
    "raise_if_exceeded",
    "takes_down",
    "unmatched_globs",
]
