"""Events, which clients may add and remove. Source: the recordings ``event-*``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt import representations
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import mandatory, value
from chaosvm.lab.ovirt.collection import Call, Collection
from chaosvm.lab.ovirt.statuses_and_events import is_reported
from chaosvm.lab.simulation import Event, EventKind, Note, Origin, World

__all__ = ["event_collection"]

_CODES = {"normal": 9801, "warning": 9802, "error": 9803, "alert": 9804}
_TAKEN = "[=Cannot add External Event. External Event with this custom id already exists.]"


def event_collection(world: World) -> Collection:
    events = _Events(world)
    return Collection(
        path="events",
        root="events",
        items=events.listed,
        described=lambda call, event: representations.event(world, event),
        id_of=lambda event: str(event.number),
        find=events.find,
        entity="EVENT",
        add=events.add,
        remove=events.remove,
    )


class _Events:
    """Removed events are not listed, but can still be read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._removed: set[int] = set()

    def listed(self, call: Call) -> Sequence[Event]:
        """Newest first."""
        events = self._world.events[::-1]
        return [e for e in events if is_reported(e) and e.number not in self._removed]

    def find(self, call: Call, number: str) -> Event | None:
        if not re.fullmatch(r"[+-]?\d+", number) or abs(int(number)) >= 2**63:
            raise Failure(400, f'For input string: "{number}"', "Operation failed")
        events = self._world.events
        return next((e for e in events if e.number == int(number) and is_reported(e)), None)

    def add(self, call: Call, body: Element) -> Event:
        mandatory(body, ("custom_id", "description", "origin", "severity"))
        severity = value(body, "severity") or ""
        source, source_id = value(body, "origin") or "", int(value(body, "custom_id") or 0)
        if any(
            e.note and (e.note.source, e.note.source_id) == (source, source_id)
            for e in self._world.events
        ):
            raise Failure(400, _TAKEN)
        if severity not in _CODES:
            raise Failure(400, f"{severity.upper()} is not a member of LogSeverity.")
        note = Note(_CODES[severity], severity, value(body, "description") or "", source, source_id)
        vm_id, host_id = value(body, "vm/id"), value(body, "host/id")
        vm = self._world.vm(vm_id) if vm_id and self._world.has_vm(vm_id) else None
        number = self._world.record(EventKind.NOTED, vm, Origin(), host_id=host_id, note=note)
        return next(e for e in self._world.events[::-1] if e.number == number)

    def remove(self, call: Call, event: Event) -> None:
        self._removed.add(event.number)
