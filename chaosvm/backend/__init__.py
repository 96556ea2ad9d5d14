"""What a platform must offer: primitives that send, read and watch, and never wait.

Waiting, deadlines, outcomes and undo are built on these, once for all platforms.
"""

from __future__ import annotations

from chaosvm.backend.backend import Backend, CommandHandle, Observation, PowerCommand, Watch
from chaosvm.backend.management import runs_server
from chaosvm.backend.order import OnTimeout, Operation, Order

__all__ = [
    "CommandHandle",
    "Observation",
    "OnTimeout",
    "Operation",
    "Order",
    "Backend",
    "PowerCommand",
    "Watch",
    "runs_server",
]
