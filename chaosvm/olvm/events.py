"""The engine's own records of what it did, as far as they tell what its answers do not.

All codes, texts and correlation ids are as a real engine (4.5.8) gave them.
Texts of events are always in English.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline

__all__ = ["Event", "failed_start", "forced_stops", "of_call", "was_forced"]

_SHUTDOWN_INITIATED = 73
_POWERED_OFF_UNGRACEFULLY = 76
_STARTING = (150, 153, 537)  # it was initiated; it was handed to a host
_FAILED_TO_RUN = 54
# A start that was refused at once leaves the same code as one that failed on the hosts.
_REFUSED_AT_ONCE = "failed validation"
# From the stop to its record.
_NEAR = dt.timedelta(seconds=30)
_LEAST_FORCED, _FORCED_PER_VM = 50, 4


@dataclass(frozen=True, slots=True)
class Event:
    number: int  # a later one has a higher number
    code: int
    vm_id: str | None
    correlation_id: str | None
    text: str
    at: dt.datetime | None


def of_call(client: OLVMClient, run: str, deadline: Deadline) -> list[Event]:
    """What the engine did under this correlation id."""
    return client.items("events", _events, deadline, search=f'correlation_id="{run}"')


def forced_stops(client: OLVMClient, vms: int, deadline: Deadline) -> list[Event]:
    """The last hard stops that were made of shutdowns: enough of them for so many VMs.

    They are commands of the engine's own, so they have correlation ids of their own.
    """
    most = max(_LEAST_FORCED, _FORCED_PER_VM * vms)
    search = f"type={_POWERED_OFF_UNGRACEFULLY}"
    return client.items("events", _events, deadline, search=search, max=str(most))


def was_forced(
    vm_id: str,
    stopped_at: dt.datetime | None,
    reason: str,
    call: Iterable[Event],
    forced: Iterable[Event],
) -> bool | None:
    """Did the engine make a hard stop of the shutdown of this call? None: its records do not tell.

    A shutdown that it passed on to the guest it records as initiated, under the call's
    own correlation id.
    """
    own = [event for event in call if event.vm_id == vm_id]
    if any(event.code == _POWERED_OFF_UNGRACEFULLY for event in own):
        return True
    if any(event.code == _SHUTDOWN_INITIATED for event in own):
        return False
    for event in forced:
        if event.vm_id == vm_id and event.code == _POWERED_OFF_UNGRACEFULLY:
            if stopped_at is None or event.at is None:
                near = reason in event.text
            else:
                near = abs(event.at - stopped_at) <= _NEAR
            if near:
                return True
    return None


def failed_start(vm_id: str, call: Sequence[Event]) -> str | None:
    """What the engine records of a start that it gave up after it was accepted."""
    own = [event for event in call if event.vm_id == vm_id]
    begun = max((event.number for event in own if event.code in _STARTING), default=-1)
    for event in own:
        failed = event.code == _FAILED_TO_RUN and _REFUSED_AT_ONCE not in event.text
        if failed and event.number > begun:
            return " ".join(event.text.split())
    return None


def _events() -> XmlListParser[Event]:
    return XmlListParser("events", "event", _event)


def _event(told: Element) -> Event:
    vm, moment = told.find("vm"), told.findtext("time")
    return Event(
        number=int(told.attrib["id"]),
        code=int(told.findtext("code") or 0),
        vm_id=vm.get("id") if vm is not None else None,
        correlation_id=told.findtext("correlation_id"),
        text=told.findtext("description") or "",
        at=dt.datetime.fromisoformat(moment) if moment else None,
    )
