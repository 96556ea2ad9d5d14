"""Watches the power of many VMs: looks at them while they change, and else has the news pushed.

A look is one request for all VMs and tasks that are still of interest, and
costs the server nothing beyond it. After a request was sent, and in the middle
of a burst of changes, looks come one after the other. When nothing happens for
a while, the server is asked to answer when something does (``push.py``): that
takes a few requests to begin with, and then brings each change as it happens.
A guest's reboot is followed so from the beginning: its Tools may be down for
less than the time between two looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.backend import CommandHandle, Observation, Operation, Order, Watch
from chaosvm.errors import CommandFailed
from chaosvm.runtime import Deadline
from chaosvm.vm import VM
from chaosvm.vsphere.client import VSphereClient
from chaosvm.vsphere.faults import NothingShown, command_error
from chaosvm.vsphere.inventory import fault_in_reading, power_state
from chaosvm.vsphere.properties import ObjectProperties
from chaosvm.vsphere.retrieval import by_pyvmomi, retrieve
from chaosvm.vsphere.update_stream import UpdateStream, pause

__all__ = ["VSphereWatch"]

_Collector = vmodl.query.PropertyCollector
_LOOKED_AT = {
    vim.VirtualMachine: [
        "runtime.powerState",
        "runtime.connectionState",
        "runtime.question.text",
        "guest.toolsRunningStatus",
    ],
    vim.Task: ["info.state"],
    # There is always one: without it, the answer is none.
    vim.Folder: ["name"],
}
_QUESTION = "runtime.question.text"
_RUNNING, _NOT_RUNNING = "guestToolsRunning", "guestToolsNotRunning"

# Between two looks: longer and longer while nothing happens, until the server is
# to tell; short when so large a part of the VMs changed that the rest is about to.
_FIRST_INTERVAL, _GROWTH, _LONGEST_INTERVAL = 0.1, 1.3, 1.0
_BURST = 0.05
_BURST_INTERVAL, _BURST_PER_VM = 0.02, 0.0002


@dataclass(slots=True)
class _Seen:
    """What was told of one VM so far."""

    properties: dict[str, Any] = field(default_factory=dict)
    exists: bool = True
    tools_ran: bool = False
    tools_stopped: bool = False  # after they ran
    ended: CommandHandle | None = None
    error: CommandFailed | None = None

    def observation(self, vm_id: str) -> Observation:
        word = str(self.properties.get("runtime.powerState"))
        return Observation(
            vm_id=vm_id,
            power_state=power_state(word, self._connection),
            exists=self.exists,
            ended=self.ended,
            error=self.error,
            rebooted=self.tools_stopped and self._tools == _RUNNING,
            question=self.properties.get(_QUESTION),
        )

    def change(self, told: dict[str, Any]) -> None:
        """Of a host that is not connected, what is told of Tools says nothing about the guest."""
        self.properties |= told
        if self._connection not in (None, "connected"):
            self.tools_ran = self.tools_stopped = False
        elif self._tools == _RUNNING:
            self.tools_ran = True
        elif self._tools == _NOT_RUNNING:
            # In between they execute scripts: also when a guest is asked, and does nothing.
            self.tools_stopped |= self.tools_ran

    @property
    def _connection(self) -> str | None:
        word = self.properties.get("runtime.connectionState")
        return None if word is None else str(word)

    @property
    def _tools(self) -> str:
        return str(self.properties.get("guest.toolsRunningStatus"))


class VSphereWatch(Watch):
    def __init__(self, client: VSphereClient, vms: Sequence[VM], order: Order) -> None:
        self._client = client
        self._seen = {vm.id: _Seen() for vm in vms}
        self._told: dict[str, Observation] = {}  # the last time
        self._tickets: dict[str, CommandHandle] = {}  # by the moid of the task
        # What is looked at, by moid: such a specification takes its time to make.
        self._objects = {vm.id: _object(vim.VirtualMachine(vm.id)) for vm in vms}
        self._push = UpdateStream(client)
        self._always_pushed = order.operation is Operation.REBOOT and order.graceful
        self._interval = _FIRST_INTERVAL
        self._push.watch(self._objects.values())

    def track(self, tickets: Sequence[CommandHandle]) -> None:
        # The answer for a VM that is gone may come after the VM was forgotten.
        wanted = [each for each in tickets if each.tracked and each.vm_id in self._seen]
        tracked = {each.reference._GetMoId(): each for each in wanted}
        if tickets:
            self._interval = _FIRST_INTERVAL
        if tracked:
            self._tickets |= tracked
            self._objects |= {moid: _object(each.reference) for moid, each in tracked.items()}
            self._push.watch(self._objects.values())

    def unwatch(self, vm_ids: Sequence[str]) -> None:
        for vm_id in self._seen.keys() & set(vm_ids):
            del self._seen[vm_id], self._objects[vm_id]
        for moid in [moid for moid, each in self._tickets.items() if each.vm_id not in self._seen]:
            del self._tickets[moid], self._objects[moid]

    def poll(self, seconds: float, deadline: Deadline) -> list[Observation]:
        self.pushed = self._always_pushed or (seconds > 0 and self._interval > _LONGEST_INTERVAL)
        if self.pushed:
            self._take_updates(self._push.updates(seconds, deadline))
        else:
            if seconds > 0:
                pause(min(seconds, self._interval), deadline)
            self._look(deadline)
        now = {vm_id: seen.observation(vm_id) for vm_id, seen in self._seen.items()}
        changed = [each for vm_id, each in now.items() if each != self._told.get(vm_id)]
        self._told = now
        self._set_pace(len(changed))
        return changed

    def close(self) -> None:
        self._push.close()

    def _set_pace(self, changed: int) -> None:
        if changed >= max(1, _BURST * len(self._seen)):
            self._interval = _BURST_INTERVAL + _BURST_PER_VM * len(self._seen)
        elif not self.pushed:
            self._interval *= _GROWTH

    def _end(self, moid: str, state: str, fault: Any) -> None:
        """The task has come to its end, and needs no more looks."""
        ticket = self._tickets.pop(moid)
        del self._objects[moid]
        seen = self._seen[ticket.vm_id]
        seen.ended = ticket
        seen.error = command_error(fault) if fault else None
        if state == "error" and seen.error is None:
            seen.error = CommandFailed("the task failed without saying why")

    # Looking -----------------------------------------------------------------------

    def _look(self, deadline: Deadline) -> None:
        """Read everything again."""
        told = self._read(self._read_all, deadline)
        states = {moid: _state(told.get(moid)) for moid in self._tickets}
        failed = [moid for moid, state in states.items() if state == "error"]
        errors = self._errors(failed, deadline) if failed else {}
        for moid, state in states.items():
            if state in ("success", "error"):
                self._end(moid, state, errors.get(moid))
        for vm_id, seen in self._seen.items():
            seen.exists = vm_id in told
            if seen.exists:
                get = told[vm_id].properties.get
                seen.change({path: get(path) for path in _LOOKED_AT[vim.VirtualMachine]})

    def _read_all(self, content: Any) -> dict[str, ObjectProperties]:
        root = content.rootFolder
        told = retrieve(content, _spec([_object(root), *self._objects.values()], _LOOKED_AT))
        if root._GetMoId() not in told:
            # It is no answer: what is missing in it need not be gone.
            raise NothingShown("the root folder is missing")
        return told

    def _errors(self, moids: Iterable[str], deadline: Deadline) -> dict[str, Any]:
        """Why these tasks failed."""
        spec = _spec([self._objects[moid] for moid in moids], {vim.Task: ["info.error"]})
        told = self._read(lambda content: by_pyvmomi(content.propertyCollector, spec), deadline)
        return {moid: each.properties.get("info.error") for moid, each in told.items()}

    def _read(self, request: Any, deadline: Deadline) -> dict[str, ObjectProperties]:
        try:
            told: dict[str, ObjectProperties] = self._client.read(request, deadline)
        except vmodl.MethodFault as fault:
            raise fault_in_reading(fault) from None
        return told

    # What the server pushes --------------------------------------------------------

    def _take_updates(self, updates: Iterable[Any]) -> None:
        for filtered in updates:
            for missing in filtered.missingSet or ():
                self._missing(missing.obj._GetMoId(), missing.fault)
            for update in filtered.objectSet or ():
                if update.kind == "leave":
                    self._gone(update.obj._GetMoId())
                else:
                    # What cannot be read any more is not as it was before.
                    lost = {missing.path: None for missing in update.missingSet or ()}
                    told = {change.name: change.val for change in update.changeSet or ()}
                    self._take(update.obj._GetMoId(), lost | told)

    def _take(self, moid: str, told: dict[str, Any]) -> None:
        """What has changed of a VM or a task."""
        if moid in self._seen:
            if "runtime.question" in told:
                question = told.pop("runtime.question")
                told[_QUESTION] = question.text if question else None
            self._seen[moid].change(told)
        elif moid in self._tickets:
            state = str(told.get("info.state"))
            if state in ("success", "error"):
                self._end(moid, state, told.get("info.error"))

    def _missing(self, moid: str, fault: Any) -> None:
        """An object that the server does not tell of; for whatever other reason, not known."""
        if isinstance(fault, vmodl.fault.ManagedObjectNotFound):
            self._gone(moid)
        elif moid in self._seen:
            self._seen[moid].change(dict.fromkeys(self._seen[moid].properties))

    def _gone(self, moid: str) -> None:
        if moid in self._seen:
            self._seen[moid].exists = False


def _state(task: ObjectProperties | None) -> str | None:
    return str(task.properties.get("info.state")) if task is not None else None


def _object(managed: Any) -> Any:
    return _Collector.ObjectSpec(obj=managed)


def _spec(objects: Iterable[Any], wanted: dict[Any, list[str]]) -> Any:
    return _Collector.FilterSpec(
        objectSet=list(objects),
        propSet=[_Collector.PropertySpec(type=kind, pathSet=wanted[kind]) for kind in wanted],
        # What is gone must not spoil the answer about the others.
        reportMissingObjectsInResults=True,
    )
