"""Watches VMs by asking for them again: one request each time, however many they are."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from xml.etree.ElementTree import Element

from chaosvm.backend import CommandHandle, Observation, Operation, Order, PowerCommand, Watch
from chaosvm.errors import CommandFailed, DeadlinePassed, GuestUnavailable, PlatformError
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.events import Event, failed_start, forced_stops, of_call, was_forced
from chaosvm.olvm.inventory import power_state
from chaosvm.olvm.bulk_reads import map_parallel, read_by_id, read_by_name
from chaosvm.olvm.reboot_proof import Reboot
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.outcome import How
from chaosvm.runtime import Deadline
from chaosvm.vm import VM, PowerState

__all__ = ["Accepted", "OLVMWatch"]

logger = logging.getLogger("chaostoolkit")

_FIRST_INTERVAL, _GROWTH, _LONGEST_INTERVAL = 0.15, 1.3, 2.0
# When so large a part of the VMs changed between two looks, the rest is about to.
_BURST = 0.2
_BURST_INTERVAL = 0.05
# The record of a hard stop may come a little after the VM is seen down.
_RECORDED_LATE = 0.3
# Reading events takes the engine half a minute for a user with few permissions, and
# nothing for others. Nobody waits that long for them.
_MOST_FOR_EVENTS = 5.0
# A VM whose start was accepted may stay as it was: for 21 s if it is stateless, for
# good if no host could start it. So often the engine's records are asked which it is.
_FIRST_DOUBT, _DOUBT_GROWTH, _LONGEST_DOUBT = 1.0, 1.5, 5.0
_NOT_STARTED = ("down", "suspended", "paused")
# A suspend is prepared for up to 10 s while the VM is up. When it is not up by then, the
# engine drops the suspend, and only the end of its job tells.
_PREPARING = 15.0
_JOB_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a ticket of this platform stands for: a step, and the engine's job for it."""

    step: PowerCommand
    job: str | None = None


@dataclass(frozen=True, slots=True)
class _Told:
    """What matters of a VM, as the engine told it."""

    id: str
    status: str
    start_time: str | None
    stop_time: str | None

    @classmethod
    def of(cls, vm: Element) -> _Told:
        # The engine leaves the status out for a VM whose disks are broken.
        status = vm.findtext("status") or "unknown"
        return cls(vm.attrib["id"], status, vm.findtext("start_time"), vm.findtext("stop_time"))


@dataclass(slots=True)
class _Seen:
    """What is known of one VM from one look to the next."""

    reboot: Reboot
    ticket: CommandHandle | None = None
    going_down: bool = False  # powering_down was seen since the shutdown was asked for
    refused: bool = False  # ... and then it was up again
    converted: bool = False
    events_read: bool = False
    failure: CommandFailed | None = None  # what was accepted came to nothing
    doubt_at: float | None = None  # when to ask next what became of what was accepted
    pause: float = _FIRST_DOUBT
    job_ended_at: float | None = None

    def track(self, ticket: CommandHandle) -> None:
        self.ticket = ticket
        self.going_down = self.refused = False
        self.failure, self.doubt_at, self.pause = None, None, _FIRST_DOUBT
        self.job_ended_at = None

    @property
    def step(self) -> PowerCommand | None:
        return self.ticket.reference.step if self.ticket is not None else None


