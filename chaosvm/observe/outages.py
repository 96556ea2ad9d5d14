"""Reads outages of VMs from a server's events: when, why, and how they ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaosvm.backend import EventKind, ServerEvent

__all__ = ["Outage", "outages", "was_restarted_by_ha"]

_K = EventKind
_DOWN = frozenset((_K.POWERED_OFF, _K.FAILED, _K.HA_FAILOVER, _K.SUSPENDED))
# The guest goes down, and the VM stays on.
_GUEST_DOWN = frozenset((_K.RESET, _K.REBOOT_REQUESTED))
_UP = frozenset((_K.POWERED_ON, _K.RESUMED, _K.HA_RESTARTED))
# It was requested: the VM stops cleanly, and high availability leaves it alone.
_STOP_REQUESTED = frozenset((_K.POWER_OFF_REQUESTED, _K.SHUTDOWN_REQUESTED, _K.SHUTDOWN_FORCED))


@dataclass(frozen=True, slots=True)
class Outage:
    """One time that a VM was down, on the server's clock.

    ``number`` identifies it: the number of the event that began it. ``down_at`` is None
    if no event shows when it began, and ``up_at`` as long as none has ended it.
    ``requested`` is True if the stop was requested, and ``guest_only`` for a reboot
    or a reset, in which the VM stays on.
    """

    number: int
    down_at: dt.datetime | None
    requested: bool = False
    guest_only: bool = False
    up_at: dt.datetime | None = None
    by_ha: bool = False
    host_before: str | None = None
    host_after: str | None = None

    @property
    def seconds(self) -> float | None:
        if self.up_at is None or self.down_at is None:
            return None
        return (self.up_at - self.down_at).total_seconds()


def outages(
    events: Sequence[ServerEvent], vm_id: str, host: str | None = None, guest: bool = False
) -> list[Outage]:
    """The outages of a VM, oldest first, from a server's events in order.

    ``host`` is where it ran before the first of them. With ``guest``, a reset and a
    reboot are outages too. The loss of a VM's host is the beginning of an outage
    only if the VM was restarted.
    """
    reader = _Reader(vm_id, host, guest)
    for event in events:
        reader.read(event)
    return reader.found


class _Reader:
    def __init__(self, vm_id: str, host: str | None, guest: bool) -> None:
        self.found: list[Outage] = []
        self._vm_id = vm_id
        self._host = host
        self._down = _DOWN | _GUEST_DOWN if guest else _DOWN
        self._requested = False
        self._lost: ServerEvent | None = None  # its host, or its state

    def read(self, event: ServerEvent) -> None:
        if event.kind is _K.HOST_LOST and event.host is not None and event.host == self._host:
            self._lost = self._lost or event
        if event.vm_id != self._vm_id:
            return
        if event.kind is _K.STATE_UNKNOWN:
            self._lost = self._lost or event
        elif event.kind in _STOP_REQUESTED:
            self._requested = True
        if event.kind in self._down and not self._is_down:
            self._begin(event)
        elif event.kind in _UP:
            self._end(event)
        self._host = event.host or self._host

    @property
    def _is_down(self) -> bool:
        return bool(self.found) and self.found[-1].up_at is None

    def _begin(self, event: ServerEvent) -> None:
        first = self._lost or event
        requested = self._requested and event.kind is not _K.FAILED
        self.found.append(
            Outage(
                first.number,
                first.at,
                requested,
                guest_only=event.kind in _GUEST_DOWN,
                host_before=event.host or self._host,
            )
        )

    def _begin_unseen(self, event: ServerEvent) -> None:
        """The VM was restarted, and no event of its own shows when it went down."""
        first = self._lost
        number, at = (first.number, first.at) if first else (event.number, None)
        self.found.append(Outage(number, at, host_before=self._host))

    def _end(self, event: ServerEvent) -> None:
        by_ha = event.kind is _K.HA_RESTARTED
        if by_ha and not self._is_down and not self._repeats(event):
            self._begin_unseen(event)
        # An engine records a restart twice: when it tries, and when the VM is up.
        if self._is_down or self._repeats(event):
            self.found[-1] = replace(
                self.found[-1],
                up_at=event.at,
                by_ha=by_ha or self.found[-1].by_ha,
                host_after=event.host,
            )
        self._requested, self._lost = False, None

    def _repeats(self, event: ServerEvent) -> bool:
        return bool(self.found) and self.found[-1].by_ha and self.found[-1].host_after == event.host


def was_restarted_by_ha(found: Sequence[Outage]) -> Outage | None:
    """The latest outage that high availability ended."""
    return next((each for each in reversed(found) if each.by_ha), None)
