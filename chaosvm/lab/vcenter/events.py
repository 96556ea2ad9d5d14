"""What happened, in a vCenter's classes of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.vcenter.entities import Entity
from chaosvm.lab.vcenter.interfaces import Service, Session
from chaosvm.lab.vcenter.managed import Call, Managed, Refused, method, prop
from chaosvm.lab.vcenter.values import made
from chaosvm.lab.world import Event, EventKind

__all__ = ["EventHistoryCollector", "EventManager"]

_PAGE = 10
_LONGEST_PAGE = 1000
_DEFAULT_MOST = 1000

_e = vim.event
# The class, and its text. Kinds that are not here are not told by a vCenter.
_KINDS: Mapping[EventKind, tuple[Any, str]] = {
    EventKind.START_ASKED: (_e.VmStartingEvent, "{vm} on {host} is starting"),
    EventKind.STARTED: (_e.VmPoweredOnEvent, "{vm} on {host} is powered on"),
    EventKind.POWERED_OFF: (_e.VmStoppingEvent, "{vm} on {host} is stopping"),
    EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN: (_e.VmStoppingEvent, "{vm} on {host} is stopping"),
    EventKind.SHUTDOWN_ASKED: (_e.VmGuestShutdownEvent, "Guest OS shut down for {vm} on {host}"),
    EventKind.REBOOT_ASKED: (_e.VmGuestRebootEvent, "Guest OS reboot for {vm} on {host}"),
    EventKind.RESET: (_e.VmResettingEvent, "{vm} on {host} is reset"),
    EventKind.SUSPEND_ASKED: (_e.VmSuspendingEvent, "{vm} on {host} is being suspended"),
    EventKind.SUSPENDED: (_e.VmSuspendedEvent, "{vm} on {host} is suspended"),
    EventKind.RESUMED: (_e.VmResumingEvent, "{vm} on {host} is resuming"),
    EventKind.WENT_DOWN: (_e.VmPoweredOffEvent, "{vm} on {host} is powered off"),
    EventKind.MEMORY_DISCARDED: (_e.VmPoweredOffEvent, "{vm} on {host} is powered off"),
    EventKind.CRASHED: (_e.VmPoweredOffEvent, "{vm} on {host} is powered off"),
    EventKind.RESTARTED: (_e.EventEx, "vSphere HA restarted virtual machine {vm} on host {host}"),
    EventKind.LOGGED_IN: (_e.UserLoginSessionEvent, "User {user} logged in"),
    EventKind.LOGGED_OUT: (_e.UserLogoutSessionEvent, "User {user} logged out"),
    EventKind.LOGIN_FAILED: (_e.BadUsernameSessionEvent, "Cannot login {user}"),
}
_EXTENDED = {EventKind.RESTARTED: "com.vmware.vc.ha.VmRestartedByHAEvent"}


class _Teller:
    """Makes a vCenter's events of the world's."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def told(self, event: Event) -> Any:
        kind, text = _KINDS[event.kind]
        names = {"vm": event.vm_name, "user": event.user or "", "host": self._host_name(event)}
        extra: dict[str, Any] = {}
        if event.kind in _EXTENDED:
            extra["eventTypeId"] = _EXTENDED[event.kind]
        if kind is _e.UserLoginSessionEvent:
            extra |= {"sessionId": "", "ipAddress": "127.0.0.1", "locale": "en"}
        if kind is _e.VmStartingEvent or issubclass(kind, _e.VmEvent):
            extra["template"] = False
        return made(
            kind,
            key=event.number,
            chainId=event.number,
            createdTime=event.at,
            userName=event.user or "",
            fullFormattedMessage=text.format(**names),
            **extra,
            **self._where(event),
        )

    def _where(self, event: Event) -> dict[str, Any]:
        vm = self._service.vm_by_id(event.vm_id)
        if vm is None:
            return {}
        estate = self._service.estate
        compute = estate.compute_of(vm)
        datacenter = compute.datacenter
        argument = _e.VmEventArgument(name=event.vm_name, vm=vim.VirtualMachine(vm.moid))
        where = {
            "vm": argument,
            "datacenter": _e.DatacenterEventArgument(
                name=datacenter.plain_name, datacenter=datacenter.reference
            ),
            "computeResource": _e.ComputeResourceEventArgument(
                name=compute.plain_name, computeResource=compute.reference
            ),
        }
        host = estate.tree.hosts.get(event.host_id) or estate.find(_moid(estate.host_of(vm)))
        if isinstance(host, Entity):
            where["host"] = _e.HostEventArgument(name=host.plain_name, host=host.reference)
        return where

    def _host_name(self, event: Event) -> str:
        host = self._service.estate.tree.hosts.get(event.host_id)
        return host.plain_name if host else ""


def _moid(reference: Any) -> str:
    return reference._moId if reference is not None else ""


