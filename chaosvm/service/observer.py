"""What probes report about VMs and their guests: read from the server, never assumed.

What cannot be determined raises an error; it is never reported as False.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from chaosvm.backend import GuestStatus, ServerEvent, ServerTime, ToolsStatus
from chaosvm.errors import Interrupted, NoSuchVM, NotBegun, NotReached, NotReported
from chaosvm.observe import (
    Milestone,
    Outage,
    Recovery,
    began,
    outages,
    port_open,
    usable_addresses,
    was_restarted_by_ha,
)
from chaosvm.runtime import Deadline, phase
from chaosvm.runtime.experiment import checking_continuously
from chaosvm.service.context import Context
from chaosvm.service.reader import InventoryReader
from chaosvm.settings import values
from chaosvm.vm import VM, PowerState

__all__ = ["VMObserver"]

logger = logging.getLogger("chaostoolkit")

_MAX_PORT = 65535
_MAX_LIMIT = 86400.0
# Seconds between two readings of a recovery that is waited for.
_PAUSE, _MIN_PAUSE = 1.0, 0.05
_OFF = (PowerState.POWERED_OFF, PowerState.SUSPENDED)


class VMObserver:
    """Reports on one VM; each call is bounded by the platform's ``timeout``."""

    def __init__(self, context: Context, reader: InventoryReader) -> None:
        self._backend = context.backend
        self._reader = reader
        self._recoveries = context.recoveries

    # Guests ----------------------------------------------------------------------

    def status(self, vm_name: str, deadline: Deadline | None = None) -> GuestStatus:
        """The status of the one VM of this name, id, UUID or path, and of its guest."""
        deadline = deadline or self.deadline()
        return self._status(self._vm(vm_name, deadline), deadline)

    def _status(self, vm: VM, deadline: Deadline) -> GuestStatus:
        found = self._backend.guest_statuses([vm], deadline).get(vm.id)
        if found is None:
            raise NoSuchVM(f"{vm} no longer exists")
        return found

    def uptime_seconds(self, vm_name: str) -> float:
        """Seconds since the guest booted."""
        return _uptime(vm_name, self.status(vm_name))

    def rebooted_since(self, vm_name: str, since: Any) -> bool:
        """True if the guest has booted since then."""
        began(since)  # before anything is read
        deadline = self.deadline()
        status = self.status(vm_name, deadline)
        clock = self._backend.server_time(deadline)
        start = clock.on_server(began(since))
        if status.started_at is not None and status.started_at > start:
            return True
        latest_boot = (clock.now - start).total_seconds() - _uptime(vm_name, status)
        if latest_boot <= 0:
            return False
        if latest_boot > status.uptime_lag:
            return True
        raise NotReported(
            f"whether {vm_name!r} has rebooted since {since} is not known yet: its uptime may be "
            f"{status.uptime_lag:g} s old, so try again in {status.uptime_lag - latest_boot:.0f} s"
        )

    def tools_running(self, vm_name: str) -> bool:
        """True if VMware Tools or the guest agent are running."""
        status = self.status(vm_name)
        if status.tools is ToolsStatus.UNKNOWN:
            raise NotReported(
                f"{self._backend.address} does not report whether tools run in {vm_name!r}"
            )
        return status.tools is ToolsStatus.RUNNING

    def heartbeat(self, vm_name: str) -> str:
        """The color of the guest's heartbeat."""
        status = self.status(vm_name)
        if status.heartbeat is None:
            raise NotReported(f"{self._backend.address} reports no heartbeat of {vm_name!r}")
        return status.heartbeat.value

    def ip_addresses(self, vm_name: str) -> list[str]:
        """The guest's addresses; none if the VM is off."""
        return list(self._addresses(vm_name, self.status(vm_name)))

    def port_is_open(self, vm_name: str, port: Any) -> bool:
        """True if the guest accepts TCP connections from this machine at one of its addresses."""
        number = values.integer("port", port, 1, _MAX_PORT)
        deadline = self.deadline()
        status = self.status(vm_name, deadline)
        if status.power_state in _OFF:
            return False
        self._addresses(vm_name, status)
        addresses = usable_addresses(status)
        if not addresses:
            raise NotReported(f"{vm_name!r} has only link-local addresses")
        return any(port_open(address, number, deadline) for address in addresses)

    def _addresses(self, vm_name: str, status: GuestStatus) -> tuple[str, ...]:
        if status.ip_addresses or status.power_state in _OFF:
            return status.ip_addresses
        raise NotReported(
            f"the guest of {vm_name!r} reports no IP address: the VM is {status.power_state}, its "
            f"tools are {status.tools}"
        )

    # Hosts -----------------------------------------------------------------------

    def host(self, vm_name: str) -> str:
        """The name of the host that the VM is on."""
        host = self.status(vm_name).host
        if host is None:
            raise NotReported(f"{self._backend.address} reports no host of {vm_name!r}")
        return host

    def moved_since(self, vm_name: str, since: Any) -> bool:
        """True if the VM has been on another host since then, or is now."""
        began(since)  # before anything is read
        deadline = self.deadline()
        vm = self._vm(vm_name, deadline)
        events, now = self.events(since, deadline, [vm]), self._status(vm, deadline)
        hosts = [host for event in events for host in (event.source_host, event.host) if host]
        if now.host is not None:
            hosts.append(now.host)
        if len(set(hosts)) > 1:
            logger.info(f"{vm} was on {' -> '.join(_without_repeats(hosts))}")
            return True
        if hosts and now.host is None:
            raise NotReported(
                f"{self._backend.address} reports no host of {vm} now: it is {now.power_state}"
            )
        return False

    def ha_restart(self, vm_name: str, since: Any) -> Outage | None:
        """The latest outage since then that high availability ended; None if there is none."""
        deadline = self.deadline()
        vm = self._vm(vm_name, deadline)
        found = outages(self.events(since, deadline), vm.id)
        restart = was_restarted_by_ha(found)
        logger.info(f"{vm} {_restart_text(restart) if restart else _no_restart_text(found)}")
        return restart

    # Recovery ----------------------------------------------------------------------

    def recovery_seconds(
        self, vm_name: str, since: Any, milestone: Any = "power", limit: Any = 0
    ) -> float:
        """Seconds from the moment the VM went down, first after ``since``, to the milestone.

        Raises NotReached if it has not reached it again. With a ``limit``, waits for it until
        these seconds have passed since the VM went down; a continuous check of the
        hypothesis does not wait, but returns the seconds so far. It returns 0 for a VM
        that has not gone down.
        """
        goal = Milestone.parse("milestone", milestone)
        longest = values.number("limit", limit, 0, _MAX_LIMIT, "seconds")
        try:
            began(since)
        except NotBegun:
            if longest:
                return 0.0
            raise
        current, waits = phase(), not checking_continuously()
        while True:
            recovery = self._recovery_since(vm_name, since, goal)
            if recovery is None and not longest:
                raise NotReached(f"{vm_name!r} has not gone down since {since}")
            if recovery is None or recovery.over:
                return round(recovery.seconds, 3) if recovery else 0.0
            if not longest or recovery.seconds > longest:
                raise NotReached(
                    f"{vm_name!r} has not reached {goal} again, {recovery.seconds:.0f} s after it "
                    "went down"
                )
            if not waits:
                return round(recovery.seconds, 3)
            if current.stopped_by:
                raise Interrupted(f"not waited for: the run was stopped by {current.stopped_by}")
            # Long enough to be past the limit when it is read for the last time.
            pause = min(_PAUSE, longest - recovery.seconds + _MIN_PAUSE)
            Deadline(pause, self._backend.clock).sleep(pause)

    def _recovery_since(self, vm_name: str, since: Any, goal: Milestone) -> Recovery | None:
        """The recovery from the first outage since then; None if there was no outage."""
        deadline = self.deadline()
        vm = self._vm(vm_name, deadline)
        found = outages(self.events(since, deadline), vm.id, guest=goal.kind != "power")
        if not found:
            return None
        recovery = self._recovery(vm, found, goal, deadline)
        if recovery.at_most:
            logger.info(
                f"{vm} had already reached {goal} when first read: the time is an upper bound"
            )
        return recovery

    def _recovery(
        self, vm: VM, found: Sequence[Outage], goal: Milestone, deadline: Deadline
    ) -> Recovery:
        """From the first of the outages.

        Reads the status after the events, which an older one would contradict.
        """
        outage = found[0]
        if outage.down_at is None:
            raise NotReported(f"no event shows when {vm} went down")
        status, now = self._status(vm, deadline), self.clock(deadline).now
        if seen := self._recoveries.seen(vm.id, found, goal, now, self._backend.clock.monotonic()):
            return seen
        reached, age = goal.reached(status, deadline), (now - outage.down_at).total_seconds()
        if reached and outage.guest_only:
            uptime = status.uptime_seconds
            booted = uptime is not None and uptime < age
            if not booted and not self._recoveries.was_missed(vm.id, outage, goal):
                return Recovery(age, over=False)  # the guest may not have gone down yet
        return self._recoveries.measure(vm.id, outage, goal, reached, now)

    # Events ------------------------------------------------------------------------

    def events(
        self, since: Any, deadline: Deadline, vms: Sequence[VM] | None = None
    ) -> list[ServerEvent]:
        """The server's events since then, in order; of these VMs, or all of them."""
        at = began(since)
        start = self.clock(deadline).on_server(at)
        return self._backend.events(start, deadline, vms)

    def clock(self, deadline: Deadline) -> ServerTime:
        return self._backend.server_time(deadline)

    def deadline(self) -> Deadline:
        return Deadline(self._backend.timeout, self._backend.clock)

    def _vm(self, vm_name: str, deadline: Deadline) -> VM:
        return self._reader.one(vm_name, deadline, allow_cached=True, fields=("power_state",))


def _uptime(vm_name: str, status: GuestStatus) -> float:
    if status.uptime_seconds is None:
        raise NotReported(f"the uptime of {vm_name!r} is not known: {status.uptime_unknown}")
    return status.uptime_seconds


def _without_repeats(words: Sequence[str]) -> list[str]:
    return [word for number, word in enumerate(words) if number == 0 or words[number - 1] != word]


def _restart_text(restart: Outage) -> str:
    seconds = "an unknown time" if restart.seconds is None else f"{restart.seconds:.1f} s"
    before, after = restart.host_before or "an unknown host", restart.host_after or "unknown"
    return f"was restarted by high availability: down for {seconds}, from {before} to {after}"


def _no_restart_text(found: Sequence[Outage]) -> str:
    if not found:
        return "has not gone down since then, according to the server's events"
    if found[-1].requested:
        return "was stopped cleanly, on request: high availability does not restart it"
    return "failed, and high availability has not restarted it"