class OLVMWatch(Watch):
    def __init__(
        self, client: OLVMClient, vms: Sequence[VM], order: Order, total: int | None = None
    ) -> None:
        """``total`` is how many VMs the engine has, where that is known."""
        self._client = client
        self._order = order
        self._names = {vm.id: vm.name for vm in vms}
        self._seen = {vm.id: _Seen(Reboot(vm.id)) for vm in vms}
        self._total = total
        self._statuses: dict[str, str | None] = {}
        self._tells_events = True  # in reasonable time
        self._interval = self._pause = _FIRST_INTERVAL

    def track(self, tickets: Sequence[CommandHandle]) -> None:
        for ticket in tickets:
            # The answer may come when the VM has long been given up.
            if seen := self._seen.get(ticket.vm_id):
                seen.track(ticket)
        if tickets:
            self._interval = self._pause = _FIRST_INTERVAL

    def unwatch(self, vm_ids: Sequence[str]) -> None:
        for vm_id in self._seen.keys() & set(vm_ids):
            del self._seen[vm_id], self._names[vm_id]

    def poll(self, seconds: float, deadline: Deadline) -> list[Observation]:
        if seconds > 0:
            deadline.sleep(min(seconds, self._pause))
        told = self._look(deadline)
        self._set_pace(told)
        if self._order.operation is Operation.REBOOT:
            self._note_uptimes(told, deadline)
        self._note_conversions(told, deadline)
        self._note_failed_starts(told, deadline)
        self._note_dropped_suspends(told, deadline)
        return [self._sighting(vm_id, told.get(vm_id)) for vm_id in self._seen]

    # Looking -----------------------------------------------------------------------

    def _look(self, deadline: Deadline) -> dict[str, _Told | None]:
        """What is told of each VM, by id; None for one that does not exist."""
        if len(self._seen) == 1:
            return self._one_by_one(list(self._seen), deadline)
        names = sorted({*self._names.values()})
        listed = read_by_name(self._client, names, _items, deadline, self._total)
        if listed is None:
            listed = self._client.items("vms", _items, deadline)
        told: dict[str, _Told | None] = {vm.id: vm for vm in listed if vm.id in self._seen}
        # One that is missing may be gone, or have another name now.
        return told | self._one_by_one([*self._seen.keys() - told.keys()], deadline)

    def _one_by_one(self, vm_ids: list[str], deadline: Deadline) -> dict[str, _Told | None]:
        told = read_by_id(self._client, vm_ids, _items, deadline)
        return dict(zip(vm_ids, told, strict=True))

    def _sighting(self, vm_id: str, told: _Told | None) -> Observation:
        if told is None:
            return Observation(vm_id=vm_id, power_state=PowerState.UNKNOWN, exists=False)
        seen = self._seen[vm_id]
        error = seen.failure or self._guest_refused(seen, told.status)
        return Observation(
            vm_id=vm_id,
            power_state=power_state(told.status),
            ended=seen.ticket if error else None,
            error=error,
            rebooted=seen.reboot.proved and told.status == "up",
            how=How.ENGINE_CONVERTED if seen.converted else None,
        )

    def _set_pace(self, told: dict[str, _Told | None]) -> None:
        """Longer and longer while nothing happens, shorter in the middle of a burst."""
        statuses = {vm_id: each.status if each else None for vm_id, each in told.items()}
        moved = sum(status != self._statuses.get(vm_id) for vm_id, status in statuses.items())
        burst = bool(self._statuses) and moved >= _BURST * len(statuses)
        self._pause = _BURST_INTERVAL if burst else self._interval
        if not burst:
            self._interval = min(self._interval * _GROWTH, _LONGEST_INTERVAL)
        self._statuses = statuses

    # What it means -----------------------------------------------------------------

    def _guest_refused(self, seen: _Seen, status: str) -> CommandFailed | None:
        """A guest that ignores a shutdown is put back to up by the engine."""
        if seen.step is not PowerCommand.SHUTDOWN_GUEST:
            return None
        if status == "powering_down":
            seen.going_down = True
        elif seen.going_down and status == "up":
            seen.refused = True
        if seen.refused:
            return GuestUnavailable("the guest did not shut down, and the engine gave up on it")
        return None

    def _note_conversions(self, told: dict[str, _Told | None], deadline: Deadline) -> None:
        """Find out, once a VM is down, whether the engine stopped it hard."""
        down = {
            vm_id: each
            for vm_id, each in told.items()
            if each is not None
            and each.status == "down"
            and (seen := self._seen[vm_id]).step is PowerCommand.SHUTDOWN_GUEST
            and not seen.events_read
        }
        if not down:
            return
        for vm_id in down:
            self._seen[vm_id].events_read = True
        try:
            unclear = self._judge(list(down.values()), self._for_events(deadline))
            if unclear:
                deadline.sleep(_RECORDED_LATE)
                self._judge(unclear, self._for_events(deadline))
        except PlatformError as error:
            self._tells_events = not isinstance(error, DeadlinePassed)
            logger.warning(f"whether the engine stopped a VM by force is not known: {error}")

    def _for_events(self, deadline: Deadline) -> Deadline:
        """Raises DeadlinePassed if they took too long before."""
        if not self._tells_events:
            raise DeadlinePassed("the engine takes too long to tell its events")
        return Deadline(min(_MOST_FOR_EVENTS, deadline.remaining), deadline.clock)

    def _judge(self, down: Sequence[_Told], deadline: Deadline) -> list[_Told]:
        """Note which of these the engine stopped hard; those of which it has no record."""
        call = of_call(self._client, self._order.run, deadline)
        forced: list[Event] = []
        if any(self._was_forced(each, call, forced) is None for each in down):
            forced = forced_stops(self._client, len(down), deadline)
        guard_results = {each: self._was_forced(each, call, forced) for each in down}
        for each, verdict in guard_results.items():
            self._seen[each.id].converted = verdict is True
        return [each for each, verdict in guard_results.items() if verdict is None]

    def _was_forced(
        self, told: _Told, call: Sequence[Event], forced: Sequence[Event]
    ) -> bool | None:
        stopped = dt.datetime.fromisoformat(told.stop_time) if told.stop_time else None
        return was_forced(told.id, stopped, self._order.reason, call, forced)

    def _note_failed_starts(self, told: dict[str, _Told | None], deadline: Deadline) -> None:
        """Find out why VMs whose start was accepted are not starting."""
        due = [
            self._seen[vm_id]
            for vm_id, each in told.items()
            if each is not None
            and each.status in _NOT_STARTED
            and self._seen[vm_id].step is PowerCommand.POWER_ON
            and self._is_in_doubt(self._seen[vm_id], deadline)
        ]
        if not due:
            return
        try:
            call = of_call(self._client, self._order.run, self._for_events(deadline))
        except PlatformError as error:
            self._tells_events = not isinstance(error, DeadlinePassed)
            logger.debug(f"why a VM does not start is not known: {error}")
            return
        for seen in due:
            if failed := failed_start(seen.reboot.vm_id, call):
                seen.failure = CommandFailed(f"the engine could not carry it out: {failed}")

    def _is_in_doubt(self, seen: _Seen, deadline: Deadline) -> bool:
        """Is it time to ask what became of what was accepted? Ever less often."""
        now = deadline.clock.monotonic()
        asks = seen.failure is None and seen.doubt_at is not None and now >= seen.doubt_at
        if asks or seen.doubt_at is None:
            seen.doubt_at = now + seen.pause
            seen.pause = min(seen.pause * _DOUBT_GROWTH, _LONGEST_DOUBT)
        return asks

    def _note_dropped_suspends(self, told: dict[str, _Told | None], deadline: Deadline) -> None:
        for vm_id, each in told.items():
            seen = self._seen[vm_id]
            up = each is not None and each.status == "up"
            if seen.step is not PowerCommand.SUSPEND or seen.failure is not None or not up:
                continue
            now = deadline.clock.monotonic()
            if seen.doubt_at is None:
                seen.doubt_at = now + _PREPARING
            elif now < seen.doubt_at:
                continue
            elif seen.job_ended_at is not None:
                seen.failure = CommandFailed(
                    "the engine dropped it, as it does where the VM is not up when all is ready "
                    "for it"
                )
            else:
                seen.doubt_at = now + _JOB_EVERY
                seen.job_ended_at = now if self._job_ended(seen, deadline) else None

    def _job_ended(self, seen: _Seen, deadline: Deadline) -> bool:
        job = seen.ticket.reference.job if seen.ticket is not None else None
        try:
            status = self._client.item(f"jobs/{job}", _statuses, deadline) if job else None
        except PlatformError as error:
            logger.debug(f"what became of a suspend is not known: {error}")
            return False
        return status in ("finished", "failed", "aborted")

    def _note_uptimes(self, told: dict[str, _Told | None], deadline: Deadline) -> None:
        """A reboot is proved by an uptime that fell, so what it was has to be known."""
        readings = [
            reading
            for vm_id, each in told.items()
            if each is not None and (reading := self._reading(self._seen[vm_id], each, deadline))
        ]
        map_parallel(lambda read: read(), readings, self._order.parallel)

    def _reading(self, seen: _Seen, told: _Told, deadline: Deadline) -> Callable[[], None] | None:
        """Of the uptime, if one is needed now."""
        up, reboot = told.status == "up", seen.reboot
        if seen.ticket is not None:
            due = reboot.saw(up, told.start_time, deadline)
            return partial(reboot.look, self._client, deadline) if due else None
        if up and reboot.measured_at is None:
            return partial(reboot.measure, self._client, told.start_time, deadline)
        return None


def _items() -> XmlListParser[_Told]:
    return XmlListParser("vms", "vm", _Told.of)


def _statuses() -> XmlListParser[str | None]:
    return XmlListParser("jobs", "job", lambda job: job.findtext("status"))
