"""What a server reports of guests, hosts and clusters, in the same shape on every platform.

A field is None where the server does not report it; nothing is guessed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Any, Self

from chaosvm.vm import PowerState

__all__ = [
    "Alarm",
    "ClusterStatus",
    "GuestStatus",
    "Heartbeat",
    "HostConnection",
    "HostStatus",
    "ServerTime",
    "ToolsStatus",
]

# A server's clock that is known as closely as this is not read again.
_PRECISE_SECONDS = 0.1


class ToolsStatus(StrEnum):
    """VMware Tools, or the guest agent."""

    RUNNING = "running"
    NOT_RUNNING = "not_running"
    NOT_INSTALLED = "not_installed"
    UNKNOWN = "unknown"


class Heartbeat(StrEnum):
    """vSphere's ManagedEntityStatus of a guest's heartbeat."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    GRAY = "gray"


class HostConnection(StrEnum):
    """How the server and a host are connected.

    ``disconnected`` is intended: the server does not monitor the host. ``connecting``
    is a connection that the server has lost and tries to restore.
    """

    CONNECTED = "connected"
    CONNECTING = "connecting"
    DISCONNECTED = "disconnected"
    NOT_RESPONDING = "not_responding"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestStatus:
    """A VM and its guest at one moment.

    ``uptime_seconds`` is the time since the guest itself booted, and may be
    ``uptime_lag`` seconds old. ``started_at`` is when the VM was last powered on,
    on the server's clock: a reboot of the guest does not change it, and another value
    proves another start. ``evidence`` has the platform's own values, under its own names.
    """

    vm_id: str
    power_state: PowerState
    tools: ToolsStatus = ToolsStatus.UNKNOWN
    # None on a platform without heartbeats.
    heartbeat: Heartbeat | None = None
    ip_addresses: tuple[str, ...] = ()
    uptime_seconds: float | None = None
    # Why the uptime is None.
    uptime_unknown: str | None = None
    uptime_lag: float = 0.0
    started_at: dt.datetime | None = None
    host: str | None = None
    host_id: str | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """A host. ``available`` is True if VMs can run on it now; ``status`` is the server's word."""

    id: str
    name: str
    connection: HostConnection
    available: bool
    maintenance: bool = False
    status: str = ""
    cluster: str | None = None
    # Whether the host itself is on; None if the server does not know.
    powered_on: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """A cluster. ``failures_tolerated`` is None if the server does not compute it.

    It is how many hosts may fail without a running VM losing its reserved resources.
    """

    id: str
    name: str
    ha_enabled: bool | None = None
    failures_tolerated: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A triggered alarm; ``status`` is yellow or red."""

    name: str
    status: str
    entity: str
    entity_id: str
    at: dt.datetime
    acknowledged: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {**asdict(self), "at": self.at.isoformat()}


@dataclass(frozen=True, slots=True)
class ServerTime:
    """The server's clock, compared with that of this machine.

    ``offset`` is how many seconds the server's clock is ahead, and may be wrong by
    ``uncertainty`` seconds: half the time that the request took.
    """

    now: dt.datetime
    offset: float
    uncertainty: float

    @classmethod
    def measured(cls, read: Callable[[], dt.datetime]) -> Self:
        """Compare what ``read`` returns with this machine's clock before and after.

        Repeated twice at most if the answer was slow; the fastest one counts.
        """
        best = cls._measured_once(read)
        for _ in range(2):
            if best.uncertainty <= _PRECISE_SECONDS:
                break
            best = min(best, cls._measured_once(read), key=attrgetter("uncertainty"))
        return best

    @classmethod
    def _measured_once(cls, read: Callable[[], dt.datetime]) -> Self:
        before = dt.datetime.now(dt.UTC)
        now = read()
        seconds = (dt.datetime.now(dt.UTC) - before).total_seconds()
        middle = before + dt.timedelta(seconds=seconds / 2)
        return cls(now, (now - middle).total_seconds(), abs(seconds) / 2)

    def on_server(self, at: dt.datetime) -> dt.datetime:
        """A time on this machine's clock, on the server's."""
        return at + dt.timedelta(seconds=self.offset)
