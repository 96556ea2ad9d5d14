"""Events: EventManager and EventHistoryCollector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.simulation import Event, EventKind
from chaosvm.lab.vcenter.entities import Entity
from chaosvm.lab.vcenter.history_collector import HistoryCollector
from chaosvm.lab.vcenter.interfaces import Service
from chaosvm.lab.vcenter.managed_object import (
    Call,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.methods.posted_events import PostedEvents
from chaosvm.lab.vcenter.own_events import OWN_KINDS, OwnEvent
from chaosvm.lab.vcenter.serialization import data_object

__all__ = ["EventHistoryCollector", "EventManager"]

_DEFAULT_LIMIT = 1000

_e = vim.event
# Event class and message, those of hosts and of migrations as in govmomi's simulator
# (simulator/esx/event_manager.go). Kinds that are not listed have no vCenter event.
_KINDS: Mapping[EventKind, tuple[Any, str]] = {
    EventKind.START_REQUESTED: (_e.VmStartingEvent, "{vm} on {host} is starting"),
    EventKind.POWERED_ON: (_e.VmPoweredOnEvent, "{vm} on {host} is powered on"),
    EventKind.POWERED_OFF: (_e.VmStoppingEvent, "{vm} on {host} is stopping"),
    EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN: (_e.VmStoppingEvent, "{vm} on {host} is stopping"),
    EventKind.SHUTDOWN_REQUESTED: (
        _e.VmGuestShutdownEvent,
        "Guest OS shut down for {vm} on {host}",
    ),
    EventKind.REBOOT_REQUESTED: (_e.VmGuestRebootEvent, "Guest OS reboot for {vm} on {host}"),
    EventKind.RESET: (_e.VmResettingEvent, "{vm} on {host} is reset"),
    EventKind.SUSPEND_REQUESTED: (_e.VmSuspendingEvent, "{vm} on {host} is being suspended"),
    EventKind.SUSPENDED: (_e.VmSuspendedEvent, "{vm} on {host} is suspended"),
    EventKind.RESUMED: (_e.VmResumingEvent, "{vm} on {host} is resuming"),
    EventKind.WENT_DOWN: (_e.VmPoweredOffEvent, "{vm} on {host} is powered off"),
    EventKind.MEMORY_DISCARDED: (_e.VmPoweredOffEvent, "{vm} on {host} is powered off"),
    EventKind.CRASHED: (_e.VmPoweredOffEvent, "{vm} on {host} is powered off"),
    EventKind.RESTARTED: (_e.EventEx, "vSphere HA restarted virtual machine {vm} on host {host}"),
    EventKind.MIGRATED: (
        _e.VmMigratedEvent,
        "Migration of virtual machine {vm} from {host} to {destination} completed",
    ),
    EventKind.HOST_MISSED: (
        _e.HostConnectionLostEvent,
        "Host {host} in {datacenter} is not responding",
    ),
    EventKind.HOST_BACK: (_e.HostConnectedEvent, "Connected to {host} in {datacenter}"),
    EventKind.HOST_RECONNECTED: (_e.HostConnectedEvent, "Connected to {host} in {datacenter}"),
    EventKind.HOST_DISCONNECTED: (
        _e.HostDisconnectedEvent,
        "Disconnected from {host} in {datacenter}",
    ),
    EventKind.HOST_MAINTENANCE_REQUESTED: (
        _e.EnteringMaintenanceModeEvent,
        "Host {host} in {datacenter} has started to enter maintenance mode",
    ),
    EventKind.HOST_IN_MAINTENANCE: (
        _e.EnteredMaintenanceModeEvent,
        "Host {host} in {datacenter} has entered maintenance mode",
    ),
    EventKind.HOST_ACTIVATED: (
        _e.ExitMaintenanceModeEvent,
        "Host {host} in {datacenter} has exited maintenance mode",
    ),
    EventKind.LOGGED_IN: (_e.UserLoginSessionEvent, "User {user} logged in"),
    EventKind.LOGGED_OUT: (_e.UserLogoutSessionEvent, "User {user} logged out"),
    EventKind.LOGIN_FAILED: (_e.BadUsernameSessionEvent, "Cannot login {user}"),
}
_EVENT_TYPE_IDS = {EventKind.RESTARTED: "com.vmware.vc.ha.VmRestartedByHAEvent"}


class _EventConverter:
    """Converts events of the simulation to vim.event objects."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def convert(self, event: Event) -> Any:
        own = self._own_event(event)
        kind, text = (own.kind, own.text) if own else _KINDS[event.kind]
        host = self._host(event)
        names = {
            "vm": event.vm_name,
            "user": event.user or "",
            "host": host.plain_name if host else "",
            "datacenter": host.compute.datacenter.plain_name if host else "",
            "destination": event.detail or "",
        }
        extra: dict[str, Any] = dict(own.fields) if own else {}
        if event.kind in _EVENT_TYPE_IDS:
            extra["eventTypeId"] = _EVENT_TYPE_IDS[event.kind]
        if kind is _e.UserLoginSessionEvent:
            extra |= {"sessionId": event.detail or "", "ipAddress": "127.0.0.1", "locale": "en"}
        if kind is _e.VmMigratedEvent and host is not None:
            extra |= {"host": self._host_called(event.detail), "sourceHost": _host_argument(host)}
        if kind is _e.VmStartingEvent or issubclass(kind, _e.VmEvent):
            extra["template"] = False
        return data_object(
            kind,
            key=event.number,
            chainId=event.number,
            createdTime=event.at,
            userName=event.user or "",
            fullFormattedMessage=text.format(**names),
            **{**self._location(event), **extra},
        )

    def _own_event(self, event: Event) -> OwnEvent | None:
        own: OwnEvent | None = self._service.inventory.own_events.find(event.number)
        return own

    def kind_of(self, event: Event) -> Any:
        """The class of an event, None for one that a vCenter does not have."""
        own = self._own_event(event)
        if own is None and event.kind is EventKind.RESTARTED and not self._has_ha(event):
            return None
        return own.kind if own else _KINDS.get(event.kind, (None,))[0]

    def _has_ha(self, event: Event) -> bool:
        """False if an engine has restarted the VM, not the HA of its cluster."""
        vm = self._service.vm_by_id(event.vm_id)
        cluster = self._service.inventory.world.cluster(vm.cluster_id) if vm else None
        return cluster is None or cluster.ha.enabled

    def _location(self, event: Event) -> dict[str, Any]:
        vm, host = self._service.vm_by_id(event.vm_id), self._host(event)
        inventory = self._service.inventory
        if vm is not None:
            compute = inventory.compute_of(vm)
            host = host or inventory.find(_moid(inventory.host_of(vm)))
        elif host is not None:
            compute = host.compute
        else:
            return {}
        location = {
            "datacenter": _e.DatacenterEventArgument(
                name=compute.datacenter.plain_name, datacenter=compute.datacenter.reference
            ),
            "computeResource": _e.ComputeResourceEventArgument(
                name=compute.plain_name, computeResource=compute.reference
            ),
        }
        if vm is not None:
            machine = vim.VirtualMachine(vm.moid)
            location["vm"] = _e.VmEventArgument(name=event.vm_name, vm=machine)
        if isinstance(host, Entity):
            location["host"] = _host_argument(host)
        return location

    def _host(self, event: Event) -> Any:
        return self._service.inventory.tree.hosts.get(event.host_id)

    def _host_called(self, name: str | None) -> Any:
        hosts = self._service.inventory.tree.hosts.values()
        return next((_host_argument(host) for host in hosts if host.plain_name == name), None)


