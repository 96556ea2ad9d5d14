"""Watches VMs by asking for them again: one request each time, however many they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from xml.etree.ElementTree import Element

from chaosvm.deadline import Deadline
from chaosvm.errors import GuestUnavailable, PlatformError, StepFailed
from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.inventory import power_state
from chaosvm.olvm.items import Items
from chaosvm.olvm.reading import read_by_id, read_by_name, side_by_side
from chaosvm.olvm.uptime import Reboot
from chaosvm.order import Operation, Order
from chaosvm.outcome import How
from chaosvm.platform import Sighting, Step, Ticket, Watch
from chaosvm.vm import VM, PowerState

__all__ = ["OLVMWatch"]

logger = logging.getLogger("chaostoolkit")

_FIRST_INTERVAL, _GROWTH, _LONGEST_INTERVAL = 0.15, 1.3, 2.0
# When so large a part of the VMs changed between two looks, the rest is about to.
_BURST = 0.2
_BURST_INTERVAL = 0.05
# "VM was stopped forcibly", also where a shutdown was asked for.
_FORCED_STOP_EVENT = 76


@dataclass(frozen=True, slots=True)
class _Told:
    """What matters of a VM, as the engine told it."""

    id: str
    status: str
    start_time: str | None

    @classmethod
    def of(cls, vm: Element) -> _Told:
        # The engine leaves the status out for a VM whose disks are broken.
        status = vm.findtext("status") or "unknown"
        return cls(vm.attrib["id"], status, vm.findtext("start_time"))


@dataclass(slots=True)
class _Seen:
    """What is known of one VM from one look to the next."""

    reboot: Reboot
    ticket: Ticket | None = None
    going_down: bool = False  # powering_down was seen since the shutdown was asked for
    refused: bool = False  # ... and then it was up again
    converted: bool = False
    events_read: bool = False

    def follow(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.going_down = self.refused = False


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
        self._interval = self._pause = _FIRST_INTERVAL

    def follow(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            # The answer may come when the VM has long been given up.
            if seen := self._seen.get(ticket.vm_id):
                seen.follow(ticket)
        if tickets:
            self._interval = self._pause = _FIRST_INTERVAL

    def forget(self, vm_ids: Sequence[str]) -> None:
        for vm_id in self._seen.keys() & set(vm_ids):
            del self._seen[vm_id], self._names[vm_id]

    def news(self, seconds: float, deadline: Deadline) -> list[Sighting]:
        if seconds > 0:
            deadline.sleep(min(seconds, self._pause))
        told = self._look(deadline)
        self._set_pace(told)
        if self._order.operation is Operation.REBOOT:
            self._note_uptimes(told, deadline)
        self._note_conversions(told, deadline)
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

    def _sighting(self, vm_id: str, told: _Told | None) -> Sighting:
        if told is None:
            return Sighting(vm_id=vm_id, power_state=PowerState.UNKNOWN, exists=False)
        seen = self._seen[vm_id]
        error = self._guest_refused(seen, told.status)
        return Sighting(
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

    def _guest_refused(self, seen: _Seen, status: str) -> StepFailed | None:
        """A guest that ignores a shutdown is put back to up by the engine."""
        if seen.ticket is None or seen.ticket.reference is not Step.SHUTDOWN_GUEST:
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
        down = [
            vm_id
            for vm_id, each in told.items()
            if each is not None
            and each.status == "down"
            and (ticket := self._seen[vm_id].ticket) is not None
            and ticket.reference is Step.SHUTDOWN_GUEST
            and not self._seen[vm_id].events_read
        ]
        if not down:
            return
        for vm_id in down:
            self._seen[vm_id].events_read = True
        for event in self._events(deadline):
            if event.code == _FORCED_STOP_EVENT and event.correlation_id == self._order.run:
                stopped = event.vm.id if event.vm else None
                if stopped in down:
                    self._seen[stopped].converted = True

    def _events(self, deadline: Deadline) -> list[Any]:
        """The engine's records of this call; without them a stop counts as the guest's."""
        search = f'correlation_id="{self._order.run}"'
        try:
            return list(
                self._client.read(
                    lambda system: system.events_service().list(search=search), deadline
                )
            )
        except PlatformError as error:
            logger.warning(f"whether the engine stopped a VM by force is not known: {error}")
            return []

    def _note_uptimes(self, told: dict[str, _Told | None], deadline: Deadline) -> None:
        """A reboot is proved by an uptime that fell, so what it was has to be known."""
        readings = [
            reading
            for vm_id, each in told.items()
            if each is not None and (reading := self._reading(self._seen[vm_id], each, deadline))
        ]
        side_by_side(lambda read: read(), readings, self._order.parallel)

    def _reading(self, seen: _Seen, told: _Told, deadline: Deadline) -> Callable[[], None] | None:
        """Of the uptime, if one is needed now."""
        up, reboot = told.status == "up", seen.reboot
        if seen.ticket is not None:
            due = reboot.saw(up, told.start_time, deadline)
            return partial(reboot.look, self._client, deadline) if due else None
        if up and reboot.measured_at is None:
            return partial(reboot.measure, self._client, told.start_time, deadline)
        return None


def _items() -> Items[_Told]:
    return Items("vms", "vm", _Told.of)
