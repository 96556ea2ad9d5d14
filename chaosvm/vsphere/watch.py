"""Watches the power of many VMs through one property collector.

Each watch has a collector of its own: two waits on one collector disturb each
other. When the session is renewed the collector is gone with the old one, and
is made anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from logzero import logger
from pyVmomi import vim, vmodl

from chaosvm.deadline import Deadline
from chaosvm.errors import ConnectionFailed, PlatformError, StepFailed
from chaosvm.platform import Sighting, Ticket, Watch
from chaosvm.vm import VM, PowerState
from chaosvm.vsphere.client import VSphereClient
from chaosvm.vsphere.faults import POWER_STATES, platform_error, step_error

__all__ = ["VSphereWatch"]

_VM_PROPERTIES = ["runtime.powerState", "runtime.question", "guest.toolsRunningStatus"]
_TASK_PROPERTIES = ["info.state", "info.error"]
# Below any timeout of the server or of what is in between.
_LONGEST_SERVER_WAIT = 10
# What is left of a deadline for the last look, and the pause between looks when no more is left.
_LAST_LOOK, _SHORT_PAUSE = 0.5, 0.05
_CLOSING_SECONDS = 5.0


@dataclass(slots=True)
class _Seen:
    """What the collector has told of one VM so far: it only sends what changes."""

    properties: dict[str, Any] = field(default_factory=dict)
    exists: bool = True
    tools_stopped: bool = False
    ended: Ticket | None = None
    error: StepFailed | None = None

    def sighting(self, vm_id: str) -> Sighting:
        question = self.properties.get("runtime.question")
        word = str(self.properties.get("runtime.powerState"))
        return Sighting(
            vm_id=vm_id,
            power_state=POWER_STATES.get(word, PowerState.UNKNOWN),
            exists=self.exists,
            ended=self.ended,
            error=self.error,
            rebooted=self.tools_stopped and self._tools_running() is True,
            question=question.text if question else None,
        )

    def change(self, name: str, value: Any) -> None:
        self.properties[name] = value
        if self._tools_running() is False:
            self.tools_stopped = True

    def _tools_running(self) -> bool | None:
        word = self.properties.get("guest.toolsRunningStatus")
        return None if word is None else str(word) == "guestToolsRunning"


class VSphereWatch(Watch):
    pushed: ClassVar[bool] = True

    def __init__(self, client: VSphereClient, vms: Sequence[VM]) -> None:
        self._client = client
        self._seen = {vm.id: _Seen() for vm in vms}
        self._tickets: dict[str, Ticket] = {}  # by the moid of the task
        self._collector: Any = None
        self._filter: Any = None
        self._filter_is_complete = False
        self._untold: set[str] = set()  # VMs that a new filter has not told of yet
        self._generation = 0
        self._version = ""

    def follow(self, tickets: Sequence[Ticket]) -> None:
        tracked = [ticket for ticket in tickets if ticket.tracked]
        self._tickets |= {ticket.reference._GetMoId(): ticket for ticket in tracked}
        self._filter_is_complete &= not tracked

    def news(self, seconds: float, deadline: Deadline) -> list[Sighting]:
        whole = min(int(seconds), _LONGEST_SERVER_WAIT, int(self._client.settings.timeout) - 1)
        if 0 < seconds < 1:
            # The server waits whole seconds only.
            deadline.sleep(min(seconds, max(_SHORT_PAUSE, deadline.remaining - _LAST_LOOK)))
        changed: set[str] = set()
        update = None
        while update is None or update.truncated:
            update = self._wait(max(0, whole), deadline)
            if update is None:
                break
            for filtered in update.filterSet or ():
                changed |= self._took(filtered)
            whole = 0  # a truncated update goes on at once in the next
        else:
            changed |= self._missed()
        return [self._seen[vm_id].sighting(vm_id) for vm_id in sorted(changed)]

    def close(self) -> None:
        if self._collector is None or self._generation != self._client.generation:
            return
        collector, self._collector = self._collector, None
        deadline = Deadline(min(_CLOSING_SECONDS, self._client.settings.timeout))
        try:
            self._client.read(lambda _: collector.DestroyPropertyCollector(), deadline)
        except (PlatformError, vmodl.MethodFault) as error:
            # It goes with the session at the latest.
            logger.debug(f"a property collector was left behind: {error}")

    def _wait(self, seconds: int, deadline: Deadline) -> Any:
        options = vmodl.query.PropertyCollector.WaitOptions(maxWaitSeconds=seconds)
        asked = False

        def request(content: Any) -> Any:
            nonlocal asked
            if asked:
                # The news in a broken answer are lost: begin anew.
                self._collector = None
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
        except ConnectionFailed:
            self._collector = None
            raise
        except vmodl.MethodFault as fault:
            raise platform_error(fault) from fault
        if update is not None:
            self._version = update.version
        return update

    def _ready_collector(self, content: Any) -> Any:
        """The collector with its filter, made anew in a new session or for new tasks."""
        if self._collector is None or self._generation != self._client.generation:
            self._generation = self._client.generation
            self._filter = None
            self._collector = content.propertyCollector.CreatePropertyCollector()
        if self._filter is None or not self._filter_is_complete:
            outdated, self._filter = self._filter, self._collector.CreateFilter(self._spec(), False)
            self._filter_is_complete = True
            self._untold = set(self._seen)
            # From the beginning: vcsim tells what a new filter finds only then,
            # and a vCenter repeats what it told, which does no harm.
            self._version = ""
            if outdated is not None:
                outdated.DestroyPropertyFilter()
        return self._collector

    def _spec(self) -> Any:
        """All VMs and tasks in one filter: vcsim's work grows with the square of the filters."""
        collector = vmodl.query.PropertyCollector
        watched = [vim.VirtualMachine(vm_id) for vm_id in self._seen]
        watched += [ticket.reference for ticket in self._tickets.values()]
        return collector.FilterSpec(
            objectSet=[collector.ObjectSpec(obj=item) for item in watched],
            propSet=[
                collector.PropertySpec(type=vim.VirtualMachine, pathSet=_VM_PROPERTIES),
                collector.PropertySpec(type=vim.Task, pathSet=_TASK_PROPERTIES),
            ],
            # An object that is gone must not spoil the news of the others.
            reportMissingObjectsInResults=True,
        )

    def _took(self, filtered: Any) -> set[str]:
        """Note what changed; returns the ids of the VMs concerned."""
        changed: set[str] = set()
        for missing in filtered.missingSet or ():
            changed |= self._gone(missing.obj._GetMoId())
        for update in filtered.objectSet or ():
            moid = update.obj._GetMoId()
            if update.kind == "leave":
                changed |= self._gone(moid)
            elif moid in self._seen:
                self._untold.discard(moid)
                for change in update.changeSet or ():
                    self._seen[moid].change(change.name, change.val)
                changed.add(moid)
            elif moid in self._tickets:
                changed |= self._took_task(self._tickets[moid], update)
        return changed

    def _missed(self) -> set[str]:
        """A new filter tells of all that exists; what it does not tell of is gone."""
        missed, self._untold = self._untold, set()
        return set().union(*(self._gone(vm_id) for vm_id in missed))

    def _gone(self, moid: str) -> set[str]:
        if moid not in self._seen:
            return set()
        self._seen[moid].exists = False
        return {moid}

    def _took_task(self, ticket: Ticket, update: Any) -> set[str]:
        told = {change.name: change.val for change in update.changeSet or ()}
        state = str(told.get("info.state"))
        if state not in ("success", "error"):
            return set()
        seen = self._seen[ticket.vm_id]
        seen.ended = ticket
        seen.error = step_error(told["info.error"]) if told.get("info.error") else None
        if state == "error" and seen.error is None:
            seen.error = StepFailed("the task failed without saying why")
        return {ticket.vm_id}