def _host_argument(host: Entity) -> Any:
    return _e.HostEventArgument(name=host.plain_name, host=host.reference)


def _moid(reference: Any) -> str:
    return reference._moId if reference is not None else ""


class EventManager(PostedEvents):
    kind = _e.EventManager
    MOID = "EventManager"

    def __init__(self, service: Service) -> None:
        super().__init__(self.MOID)
        self._service = service
        self._converter = _EventConverter(service)

    @managed_property
    def latestEvent(self, session: Any = None) -> Any:
        events = self._supported_events()
        return self._converter.convert(events[-1]) if events else None

    @managed_property
    def maxCollector(self, session: Any = None) -> int:
        return 32

    @managed_property
    def description(self, session: Any = None) -> Any:
        kinds = {kind for kind, _ in _KINDS.values()} | OWN_KINDS
        infos = [
            _e.EventDescription.EventDetail(
                key=kind,
                category="info",
                formatOnDatacenter="",
                formatOnComputeResource="",
                formatOnHost="",
                formatOnVm="",
                fullFormat="",
            )
            for kind in sorted(kinds, key=lambda kind: kind._wsdlName)
        ]
        return data_object(
            _e.EventDescription,
            category=[vim.ElementDescription(key="info", label="Information", summary="")],
            eventInfo=infos,
        )

    @method("QueryEvents")
    def query(self, call: Call) -> list[Any]:
        """Newest first."""
        events = self.find(call.get("filter"))
        return events[: call.get("filter").maxCount or _DEFAULT_LIMIT]

    @method("CreateCollectorForEvents")
    def create_collector(self, call: Call) -> Any:
        assert call.session is not None
        collector = EventHistoryCollector(call.session, call.get("filter"), self.find)
        call.session.add(collector)
        return collector.reference

    def since(self, number: int) -> list[Any]:
        """The events after one, oldest first."""
        events = self._supported_events()
        return [self._converter.convert(event) for event in events if event.number > number]

    def find(self, spec: Any) -> list[Any]:
        matches = _Filter(self._service, spec, self._converter.kind_of).matches
        return [
            self._converter.convert(event)
            for event in reversed(self._supported_events())
            if matches(event)
        ]

    def _supported_events(self) -> Sequence[Event]:
        kind_of = self._converter.kind_of
        return [event for event in self._service.inventory.world.events if kind_of(event)]


