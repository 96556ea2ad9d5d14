"""The engine's events, which record what the answers to its actions leave out.

Codes, texts and correlation ids were recorded on a real engine (4.5.8). The
texts of events are always in English.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from chaosvm.backend import EventKind, ServerEvent, events_missing
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline

__all__ = [
    "Event",
    "crashes",
    "events_of_call",
    "failed_start",
    "forced_stops",
    "read_events",
    "start_failure",
    "was_forced",
]

_SHUTDOWN_INITIATED = 73
_POWERED_OFF_UNGRACEFULLY = 76
_STARTING = (150, 153, 537)  # initiated, or sent to a host
_FAILED_TO_RUN, _FAILED_ON_HOST = 54, 151
_DOWN_WITH_ERROR = 119
# A start that is refused at once has the same code as one that fails on every host.
_REFUSED_AT_ONCE = "failed validation"
_EXIT_MESSAGE = "Exit message: "
# Between the stop and its event.
_MAX_DELAY = dt.timedelta(seconds=30)
_MIN_LATEST, _LATEST_PER_VM = 50, 4


# By code, as recorded (events-CODES).
_KINDS: Mapping[int, EventKind] = {
    12: EventKind.HOST_LOST,
    13: EventKind.HOST_CONNECTED,
    32: EventKind.POWERED_ON,
    33: EventKind.POWER_OFF_REQUESTED,
    40: EventKind.RESUMED,
    54: EventKind.START_FAILED,
    61: EventKind.POWERED_OFF,
    62: EventKind.MIGRATION_STARTED,
    63: EventKind.MIGRATED,
    64: EventKind.MIGRATION_FAILED,
    65: EventKind.MIGRATION_FAILED,
    73: EventKind.SHUTDOWN_REQUESTED,
    76: EventKind.SHUTDOWN_FORCED,
    119: EventKind.FAILED,
    142: EventKind.STATE_UNKNOWN,
    143: EventKind.FAILED,
    147: EventKind.SHUTDOWN_IGNORED,
    150: EventKind.POWER_ON_REQUESTED,
    153: EventKind.POWER_ON_REQUESTED,
    157: EventKind.REBOOT_REQUESTED,
    179: EventKind.POWER_ON_REQUESTED,
    221: EventKind.RESET,
    501: EventKind.SUSPEND_REQUESTED,
    503: EventKind.SUSPENDED,
    506: EventKind.HA_RESTARTED,
    537: EventKind.POWERED_ON,
    1025: EventKind.PAUSED,
    9602: EventKind.HA_FAILOVER,
}
# How many of the latest events are read first, and how many times more if they do not reach
# back far enough.
_FIRST_EVENTS, _MORE = 250, 4


@dataclass(frozen=True, slots=True)
class Event:
    number: int  # a later one has a higher number
    code: int
    vm_id: str | None
    correlation_id: str | None
    text: str
    at: dt.datetime | None
    vm_name: str | None = None
    host: str | None = None
    host_id: str | None = None


def events_of_call(client: OLVMClient, run: str, deadline: Deadline) -> list[Event]:
    """The events with this correlation id."""
    return client.read_list("events", _events, deadline, search=f'correlation_id="{run}"')


def forced_stops(client: OLVMClient, vms: int, deadline: Deadline) -> list[Event]:
    """The latest shutdowns that the engine turned into hard stops, enough for ``vms`` VMs.

    Each is a command of the engine itself, with a correlation id of its own.
    """
    return _latest(client, _POWERED_OFF_UNGRACEFULLY, vms, deadline)


def crashes(client: OLVMClient, vms: int, deadline: Deadline) -> list[Event]:
    """The latest ends of VMs by an error, without a correlation id, enough for ``vms`` VMs."""
    return _latest(client, _DOWN_WITH_ERROR, vms, deadline)


def _latest(client: OLVMClient, code: int, vms: int, deadline: Deadline) -> list[Event]:
    limit = max(_MIN_LATEST, _LATEST_PER_VM * vms)
    return client.read_list("events", _events, deadline, search=f"type={code}", max=str(limit))


def read_events(client: OLVMClient, since: dt.datetime, deadline: Deadline) -> list[ServerEvent]:
    """The events from ``since`` on, with older ones.

    They are read by their numbers, backwards: a search compares times in the time zone
    and language of the engine. Raises NotReported unless an event from before ``since``,
    or the very first one, shows that none is missing.
    """
    newest = client.read_list("events", _events, deadline, max="1")
    last, count = newest[0].number if newest else 0, _FIRST_EVENTS
    while True:
        first = max(0, last - count)
        events = client.read_list("events", _events, deadline, **{"from": str(first)})
        dated = [_server_event(event, event.at) for event in events if event.at is not None]
        oldest = min(dated, key=lambda event: event.number, default=None)
        if oldest is not None and (oldest.number == 1 or oldest.at < since):
            return dated
        if first == 0:
            raise events_missing(client.address, since, oldest.at if oldest else None)
        count *= _MORE


def _server_event(event: Event, at: dt.datetime) -> ServerEvent:
    return ServerEvent(
        number=event.number,
        at=at,
        kind=_KINDS.get(event.code, EventKind.OTHER),
        type=str(event.code),
        text=" ".join(event.text.split()),
        vm_id=event.vm_id,
        vm_name=event.vm_name,
        host=event.host,
        host_id=event.host_id,
        correlation_id=event.correlation_id,
    )


def was_forced(
    vm_id: str,
    stopped_at: dt.datetime | None,
    reason: str,
    call: Iterable[Event],
    forced: Iterable[Event],
) -> bool | None:
    """True if the engine turned this call's shutdown into a hard stop; None if unknown.

    A shutdown that reached the guest is recorded as initiated, with the
    correlation id of the call.
    """
    own = [event for event in call if event.vm_id == vm_id]
    if any(event.code == _POWERED_OFF_UNGRACEFULLY for event in own):
        return True
    if any(event.code == _SHUTDOWN_INITIATED for event in own):
        return False
    for event in forced:
        if event.vm_id == vm_id and event.code == _POWERED_OFF_UNGRACEFULLY:
            if stopped_at is None or event.at is None:
                matches = reason in event.text
            else:
                matches = abs(event.at - stopped_at) <= _MAX_DELAY
            if matches:
                return True
    return None


def failed_start(vm_id: str, call: Sequence[Event]) -> Event | None:
    """The event for an accepted start that failed on every host."""
    own = [event for event in call if event.vm_id == vm_id]
    started = max((event.number for event in own if event.code in _STARTING), default=-1)
    for event in own:
        failed = event.code == _FAILED_TO_RUN and _REFUSED_AT_ONCE not in event.text
        if failed and event.number > started:
            return event
    return None


def start_failure(failed: Event, call: Sequence[Event], crashed: Sequence[Event]) -> str:
    """Why a start failed: on which hosts, and how the VM's process ended there."""
    own = sorted((each for each in call if each.vm_id == failed.vm_id), key=lambda e: e.number)
    tried = [event.host for event in own if event.code == _FAILED_ON_HOST and event.host]
    began = next((event.number for event in own if event.code in _STARTING), failed.number)
    ends = [
        " ".join(event.text.partition(_EXIT_MESSAGE)[2].split()).rstrip(".")
        for event in crashed
        if event.vm_id == failed.vm_id and began < event.number < failed.number
    ]
    hosts = f" (tried {', '.join(dict.fromkeys(tried))})" if tried else ""
    reason = next((f": {end}" for end in ends if end), "")
    return f"no host could start the VM{hosts}{reason}"


def _events() -> XmlListParser[Event]:
    return XmlListParser("events", "event", _event)


def _event(element: Element) -> Event:
    vm, host, time = element.find("vm"), element.find("host"), element.findtext("time")
    return Event(
        number=int(element.attrib["id"]),
        code=int(element.findtext("code") or 0),
        vm_id=vm.get("id") if vm is not None else None,
        correlation_id=element.findtext("correlation_id"),
        text=element.findtext("description") or "",
        at=dt.datetime.fromisoformat(time) if time else None,
        vm_name=element.findtext("vm/name"),
        host=element.findtext("host/name"),
        host_id=host.get("id") if host is not None else None,
    )
