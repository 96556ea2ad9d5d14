"""Watches VMs by polling: one request per poll, however many VMs there are."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from chaosvm.backend import CommandHandle, Observation, Order, PowerCommand, Watch
from chaosvm.errors import CommandFailed, DeadlinePassed, GuestUnavailable, PlatformError
from chaosvm.olvm.bulk_reads import read_by_id, read_by_name
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.elements import vm_status
from chaosvm.olvm.events import (
    Event,
    crashes,
    events_of_call,
    failed_start,
    forced_stops,
    start_failure,
    was_forced,
)
from chaosvm.olvm.inventory import power_state
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.outcome import How
from chaosvm.runtime import Deadline
from chaosvm.vm import VM, PowerState

__all__ = ["Accepted", "OLVMWatch"]

logger = logging.getLogger("chaostoolkit")

_FIRST_INTERVAL, _GROWTH, _MAX_INTERVAL = 0.15, 1.3, 2.0
# If this share of the VMs changed since the last poll, the others are about to.
_BURST = 0.2
_BURST_INTERVAL = 0.05
# The event of a hard stop may follow shortly after the VM is down.
_EVENT_DELAY = 0.3
# For a user with few permissions, reading events takes the engine half a minute.
_MAX_EVENT_SECONDS = 5.0
# After an accepted start the VM may stay down: for 21 s if it is stateless, for good if
# no host can start it. The events are checked at these intervals.
_FIRST_CHECK, _CHECK_GROWTH, _MAX_CHECK = 1.0, 1.5, 5.0
_NOT_STARTED = ("down", "suspended", "paused")
# The engine prepares a suspend for up to 10 s, and drops it if the VM is not up by then.
# Only the end of the engine's job shows it.
_SUSPEND_PREPARATION = 15.0
_JOB_INTERVAL = 5.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """The reference of a CommandHandle: the command, and the id of the engine's job."""

    command: PowerCommand
    job: str | None = None


@dataclass(frozen=True, slots=True)
class _Reading:
    """A VM as the engine reports it."""

    id: str
    status: str
    stop_time: str | None

    @classmethod
    def of(cls, vm: Element) -> _Reading:
        return cls(vm.attrib["id"], vm_status(vm), vm.findtext("stop_time"))


# By id; None for a VM that does not exist.
_Readings = dict[str, _Reading | None]


@dataclass(slots=True)
class _Tracked:
    """What the watch remembers of a VM between polls."""

    vm_id: str
    handle: CommandHandle | None = None
    going_down: bool = False  # seen powering_down since the shutdown request
    refused: bool = False  # up again after that
    converted: bool = False
    events_read: bool = False
    failure: CommandFailed | None = None  # of a command that had been accepted
    next_check_at: float | None = None  # of the command's result
    pause: float = _FIRST_CHECK
    job_ended_at: float | None = None

    def track(self, handle: CommandHandle) -> None:
        self.handle = handle
        self.going_down = self.refused = False
        self.failure, self.next_check_at, self.pause = None, None, _FIRST_CHECK
        self.job_ended_at = None

    @property
    def command(self) -> PowerCommand | None:
        return self.handle.reference.command if self.handle is not None else None