class _Filter:
    """An EventFilterSpec as a predicate."""

    def __init__(self, service: Service, spec: Any, kind_of: Callable[[Event], Any]) -> None:
        self._service = service
        tests: list[Callable[[Event], bool]] = []
        if spec.entity is not None:
            tests.append(self._entity_test(spec.entity))
        if spec.time is not None:
            begin, end = spec.time.beginTime, spec.time.endTime
            tests.append(lambda event: begin is None or event.at >= begin)
            tests.append(lambda event: end is None or event.at <= end)
        names, own = set(spec.eventTypeId or ()), service.inventory.own_events.find
        if names:
            tests.append(
                lambda event: bool(names & _type_names(event, kind_of(event), own(event.number)))
            )
        kinds = tuple(spec.type or ())
        if kinds:
            tests.append(lambda event: issubclass(kind_of(event), kinds))
        if spec.userName is not None and spec.userName.userList:
            users = set(spec.userName.userList)
            tests.append(lambda event: event.user in users)
        if spec.eventChainId:
            tests.append(lambda event: event.number == spec.eventChainId)
        self._tests = tests

    def matches(self, event: Event) -> bool:
        return all(test(event) for test in self._tests)

    def _entity_test(self, spec: Any) -> Callable[[Event], bool]:
        inventory = self._service.inventory
        moid = spec.entity._moId
        if inventory.find(moid) is None:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=spec.entity))
        if moid == inventory.root.moid and spec.recursion != "self":
            return lambda event: True

        def test(event: Event) -> bool:
            vm = self._service.vm_by_id(event.vm_id)
            subject = vm or inventory.tree.hosts.get(event.host_id)
            if subject is None:
                return False
            if subject.moid == moid:
                return bool(spec.recursion != "children")
            if spec.recursion == "self":
                return False
            return moid in (self._service.ancestor_moids(vm) if vm else _containers(subject))

        return test


def _containers(entity: Any) -> set[str]:
    """The moids of what an entity is in."""
    moids = set()
    while (entity := entity.parent_entity) is not None:
        moids.add(entity.moid)
    return moids


def _type_names(event: Event, kind: Any, own: OwnEvent | None) -> set[str]:
    name = kind._wsdlName
    return {
        name,
        f"vim.event.{name}",
        VmomiSupport.GetVmodlName(kind),
        _EVENT_TYPE_IDS.get(event.kind, name),
        own.fields.get("eventTypeId", name) if own else name,
    }


class EventHistoryCollector(HistoryCollector):
    kind = _e.EventHistoryCollector
    number = "key"
    array = _e.Event.Array

    @method("ReadNextEvents")
    def read_next_events(self, call: Call) -> list[Any]:
        return self.read_next(call)

    @method("ReadPreviousEvents")
    def read_previous_events(self, call: Call) -> list[Any]:
        return self.read_previous(call)
