"""The calls that a run makes in this process: which may go on, and what they have under way.

The ledger keeps it, under its lock, as what is written there and what is sent
belong together.
"""

from __future__ import annotations

import time
from datetime import datetime

from chaosvm.backend import Order
from chaosvm.ledger.history import Key, OperationRecord

__all__ = ["Calls", "Place"]

# How long a request may be on its way before it is no longer expected to have
# an effect; and how long a guest may take that was asked to shut down.
_REQUEST_SECONDS = 15.0
_GUEST_SECONDS = 60.0

# A platform and its server.
Place = tuple[str, str]


class Calls:
    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        # The requests by call and VM: None until the answer comes, then when it came.
        self._answers: dict[tuple[str, str], datetime | None] = {}
        self._moved: dict[Key, float] = {}  # when something was last noted of a VM
        self._blocked_reason: str | None = None
        # Until when a call has to have begun, so that it is not carried out any more.
        self._stopped: dict[Place, tuple[float, str]] = {}

    def begin(self, order: Order, place: Place) -> None:
        self._places[order.run] = place

    def place(self, order: Order) -> Place:
        """Where this call is at work."""
        return self._places.get(order.run, ("", ""))

    # Which may go on -----------------------------------------------------------------

    def block(self, why: str) -> None:
        """None, whenever it begins."""
        self._blocked_reason = why

    def stop(self, place: Place, why: str) -> None:
        """None that has begun there by now."""
        self._stopped[place] = (time.monotonic(), why)

    def blocked_reason(self, order: Order, place: Place) -> str | None:
        """Why this call may not go on; None if it may, as what restores always may."""
        if order.is_restore:
            return None
        until, stopped = self._stopped.get(place, (0.0, None))
        why = self._blocked_reason or (stopped if order.begun <= until else None)
        if order.phase.stopped_by is not None:
            why = why or f"{order.phase.stopped_by} has stopped the run"
        return why and f"{order.operation} is not carried out any more: {why}"

    # What they have under way ----------------------------------------------------------

    def sent(self, call: str, vm_id: str) -> None:
        self._answers[call, vm_id] = None

    def record_answer(self, call: str, vm_id: str, now: datetime) -> None:
        if (call, vm_id) in self._answers:
            self._answers[call, vm_id] = now

    def noted(self, call: str, vm_id: str) -> None:
        """Something is known of the VM that was not known before."""
        if place := self._places.get(call):
            self._moved[*place, vm_id] = time.monotonic()

    def moved_since(self, key: Key, moment: float) -> bool:
        return self._moved.get(key, 0.0) >= moment

    def time_left(
        self, vm_id: str, operation_record: OperationRecord, now: datetime, shows_shutdowns: bool
    ) -> float:
        """For how many seconds more what was sent may take effect."""
        since = self._answers.get((operation_record.call, vm_id), operation_record.sent_at)
        if since is None:
            return _REQUEST_SECONDS
        if operation_record.ended_at is not None and not operation_record.is_guest_command:
            # Until then it was watched, and what became of it was unknown.
            since = max(since, operation_record.ended_at)
        unseen = operation_record.is_guest_command and not shows_shutdowns
        patience = _GUEST_SECONDS if unseen else _REQUEST_SECONDS
        # A clock that was set back makes it new.
        age = max(0.0, (now - since).total_seconds())
        return max(0.0, patience - age)
