"""The power engine: one operation on many VMs, from the first request to the last outcome.

One state machine for each VM, one dispatcher that sends, one runner that watches.
"""

from __future__ import annotations

from chaosvm.power.in_flight import LOOK_EVERY, Look, in_flight, wait_for_in_flight
from chaosvm.power.precheck import already_satisfied, first_step, must_wait_for_stable_state
from chaosvm.power.runner import raise_if_refused, refusal_reason, run_operation

__all__ = [
    "LOOK_EVERY",
    "Look",
    "already_satisfied",
    "first_step",
    "in_flight",
    "must_wait_for_stable_state",
    "raise_if_refused",
    "refusal_reason",
    "run_operation",
    "wait_for_in_flight",
]
