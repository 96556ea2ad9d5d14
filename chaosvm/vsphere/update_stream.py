"""Updates of managed objects that a vCenter pushes through a property collector.

Each stream has its own collector, because two waits on one collector disturb
each other. The collector ends with its session, and is created again in the
next.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.errors import ConnectionFailed, PlatformError, ProtocolError
from chaosvm.runtime import Deadline
from chaosvm.vsphere.client import VSphereClient
from chaosvm.vsphere.faults import platform_error

__all__ = ["UpdateStream", "pause"]

logger = logging.getLogger("chaostoolkit")

_Collector = vmodl.query.PropertyCollector
_VM_PROPERTIES = [
    "runtime.powerState",
    "runtime.connectionState",
    "runtime.question",
    "guest.toolsRunningStatus",
]
_TASK_PROPERTIES = ["info.state", "info.error"]
# Below any timeout of the server or of a proxy.
_LONGEST_SERVER_WAIT = 10
_CLOSING_SECONDS = 5.0
# Seconds before the deadline that are kept for the last poll, and the pause between polls
# in these seconds.
_LAST_POLL, _SHORT_PAUSE = 0.5, 0.05


def pause(seconds: float, deadline: Deadline) -> None:
    """Sleep between two polls; shorter near the deadline, to poll once more before it."""
    deadline.sleep(min(seconds, max(_SHORT_PAUSE, deadline.remaining - _LAST_POLL)))


class UpdateStream:
    def __init__(self, client: VSphereClient) -> None:
        self._client = client
        self._objects: list[Any] = []
        self._collector: Any = None
        # Not used again, because the server may still be waiting; with their generations.
        self._abandoned: list[tuple[Any, int]] = []
        self._filter: Any = None
        self._filter_is_current = False
        self._generation = 0
        self._version = ""

    def watch(self, objects: Iterable[Any]) -> None:
        """Replace the objects that are watched: these ObjectSpecs of VMs and tasks."""
        self._objects = list(objects)
        self._filter_is_current = False

    def updates(self, seconds: float, deadline: Deadline) -> list[Any]:
        """The PropertyFilterUpdates, after waiting up to ``seconds`` for the first.

        A new filter starts with the current state of all objects.
        """
        longest = min(_LONGEST_SERVER_WAIT, int(self._client.settings.timeout) - 1)
        wait_seconds = max(0, min(int(seconds), longest))
        if 0 < seconds < 1:
            # The server waits for whole seconds only.
            pause(seconds, deadline)
        updates: list[Any] = []
        while (update := self._wait(wait_seconds, deadline)) is not None:
            updates += update.filterSet or ()
            if not update.truncated:
                break
            wait_seconds = 0  # the rest is available at once
        return updates

    def close(self) -> None:
        """Destroy the collectors of the session: best effort, in bounded time."""
        self._abandon()
        deadline = Deadline(min(_CLOSING_SECONDS, self._client.settings.timeout))
        while self._abandoned:
            share = deadline.share(len(self._abandoned))
            collector, generation = self._abandoned.pop()
            if generation == self._client.generation:
                self._destroy(collector, share)

    def _destroy(self, collector: Any, deadline: Deadline) -> None:
        try:
            self._client.read(lambda _: collector.DestroyPropertyCollector(), deadline)
        except (PlatformError, vmodl.MethodFault) as error:
            # It ends with the session at the latest.
            logger.debug(f"a property collector was not destroyed: {error}")

    def _abandon(self) -> None:
        if self._collector is not None:
            self._abandoned.append((self._collector, self._generation))
        self._collector = None

    def _wait(self, seconds: int, deadline: Deadline) -> Any:
        options = _Collector.WaitOptions(maxWaitSeconds=seconds)
        is_retry = False

        def request(content: Any) -> Any:
            nonlocal is_retry
            if is_retry:
                # The updates in an incomplete response are lost: start with a new collector.
                self._abandon()
            is_retry = True
            collector = self._ready_collector(content)
            return collector.WaitForUpdatesEx(self._version, options)

        try:
            try:
                update = self._client.read(request, deadline)
            except vmodl.fault.ManagedObjectNotFound:
                # The session ended unnoticed, and the collector with it.
                self._collector = None
                update = self._client.read(request, deadline)
        except (ConnectionFailed, ProtocolError):
            self._abandon()
            raise
        except vmodl.MethodFault as fault:
            self._abandon()
            raise platform_error(fault) from None
        if update is not None:
            self._version = update.version
        return update

    def _ready_collector(self, content: Any) -> Any:
        """The collector with its filter; created again for a new session or other objects."""
        if self._collector is None or self._generation != self._client.generation:
            self._generation = self._client.generation
            self._filter = None
            self._collector = content.propertyCollector.CreatePropertyCollector()
        if self._filter is None or not self._filter_is_current:
            outdated, self._filter = self._filter, self._collector.CreateFilter(self._spec(), False)
            self._filter_is_current = True
            # Without a version, vcsim returns the state of the objects in a new filter; with
            # one, only later updates. A vCenter repeats known updates, which is harmless.
            self._version = ""
            if outdated is not None:
                outdated.DestroyPropertyFilter()
        return self._collector

    def _spec(self) -> Any:
        """One filter for all: vcsim's work grows with the square of the number of filters."""
        return _Collector.FilterSpec(
            objectSet=self._objects,
            propSet=[
                _Collector.PropertySpec(type=vim.VirtualMachine, pathSet=_VM_PROPERTIES),
                _Collector.PropertySpec(type=vim.Task, pathSet=_TASK_PROPERTIES),
            ],
            # Otherwise a deleted object ends the updates of all others.
            reportMissingObjectsInResults=True,
        )
