"""The calls of a run in this process: which may continue, and which requests are in flight.

Not thread-safe by itself: the ledger calls it under its own lock, because a line in the file
and the state here have to change together.
"""

from __future__ import annotations

import time
from datetime import datetime

from chaosvm.backend import Order
from chaosvm.ledger.history import Key, OperationRecord

__all__ = ["Calls", "Place"]

# After this time a request, or a guest shutdown, is no longer expected to take effect.
_REQUEST_SECONDS = 15.0
_GUEST_SECONDS = 60.0

# A platform and its server.
Place = tuple[str, str]


class Calls:
    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        # By call and VM, on a monotonic clock: when the request was answered, None while
        # it is in flight, and when its outcome was recorded.
        self._answered_at: dict[tuple[str, str], float | None] = {}
        self._ended_at: dict[tuple[str, str], float] = {}
        self._recorded_at: dict[Key, float] = {}  # the last line about each VM
        self._blocked_reason: str | None = None
        # Calls that began at this time or earlier are stopped, for this reason.
        self._stopped: dict[Place, tuple[float, str]] = {}

    def begin(self, order: Order, place: Place) -> None:
        self._places[order.call_id] = place

    def place(self, order: Order) -> Place:
        """The platform and server of this call."""
        return self._places.get(order.call_id, ("", ""))

    # Stopping calls --------------------------------------------------------------------

    def block(self, why: str) -> None:
        """Stop every call, including those that begin later."""
        self._blocked_reason = why

    def stop(self, place: Place, why: str) -> None:
        """Stop the calls to this server that have already begun."""
        self._stopped[place] = (time.monotonic(), why)

    def blocked_reason(self, order: Order, place: Place) -> str | None:
        """Why this call has to stop; None if it may continue. A restore always may."""
        if order.is_restore:
            return None
        stopped_at, stop_reason = self._stopped.get(place, (0.0, None))
        why = self._blocked_reason or (stop_reason if order.begun <= stopped_at else None)
        if order.phase.stopped_by is not None:
            why = why or f"{order.phase.stopped_by} has stopped the run"
        return why and f"{order.operation} is not carried out: {why}"

    # Requests in flight ----------------------------------------------------------------

    def record_request(self, call: str, vm_id: str) -> None:
        self._answered_at[call, vm_id] = None

    def record_answer(self, call: str, vm_id: str, moment: float) -> None:
        if (call, vm_id) in self._answered_at:
            self._answered_at[call, vm_id] = moment

    def record_outcome(self, call: str, vm_id: str, moment: float) -> None:
        self._ended_at[call, vm_id] = moment

    def record_line(self, call: str, vm_id: str) -> None:
        if place := self._places.get(call):
            self._recorded_at[*place, vm_id] = time.monotonic()

    def recorded_since(self, key: Key, moment: float) -> bool:
        return self._recorded_at.get(key, 0.0) >= moment

    def seconds_left(
        self,
        vm_id: str,
        operation: OperationRecord,
        now: datetime,
        moment: float,
        shows_shutdowns: bool,
    ) -> float:
        """For how many more seconds the last request may take effect.

        ``now`` and ``moment`` are the same time, for requests of other processes and of this one.
        """
        call = (operation.call, vm_id)
        if call in self._answered_at:
            age = _age(moment, self._answered_at[call], self._ended_at.get(call), operation)
        else:
            sent, ended = _seconds(operation.sent_at), _seconds(operation.ended_at)
            age = _age(now.timestamp(), sent, ended, operation)
        if age is None:
            return _REQUEST_SECONDS
        hidden = operation.is_guest_command and not shows_shutdowns
        return max(0.0, (_GUEST_SECONDS if hidden else _REQUEST_SECONDS) - age)


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


def _age(
    now: float, since: float | None, ended: float | None, operation: OperationRecord
) -> float | None:
    """Seconds since a request was sent or answered; None if that is not known."""
    if since is None:
        return None
    if ended is not None and not operation.is_guest_command:
        # Until then the VM was watched without a result.
        since = max(since, ended)
    # If the clock was set back, the request counts as new.
    return max(0.0, now - since)
