"""What a platform must offer: primitives that send, read and watch, and never wait.

Waiting, deadlines, outcomes and undo are built on these, once for all platforms.
"""

from __future__ import annotations

from chaosvm.backend.backend import Backend
from chaosvm.backend.commands import CommandHandle, PowerCommand
from chaosvm.backend.order import OnTimeout, Operation, Order
from chaosvm.backend.server_vm import runs_server
from chaosvm.backend.watch import Observation, Watch

__all__ = [
    "Backend",
    "CommandHandle",
    "Observation",
    "OnTimeout",
    "Operation",
    "Order",
    "PowerCommand",
    "Watch",
    "runs_server",
]