class OLVMWatch(Watch):
    def __init__(
        self, client: OLVMClient, vms: Sequence[VM], order: Order, total: int | None = None
    ) -> None:
        """``total`` is how many VMs the engine has, if known."""
        self._client = client
        self._order = order
        self._names = {vm.id: vm.name for vm in vms}
        self._tracked = {vm.id: _Tracked(vm.id) for vm in vms}
        self._total = total
        self._statuses: dict[str, str | None] = {}
        self._reads_events = True  # False once they took too long
        self._interval = self._pause = _FIRST_INTERVAL

    def track(self, handles: Sequence[CommandHandle]) -> None:
        for handle in handles:
            # The answer may come after the VM was unwatched.
            if tracked := self._tracked.get(handle.vm_id):
                tracked.track(handle)
        if handles:
            self._interval = self._pause = _FIRST_INTERVAL

    def unwatch(self, vm_ids: Sequence[str]) -> None:
        for vm_id in self._tracked.keys() & set(vm_ids):
            del self._tracked[vm_id], self._names[vm_id]

    def poll(self, seconds: float, deadline: Deadline) -> list[Observation]:
        if seconds > 0:
            deadline.sleep(min(seconds, self._pause))
        readings = self._read(deadline)
        self._set_pace(readings)
        self._check_conversions(readings, deadline)
        self._check_starts(readings, deadline)
        self._check_suspends(readings, deadline)
        return [self._observation(vm_id, readings.get(vm_id)) for vm_id in self._tracked]

    # Reading -----------------------------------------------------------------------

    def _read(self, deadline: Deadline) -> _Readings:
        if len(self._tracked) == 1:
            return self._read_by_id(list(self._tracked), deadline)
        names = sorted({*self._names.values()})
        listed = read_by_name(self._client, names, _vm_parser, deadline, self._total)
        if listed is None:
            listed = self._client.read_list("vms", _vm_parser, deadline)
        readings: _Readings = {vm.id: vm for vm in listed if vm.id in self._tracked}
        # A missing VM may have been deleted or renamed.
        return readings | self._read_by_id([*self._tracked.keys() - readings.keys()], deadline)

    def _read_by_id(self, vm_ids: list[str], deadline: Deadline) -> _Readings:
        readings = read_by_id(self._client, vm_ids, _vm_parser, deadline)
        return dict(zip(vm_ids, readings, strict=True))

    def _observation(self, vm_id: str, reading: _Reading | None) -> Observation:
        if reading is None:
            return Observation(vm_id=vm_id, power_state=PowerState.UNKNOWN, exists=False)
        tracked = self._tracked[vm_id]
        error = tracked.failure or self._guest_refusal(tracked, reading.status)
        return Observation(
            vm_id=vm_id,
            power_state=power_state(reading.status),
            ended=tracked.handle if error else None,
            error=error,
            how=How.ENGINE_CONVERTED if tracked.converted else None,
        )

    def _set_pace(self, readings: _Readings) -> None:
        """Poll less and less often while nothing changes, and more often during a burst."""
        statuses = {vm_id: vm.status if vm else None for vm_id, vm in readings.items()}
        changed = sum(status != self._statuses.get(vm_id) for vm_id, status in statuses.items())
        burst = bool(self._statuses) and changed >= _BURST * len(statuses)
        self._pause = _BURST_INTERVAL if burst else self._interval
        if not burst:
            self._interval = min(self._interval * _GROWTH, _MAX_INTERVAL)
        self._statuses = statuses

    # Shutdowns -----------------------------------------------------------------------

    def _guest_refusal(self, tracked: _Tracked, status: str) -> CommandFailed | None:
        """The engine sets a VM that ignores a shutdown back to up."""
        if tracked.command is not PowerCommand.SHUTDOWN_GUEST:
            return None
        if status == "powering_down":
            tracked.going_down = True
        elif tracked.going_down and status == "up":
            tracked.refused = True
        if tracked.refused:
            return GuestUnavailable("the guest did not shut down, and the engine gave up on it")
        return None

    def _check_conversions(self, readings: _Readings, deadline: Deadline) -> None:
        """Once a VM is down, find out whether the engine turned the shutdown into a hard stop."""
        down = [
            reading
            for vm_id, reading in readings.items()
            if reading is not None
            and reading.status == "down"
            and (tracked := self._tracked[vm_id]).command is PowerCommand.SHUTDOWN_GUEST
            and not tracked.events_read
        ]
        if not down:
            return
        for reading in down:
            self._tracked[reading.id].events_read = True
        try:
            unclear = self._record_conversions(down, self._event_deadline(deadline))
            if unclear:
                deadline.sleep(_EVENT_DELAY)
                self._record_conversions(unclear, self._event_deadline(deadline))
        except PlatformError as error:
            self._reads_events = not isinstance(error, DeadlinePassed)
            logger.warning(f"it is unknown whether the engine forced a VM off: {error}")

    def _event_deadline(self, deadline: Deadline) -> Deadline:
        """Raises DeadlinePassed if reading events took too long before."""
        if not self._reads_events:
            raise DeadlinePassed("the engine takes too long to list its events")
        return Deadline(min(_MAX_EVENT_SECONDS, deadline.remaining), deadline.clock)

    def _record_conversions(self, down: Sequence[_Reading], deadline: Deadline) -> list[_Reading]:
        """Record which VMs were stopped hard; returns those for which there is no event."""
        call = events_of_call(self._client, self._order.call_id, deadline)
        forced: list[Event] = []
        if any(self._was_forced(reading, call, forced) is None for reading in down):
            forced = forced_stops(self._client, len(down), deadline)
        results = {reading: self._was_forced(reading, call, forced) for reading in down}
        for reading, result in results.items():
            self._tracked[reading.id].converted = result is True
        return [reading for reading, result in results.items() if result is None]

    def _was_forced(
        self, reading: _Reading, call: Sequence[Event], forced: Sequence[Event]
    ) -> bool | None:
        stopped = dt.datetime.fromisoformat(reading.stop_time) if reading.stop_time else None
        return was_forced(reading.id, stopped, self._order.reason, call, forced)

    # Starts and suspends ---------------------------------------------------------------

    def _check_starts(self, readings: _Readings, deadline: Deadline) -> None:
        """Look for the failure of accepted starts whose VMs are not starting."""
        due = [
            tracked
            for vm_id, reading in readings.items()
            if reading is not None
            and reading.status in _NOT_STARTED
            and (tracked := self._tracked[vm_id]).command is PowerCommand.POWER_ON
            and self._is_check_due(tracked, deadline)
        ]
        if not due:
            return
        call: Sequence[Event] = ()
        crashed: Sequence[Event] = ()
        try:
            call = events_of_call(self._client, self._order.call_id, self._event_deadline(deadline))
            if any(failed_start(tracked.vm_id, call) for tracked in due):
                crashed = crashes(self._client, len(due), self._event_deadline(deadline))
        except PlatformError as error:
            self._reads_events = not isinstance(error, DeadlinePassed)
            logger.debug(f"it is unknown why a VM does not start: {error}")
        for tracked in due:
            if failed := failed_start(tracked.vm_id, call):
                tracked.failure = CommandFailed(start_failure(failed, call, crashed))

    def _is_check_due(self, tracked: _Tracked, deadline: Deadline) -> bool:
        """True at growing intervals, until there is a failure."""
        now = deadline.clock.monotonic()
        first = tracked.next_check_at is None
        due = tracked.next_check_at is not None and now >= tracked.next_check_at
        due = due and tracked.failure is None
        if due or first:
            tracked.next_check_at = now + tracked.pause
            tracked.pause = min(tracked.pause * _CHECK_GROWTH, _MAX_CHECK)
        return due

    def _check_suspends(self, readings: _Readings, deadline: Deadline) -> None:
        """Fail a suspend whose job ended while the VM stayed up."""
        for vm_id, reading in readings.items():
            tracked = self._tracked[vm_id]
            up = reading is not None and reading.status == "up"
            if tracked.command is not PowerCommand.SUSPEND or tracked.failure is not None or not up:
                continue
            now = deadline.clock.monotonic()
            if tracked.next_check_at is None:
                tracked.next_check_at = now + _SUSPEND_PREPARATION
            elif now < tracked.next_check_at:
                continue
            elif tracked.job_ended_at is not None:
                tracked.failure = CommandFailed(
                    "the engine dropped the suspend, as it does if the VM is not up when the "
                    "suspend has been prepared"
                )
            else:
                tracked.next_check_at = now + _JOB_INTERVAL
                tracked.job_ended_at = now if self._has_job_ended(tracked, deadline) else None

    def _has_job_ended(self, tracked: _Tracked, deadline: Deadline) -> bool:
        job = tracked.handle.reference.job if tracked.handle is not None else None
        try:
            status = self._client.read_one(f"jobs/{job}", _job_parser, deadline) if job else None
        except PlatformError as error:
            logger.debug(f"the state of a suspend is unknown: {error}")
            return False
        return status in ("finished", "failed", "aborted")


def _vm_parser() -> XmlListParser[_Reading]:
    return XmlListParser("vms", "vm", _Reading.of)


def _job_parser() -> XmlListParser[str | None]:
    return XmlListParser("jobs", "job", lambda job: job.findtext("status"))
