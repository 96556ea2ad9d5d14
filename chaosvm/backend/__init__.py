"""What a platform must offer: primitives that send, read and watch, and never wait.

Waiting, deadlines, outcomes and undo are built on these, once for all platforms.
"""

from __future__ import annotations

from chaosvm.backend.backend import Backend
from chaosvm.backend.commands import CommandHandle, PowerCommand
from chaosvm.backend.events import EventKind, ServerEvent, events_missing, events_of
from chaosvm.backend.order import OnTimeout, Operation, Order
from chaosvm.backend.server_vm import runs_server
from chaosvm.backend.status import (
    Alarm,
    ClusterStatus,
    GuestStatus,
    Heartbeat,
    HostConnection,
    HostStatus,
    ServerTime,
    ToolsStatus,
)
from chaosvm.backend.watch import Observation, Watch

__all__ = [
    "Alarm",
    "Backend",
    "ClusterStatus",
    "CommandHandle",
    "EventKind",
    "GuestStatus",
    "Heartbeat",
    "HostConnection",
    "HostStatus",
    "Observation",
    "OnTimeout",
    "Operation",
    "Order",
    "PowerCommand",
    "ServerEvent",
    "ServerTime",
    "ToolsStatus",
    "Watch",
    "events_missing",
    "events_of",
    "runs_server",
]