class EventManager(Managed):
    kind = _e.EventManager
    MOID = "EventManager"

    def __init__(self, service: Service) -> None:
        super().__init__(self.MOID)
        self._service = service
        self._teller = _Teller(service)

    @prop
    def latestEvent(self, session: Any = None) -> Any:
        known = self._known()
        return self._teller.told(known[-1]) if known else None

    @prop
    def maxCollector(self, session: Any = None) -> int:
        return 32

    @prop
    def description(self, session: Any = None) -> Any:
        kinds = {kind for kind, _ in _KINDS.values()}
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
        return made(
            _e.EventDescription,
            category=[vim.ElementDescription(key="info", label="Information", summary="")],
            eventInfo=infos,
        )

    @method("QueryEvents")
    def query(self, call: Call) -> list[Any]:
        """The latest first."""
        found = self.found(call.get("filter"))
        return found[: call.get("filter").maxCount or _DEFAULT_MOST]

    @method("CreateCollectorForEvents")
    def create_collector(self, call: Call) -> Any:
        assert call.session is not None
        made_now = EventHistoryCollector(self, call.session, call.get("filter"))
        call.session.keep(made_now)
        return made_now.reference

    def found(self, wanted: Any) -> list[Any]:
        holds = _Filter(self._service, wanted).holds
        return [self._teller.told(event) for event in reversed(self._known()) if holds(event)]

    def _known(self) -> Sequence[Event]:
        return [event for event in self._service.estate.world.events if event.kind in _KINDS]


class _Filter:
    """What an EventFilterSpec lets through."""

    def __init__(self, service: Service, wanted: Any) -> None:
        self._service = service
        tests: list[Callable[[Event], bool]] = []
        if wanted.entity is not None:
            tests.append(self._entity_test(wanted.entity))
        if wanted.time is not None:
            begin, end = wanted.time.beginTime, wanted.time.endTime
            tests.append(lambda event: begin is None or event.at >= begin)
            tests.append(lambda event: end is None or event.at <= end)
        names = set(wanted.eventTypeId or ())
        if names:
            tests.append(lambda event: bool(names & _names_of(event.kind)))
        kinds = tuple(wanted.type or ())
        if kinds:
            tests.append(lambda event: issubclass(_KINDS[event.kind][0], kinds))
        if wanted.userName is not None and wanted.userName.userList:
            users = set(wanted.userName.userList)
            tests.append(lambda event: event.user in users)
        if wanted.eventChainId:
            tests.append(lambda event: event.number == wanted.eventChainId)
        self._tests = tests

    def holds(self, event: Event) -> bool:
        return all(test(event) for test in self._tests)

    def _entity_test(self, wanted: Any) -> Callable[[Event], bool]:
        estate = self._service.estate
        moid = wanted.entity._moId
        if estate.find(moid) is None:
            raise Refused(vmodl.fault.ManagedObjectNotFound(obj=wanted.entity))
        if moid == estate.root.moid and wanted.recursion != "self":
            return lambda event: True

        def test(event: Event) -> bool:
            vm = self._service.vm_by_id(event.vm_id)
            if vm is None:
                return False
            if vm.moid == moid:
                return bool(wanted.recursion != "children")
            if wanted.recursion == "self":
                return False
            around: set[str] = self._service.moids_around(vm)
            return moid in around

        return test


def _names_of(kind: EventKind) -> set[str]:
    made_as = _KINDS[kind][0]
    name = made_as._wsdlName
    return {
        name,
        f"vim.event.{name}",
        VmomiSupport.GetVmodlName(made_as),
        _EXTENDED.get(kind, name),
    }


class EventHistoryCollector(Managed):
    """A window on the events of a filter: its latest page, and pages read one after another."""

    kind = _e.EventHistoryCollector

    def __init__(self, manager: EventManager, session: Session, wanted: Any) -> None:
        super().__init__(session.new_moid())
        self._manager = manager
        self._session = session
        self._wanted = wanted
        self._size = _PAGE
        self._read_up_to = 0  # the key of the last event that ReadNextEvents told
        self._first_read: int | None = None
        manager.found(wanted)  # refuses what cannot be

    @prop
    def filter(self, session: Any = None) -> Any:
        return self._wanted

    @prop
    def latestPage(self, session: Any = None) -> Any:
        return _e.Event.Array(self._manager.found(self._wanted)[: self._size])

    @method("SetCollectorPageSize")
    def set_page_size(self, call: Call) -> None:
        self._size = min(call.get("maxCount"), _LONGEST_PAGE)

    @method("RewindCollector")
    def rewind(self, call: Call) -> None:
        self._read_up_to, self._first_read = 0, None

    @method("ResetCollector")
    def reset(self, call: Call) -> None:
        newest = self._manager.found(self._wanted)
        self._read_up_to = newest[0].key if newest else 0
        self._first_read = self._read_up_to + 1

    @method("ReadNextEvents", "ReadNext")
    def read_next(self, call: Call) -> list[Any]:
        """From the oldest on."""
        most = min(call.get("maxCount") or self._size, _LONGEST_PAGE)
        oldest_first = reversed(self._manager.found(self._wanted))
        page = [event for event in oldest_first if event.key > self._read_up_to][:most]
        if page:
            self._read_up_to = page[-1].key
            self._first_read = self._first_read or page[0].key
        return page

    @method("ReadPreviousEvents", "ReadPrevious")
    def read_previous(self, call: Call) -> list[Any]:
        most = min(call.get("maxCount") or self._size, _LONGEST_PAGE)
        before = self._first_read
        found = self._manager.found(self._wanted)
        page = [event for event in found if before is None or event.key < before][:most]
        if page:
            self._first_read = page[-1].key
            self._read_up_to = max(self._read_up_to, page[0].key)
        return page

    @method("DestroyCollector")
    def destroy(self, call: Call) -> None:
        self._session.drop(self.moid)
