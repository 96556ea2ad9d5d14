"""Records what happens to VMs while a run is going on, without disturbing it.

Power states come from a watch of the platform, one for each server; tools, addresses
and hosts from a list every few seconds. At the end, the server's own events fill the
gaps and give the exact times. It uses the run's own connections.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chaosvm.backend import Backend
from chaosvm.observe.timeline.model import Change, Machine, Server
from chaosvm.observe.timeline.server_recorder import ServerRecorder
from chaosvm.runtime import Deadline
from chaosvm.vm import VM

__all__ = ["Recorder", "Recording"]

# For what is still to be read at the end, of all servers together.
_LAST_SECONDS = 30.0


@dataclass(frozen=True)
class Recording:
    """What was recorded; ``gaps`` says as sentences what could not be."""

    machines: Sequence[Machine] = ()
    changes: Sequence[Change] = ()
    servers: Sequence[Server] = ()
    gaps: Sequence[str] = ()
    ended: datetime | None = None


@dataclass
class Recorder:
    """One for each run. Thread-safe; no method raises for what a server does."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    started: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.now()
        self._servers: dict[tuple[str, str], ServerRecorder] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def follow(self, backend: Backend, vms: Sequence[VM]) -> None:
        """Record these VMs from now on, in addition to those already recorded."""
        with self._lock:
            if self._stopped or not vms:
                return
            key = (backend.name, backend.address)
            if key not in self._servers:
                self._servers[key] = ServerRecorder(backend, self.started, self.now)
            server = self._servers[key]
        server.follow(vms)

    def stop(self) -> Recording:
        """End the recording, and read what the servers have recorded themselves."""
        with self._lock:
            self._stopped = True
            ended = self.now()
            servers = list(self._servers.values())
        deadline = Deadline(_LAST_SECONDS)
        for server in servers:
            server.ask_to_stop()
        for number, server in enumerate(servers):
            server.finish(deadline.share(len(servers) - number))
        return Recording(
            machines=[machine for server in servers for machine in server.machines()],
            changes=[change for server in servers for change in server.changes()],
            servers=[server.description() for server in servers],
            gaps=[gap for server in servers for gap in server.gaps()],
            ended=ended,
        )
