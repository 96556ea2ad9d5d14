"""Watches the power state of many VMs: polls while they change, and else receives updates.

A poll is one request for all VMs and tasks that are still watched. After a
command, and during a burst of changes, polls follow each other quickly. When
nothing has changed for a while, the server pushes updates instead
(``update_stream.py``): that takes a few requests to set up. A guest reboot uses
updates from the start, because VMware Tools may be down for less time than there
is between two polls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.backend import CommandHandle, Observation, Operation, Order, Watch
from chaosvm.errors import AnswerLost, CommandFailed
from chaosvm.runtime import Deadline
from chaosvm.vm import VM
from chaosvm.vsphere.client import VSphereClient
from chaosvm.vsphere.faults import command_error
from chaosvm.vsphere.inventory import power_state, read_error
from chaosvm.vsphere.properties import ObjectProperties
from chaosvm.vsphere.retrieval import require_root, retrieve, retrieve_with_pyvmomi
from chaosvm.vsphere.update_stream import UpdateStream, pause

__all__ = ["VSphereWatch"]

_Collector = vmodl.query.PropertyCollector
_WATCHED_PATHS = {
    vim.VirtualMachine: [
        "runtime.powerState",
        "runtime.connectionState",
        "runtime.question.text",
        "guest.toolsRunningStatus",
    ],
    vim.Task: ["info.state"],
    # Of the root folder: a response without it is not valid.
    vim.Folder: ["name"],
}
_QUESTION = "runtime.question.text"
_EVIDENCE = "VMware Tools stopped and ran again"
_RUNNING, _NOT_RUNNING = "guestToolsRunning", "guestToolsNotRunning"

# Seconds between two polls: they grow while nothing changes, until updates are used instead.
# They are short when so many VMs changed that the rest probably follows.
_FIRST_INTERVAL, _GROWTH, _LONGEST_INTERVAL = 0.1, 1.3, 1.0
_BURST_SHARE = 0.05
_BURST_INTERVAL, _BURST_PER_VM = 0.02, 0.0002


@dataclass(slots=True)
class _VMStatus:
    """What is known about one VM."""

    properties: dict[str, Any] = field(default_factory=dict)
    exists: bool = True
    tools_ran: bool = False
    tools_stopped: bool = False  # after running
    ended: CommandHandle | None = None
    error: CommandFailed | None = None

    def observation(self, vm_id: str) -> Observation:
        state = str(self.properties.get("runtime.powerState"))
        return Observation(
            vm_id=vm_id,
            power_state=power_state(state, self._connection),
            exists=self.exists,
            ended=self.ended,
            error=self.error,
            rebooted=self.tools_stopped and self._tools == _RUNNING,
            reboot_evidence=_EVIDENCE if self.tools_stopped else None,
            going_down=self.tools_stopped and self._tools != _RUNNING,
            question=self.properties.get(_QUESTION),
        )

    def update(self, properties: dict[str, Any]) -> None:
        """The status of VMware Tools proves nothing while the host is not connected."""
        self.properties |= properties
        if self._connection not in (None, "connected"):
            self.tools_ran = self.tools_stopped = False
        elif self._tools == _RUNNING:
            self.tools_ran = True
        elif self._tools == _NOT_RUNNING:
            # Not while they execute scripts: a guest that ignores the request does that too.
            self.tools_stopped |= self.tools_ran

    @property
    def _connection(self) -> str | None:
        state = self.properties.get("runtime.connectionState")
        return None if state is None else str(state)

    @property
    def _tools(self) -> str:
        return str(self.properties.get("guest.toolsRunningStatus"))


class VSphereWatch(Watch):
    def __init__(self, client: VSphereClient, vms: Sequence[VM], order: Order) -> None:
        self._client = client
        self._statuses = {vm.id: _VMStatus() for vm in vms}
        self._reported: dict[str, Observation] = {}  # by the last poll
        self._handles: dict[str, CommandHandle] = {}  # by the moid of the task
        # ObjectSpecs by moid; cached because creating one is slow.
        self._object_specs = {vm.id: _object_spec(vim.VirtualMachine(vm.id)) for vm in vms}
        self._stream = UpdateStream(client)
        self._always_pushed = order.operation is Operation.REBOOT and order.graceful
        self._interval = _FIRST_INTERVAL
        self._stream.watch(self._object_specs.values())

    def track(self, handles: Sequence[CommandHandle]) -> None:
        # A command may be accepted after its VM was deleted and is no longer watched.
        tracked = {
            handle.reference._GetMoId(): handle
            for handle in handles
            if handle.tracked and handle.vm_id in self._statuses
        }
        if handles:
            self._interval = _FIRST_INTERVAL
        if tracked:
            self._handles |= tracked
            self._object_specs |= {
                moid: _object_spec(handle.reference) for moid, handle in tracked.items()
            }
            self._stream.watch(self._object_specs.values())

    def unwatch(self, vm_ids: Sequence[str]) -> None:
        for vm_id in self._statuses.keys() & set(vm_ids):
            del self._statuses[vm_id], self._object_specs[vm_id]
        ended = [
            moid for moid, handle in self._handles.items() if handle.vm_id not in self._statuses
        ]
        for moid in ended:
            del self._handles[moid], self._object_specs[moid]

    def poll(self, seconds: float, deadline: Deadline) -> list[Observation]:
        self.pushed = self._always_pushed or (seconds > 0 and self._interval > _LONGEST_INTERVAL)
        if self.pushed:
            self._apply_updates(self._stream.updates(seconds, deadline))
        else:
            if seconds > 0:
                pause(min(seconds, self._interval), deadline)
            self._poll_all(deadline)
        current = {vm_id: status.observation(vm_id) for vm_id, status in self._statuses.items()}
        changed = [new for vm_id, new in current.items() if new != self._reported.get(vm_id)]
        self._reported = current
        self._adjust_interval(len(changed))
        return changed

    def close(self) -> None:
        self._stream.close()

    def _adjust_interval(self, changed: int) -> None:
        if changed >= max(1, _BURST_SHARE * len(self._statuses)):
            self._interval = _BURST_INTERVAL + _BURST_PER_VM * len(self._statuses)
        elif not self.pushed:
            self._interval *= _GROWTH

    def _end_task(self, moid: str, state: str, fault: Any) -> None:
        error = command_error(fault) if fault else None
        if state == "error" and error is None:
            error = CommandFailed("the task failed without a reason")
        self._end(moid, error)

    def _lose_task(self, moid: str) -> None:
        """A vCenter that restarts forgets its tasks; only the VM's state shows how they end."""
        self._end(moid, AnswerLost("the vCenter no longer has the task"))

    def _end(self, moid: str, error: CommandFailed | None) -> None:
        handle = self._handles.pop(moid)
        del self._object_specs[moid]
        status = self._statuses[handle.vm_id]
        status.ended, status.error = handle, error

    # Polling -----------------------------------------------------------------------

    def _poll_all(self, deadline: Deadline) -> None:
        objects = self._read(self._read_all, deadline)
        states = {moid: _task_state(objects.get(moid)) for moid in self._handles}
        failed = [moid for moid, state in states.items() if state == "error"]
        faults = self._task_faults(failed, deadline) if failed else {}
        for moid, state in states.items():
            if state is None:
                self._lose_task(moid)
            elif state in ("success", "error"):
                self._end_task(moid, state, faults.get(moid))
        for vm_id, status in self._statuses.items():
            status.exists = vm_id in objects
            if status.exists:
                get = objects[vm_id].properties.get
                status.update({path: get(path) for path in _WATCHED_PATHS[vim.VirtualMachine]})

    def _read_all(self, content: Any) -> dict[str, ObjectProperties]:
        specs = [_object_spec(content.rootFolder), *self._object_specs.values()]
        objects = retrieve(content, _filter_spec(specs, _WATCHED_PATHS))
        require_root(content, objects)
        return objects

    def _task_faults(self, moids: Iterable[str], deadline: Deadline) -> dict[str, Any]:
        spec = _filter_spec(
            [self._object_specs[moid] for moid in moids], {vim.Task: ["info.error"]}
        )
        tasks = self._read(
            lambda content: retrieve_with_pyvmomi(content.propertyCollector, spec), deadline
        )
        return {moid: task.properties.get("info.error") for moid, task in tasks.items()}

    def _read(self, request: Any, deadline: Deadline) -> dict[str, ObjectProperties]:
        try:
            objects: dict[str, ObjectProperties] = self._client.read(request, deadline)
        except vmodl.MethodFault as fault:
            raise read_error(fault) from None
        return objects

    # Pushed updates ----------------------------------------------------------------

    def _apply_updates(self, updates: Iterable[Any]) -> None:
        for filtered in updates:
            for missing in filtered.missingSet or ():
                self._on_missing(missing.obj._GetMoId(), missing.fault)
            for update in filtered.objectSet or ():
                if update.kind == "leave":
                    self._on_deleted(update.obj._GetMoId())
                else:
                    # A property that can no longer be read does not keep its old value.
                    unreadable = {missing.path: None for missing in update.missingSet or ()}
                    changed = {change.name: change.val for change in update.changeSet or ()}
                    self._on_changed(update.obj._GetMoId(), unreadable | changed)

    def _on_changed(self, moid: str, properties: dict[str, Any]) -> None:
        """Some properties of a VM or a task have changed."""
        if moid in self._statuses:
            if "runtime.question" in properties:
                question = properties.pop("runtime.question")
                properties[_QUESTION] = question.text if question else None
            self._statuses[moid].update(properties)
        elif moid in self._handles:
            state = str(properties.get("info.state"))
            if state in ("success", "error"):
                self._end_task(moid, state, properties.get("info.error"))

    def _on_missing(self, moid: str, fault: Any) -> None:
        """The server does not return an object: it was deleted, or its state is unknown."""
        if isinstance(fault, vmodl.fault.ManagedObjectNotFound):
            self._on_deleted(moid)
        elif moid in self._statuses:
            self._statuses[moid].update(dict.fromkeys(self._statuses[moid].properties))

    def _on_deleted(self, moid: str) -> None:
        if moid in self._statuses:
            self._statuses[moid].exists = False
        elif moid in self._handles:
            self._lose_task(moid)


def _task_state(task: ObjectProperties | None) -> str | None:
    return str(task.properties.get("info.state")) if task is not None else None


def _object_spec(managed: Any) -> Any:
    return _Collector.ObjectSpec(obj=managed)


def _filter_spec(objects: Iterable[Any], paths: dict[Any, list[str]]) -> Any:
    return _Collector.FilterSpec(
        objectSet=list(objects),
        propSet=[_Collector.PropertySpec(type=kind, pathSet=paths[kind]) for kind in paths],
        # Otherwise a deleted object is a fault, without a result for the others.
        reportMissingObjectsInResults=True,
    )
