"""The power engine: one operation on many VMs, from the first request to the last outcome.

One state machine per VM (``job.py``), a dispatcher that sends, a runner that watches.
"""

from __future__ import annotations

from chaosvm.power.in_flight import POLL_INTERVAL, InFlightCheck, in_flight, wait_for_in_flight
from chaosvm.power.precheck import already_satisfied, first_command, must_wait_for_stable_state
from chaosvm.power.runner import raise_if_refused, refusal_reason, run_operation

__all__ = [
    "InFlightCheck",
    "POLL_INTERVAL",
    "already_satisfied",
    "first_command",
    "in_flight",
    "must_wait_for_stable_state",
    "raise_if_refused",
    "refusal_reason",
    "run_operation",
    "wait_for_in_flight",
]
