"""What may be touched: limits for a whole run, and protected VMs.

Nothing here talks to a platform.
"""

from __future__ import annotations

from chaosvm.guards.limits import (
    GuardRequest,
    GuardResult,
    going_down,
    guard_results,
    raise_if_exceeded,
    takes_down,
)
from chaosvm.guards.protection import disables_protection, protected_by_name, unmatched_globs
from chaosvm.guards.run_counter import RunCounter, Usage, counter_for

__all__ = [
    "GuardRequest",
    "GuardResult",
    "RunCounter",
    "Usage",
    "counter_for",
    "disables_protection",
    "going_down",
    "guard_results",
    "protected_by_name",
    "raise_if_exceeded",
    "takes_down",
    "unmatched_globs",
]
