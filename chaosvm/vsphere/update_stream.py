"""News of managed objects as a vCenter pushes them, through one property collector.

Each has a collector of its own: two waits on one collector disturb each other.
When the session is renewed the collector is gone with the old one, and is made
anew.
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
# Below any timeout of the server or of what is in between.
_LONGEST_SERVER_WAIT = 10
_CLOSING_SECONDS = 5.0
# What is left of a deadline for the last look, and the pause between looks when no more is left.
_LAST_LOOK, _SHORT_PAUSE = 0.5, 0.05


def pause(seconds: float, deadline: Deadline) -> None:
    """Before looking again: shorter at the end, so that there is a last look before it."""
    deadline.sleep(min(seconds, max(_SHORT_PAUSE, deadline.remaining - _LAST_LOOK)))


class UpdateStream:
    def __init__(self, client: VSphereClient) -> None:
        self._client = client
        self._objects: list[Any] = []
        self._collector: Any = None
        # Not used again, as the server may still wait on them; with their generations.
        self._given_up: list[tuple[Any, int]] = []
        self._filter: Any = None
        self._filter_is_complete = False
        self._generation = 0
        self._version = ""

    def watch(self, objects: Iterable[Any]) -> None:
        """From now on the VMs and tasks that these ObjectSpecs name."""
        self._objects = list(objects)
        self._filter_is_complete = False

    def updates(self, seconds: float, deadline: Deadline) -> list[Any]:
        """The PropertyFilterUpdates, waiting up to so many seconds for the first.

        What a new filter begins with is the present state of everything.
        """
        longest = min(_LONGEST_SERVER_WAIT, int(self._client.settings.timeout) - 1)
        whole = max(0, min(int(seconds), longest))
        if 0 < seconds < 1:
            # The server waits whole seconds only.
            pause(seconds, deadline)
        found: list[Any] = []
        while (update := self._wait(whole, deadline)) is not None:
            found += update.filterSet or ()
            if not update.truncated:
                break
            whole = 0  # it goes on at once in the next
        return found

    def close(self) -> None:
        """Give back what the session still holds: best effort, in bounded time."""
        self._give_up()
        deadline = Deadline(min(_CLOSING_SECONDS, self._client.settings.timeout))
        while self._given_up:
            part = deadline.share(len(self._given_up))
            collector, generation = self._given_up.pop()
            if generation == self._client.generation:
                self._destroy(collector, part)

    def _destroy(self, collector: Any, deadline: Deadline) -> None:
        try:
            self._client.read(lambda _: collector.DestroyPropertyCollector(), deadline)
        except (PlatformError, vmodl.MethodFault) as error:
            # It goes with the session at the latest.
            logger.debug(f"a property collector was left behind: {error}")

    def _give_up(self) -> None:
        if self._collector is not None:
            self._given_up.append((self._collector, self._generation))
        self._collector = None

    def _wait(self, seconds: int, deadline: Deadline) -> Any:
        options = _Collector.WaitOptions(maxWaitSeconds=seconds)
        asked = False

        def request(content: Any) -> Any:
            nonlocal asked
            if asked:
                # The news in a broken answer are lost: begin anew.
                self._give_up()
            asked = True
            collector = self._ready_collector(content)
            return collector.WaitForUpdatesEx(self._version, options)

        try:
            try:
                update = self._client.read(request, deadline)
            except vmodl.fault.ManagedObjectNotFound:
                # The collector went with a session that ended unnoticed.
                self._collector = None
                update = self._client.read(request, deadline)
        except (ConnectionFailed, ProtocolError):
            self._give_up()
            raise
        except vmodl.MethodFault as fault:
            self._give_up()
            raise platform_error(fault) from None
        if update is not None:
            self._version = update.version
        return update

    def _ready_collector(self, content: Any) -> Any:
        """The collector with its filter, made anew in a new session or for other objects."""
        if self._collector is None or self._generation != self._client.generation:
            self._generation = self._client.generation
            self._filter = None
            self._collector = content.propertyCollector.CreatePropertyCollector()
        if self._filter is None or not self._filter_is_complete:
            outdated, self._filter = self._filter, self._collector.CreateFilter(self._spec(), False)
            self._filter_is_complete = True
            # From the beginning: vcsim tells what a new filter finds only then,
            # and a vCenter repeats what it told, which does no harm.
            self._version = ""
            if outdated is not None:
                outdated.DestroyPropertyFilter()
        return self._collector

    def _spec(self) -> Any:
        """Everything in one filter: vcsim's work grows with the square of the filters."""
        return _Collector.FilterSpec(
            objectSet=self._objects,
            propSet=[
                _Collector.PropertySpec(type=vim.VirtualMachine, pathSet=_VM_PROPERTIES),
                _Collector.PropertySpec(type=vim.Task, pathSet=_TASK_PROPERTIES),
            ],
            # An object that is gone must not spoil the news of the others.
            reportMissingObjectsInResults=True,
        )
