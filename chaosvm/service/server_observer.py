"""What probes report about many VMs, and about hosts, clusters, alarms and events."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from chaosvm.backend import Alarm, ClusterStatus, HostStatus, ServerEvent
from chaosvm.errors import (
    ConnectionFailed,
    Interrupted,
    InvalidValue,
    NoSuchVM,
    NotReached,
    NotReported,
)
from chaosvm.listing import listed
from chaosvm.runtime import Deadline, phase
from chaosvm.selection import folded
from chaosvm.service.observer import VMObserver
from chaosvm.service.protection import Protection
from chaosvm.service.reader import InventoryReader
from chaosvm.service.targets import TargetFinder
from chaosvm.settings import values
from chaosvm.vm import VM, PowerState

__all__ = ["ServerObserver"]

logger = logging.getLogger("chaostoolkit")

T = TypeVar("T", HostStatus, ClusterStatus)
_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.2, 1.5, 2.0
# The number of VMs that a message names.
_MOST_NAMED = 10
_MOST = 1_000_000


class ServerObserver:
    def __init__(
        self,
        vm_observer: VMObserver,
        targets: TargetFinder,
        reader: InventoryReader,
        protection: Protection,
    ) -> None:
        self._vm_observer = vm_observer
        self._backend = reader.backend
        self._targets = targets
        self._reader = reader
        self._protection = protection

    # VMs ---------------------------------------------------------------------------

    def chosen(self, vms: Any, deadline: Deadline, also: Collection[str] = ()) -> list[VM]:
        """The VMs that a selection chooses, at least one; with the fields ``also``."""
        selection = self._targets.selection(vms)
        # Protected VMs are checked like any other, but are never part of a sample.
        protection = self._protection.lookup((), deadline) if selection.is_sample else None
        needed = (*selection.fields, *self._backend.immutable_fields, *also)
        fields = None if selection.is_sample else needed
        inventory = self._reader.for_probe(selection, deadline, fields)
        return list(selection.choose(inventory, self._backend.immutable_reason, protection).vms)

    def running_at_least(self, vms: Any, minimum: Any) -> bool:
        """True if at least this many of the selected VMs are powered on."""
        least = values.integer("minimum", minimum, 1, _MOST)
        chosen = self.chosen(vms, self._deadline(), ("power_state",))
        running = [vm for vm in chosen if vm.power_state is PowerState.POWERED_ON]
        unknown = [vm for vm in chosen if vm.power_state is PowerState.UNKNOWN]
        if len(running) < least <= len(running) + len(unknown):
            raise NotReported(
                f"{len(running)} of {len(chosen)} VMs are running, and it is unknown whether these "
                f"are: {_names(unknown)}"
            )
        return len(running) >= least

    def wait_for_state(self, vms: Any, state: Any, timeout: Any) -> bool:
        """Wait until all the selected VMs are in the state; raises NotReached otherwise."""
        wanted = values.choice("state", state, PowerState)
        deadline = Deadline(values.timeout_seconds("timeout", timeout), self._backend.clock)
        chosen = self.chosen(vms, deadline, ("power_state",))
        pause, current, failed = _FIRST_PAUSE, phase(), ""
        missing = _not_in(chosen, wanted)
        while missing:
            if current.stopped_by:
                raise Interrupted(f"not waited for: the run was stopped by {current.stopped_by}")
            if deadline.remaining <= pause:
                raise NotReached(
                    f"after {deadline.elapsed:.0f} s, {len(missing)} of {len(chosen)} VMs are not "
                    f"{wanted}: {_names(missing, with_state=True)}{failed}"
                )
            deadline.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
            try:
                missing, failed = _not_in(self._again(missing, deadline), wanted), ""
            except ConnectionFailed as error:
                failed = f", when last read; then: {error}"
        return True

    def _again(self, vms: list[VM], deadline: Deadline) -> list[VM]:
        ids = [vm.id for vm in vms]
        found = {
            vm.id: vm for vm in self._backend.inventory(deadline, ids, False, ("power_state",))
        }
        gone = [vm for vm in vms if vm.id not in found]
        if gone:
            raise NoSuchVM(f"these VMs no longer exist: {_names(gone)}")
        return [found[vm_id] for vm_id in ids]

    def events(self, vms: Any, since: Any) -> list[ServerEvent]:
        """The events of the selected VMs since then, in order."""
        deadline = self._deadline()
        return self._vm_observer.events(since, deadline, self.chosen(vms, deadline))

    # Hosts, clusters, alarms ---------------------------------------------------------

    def host(self, host: Any) -> HostStatus:
        """The one host of this name or id."""
        wanted = values.string("host", host)
        return _only("host", wanted, self._backend.hosts(self._deadline()))

    def hosts_available(self, cluster: Any) -> int:
        """How many hosts of the cluster can run VMs now."""
        deadline = self._deadline()
        name = self._cluster(cluster, deadline).name
        hosts = [each for each in self._backend.hosts(deadline) if each.cluster == name]
        for each in hosts:
            if not each.available:
                maintenance = ", in maintenance" if each.maintenance else ""
                logger.info(f"{each.name} is {each.connection}{maintenance}: not available")
        return sum(each.available for each in hosts)

    def has_failover_capacity(self, cluster: Any, hosts: Any) -> bool:
        """True if this many hosts of the cluster can fail and their VMs be restarted on others."""
        failures = values.integer("hosts", hosts, 1, _MOST)
        found = self._cluster(cluster, self._deadline())
        if found.ha_enabled is False:
            logger.info(f"high availability is off in cluster {found.name}")
            return False
        if found.failures_tolerated is None:
            raise NotReported(f"the failover capacity of cluster {found.name} is not reported")
        logger.info(f"cluster {found.name} tolerates {found.failures_tolerated} failed hosts")
        return found.failures_tolerated >= failures

    def alarms(self) -> list[Alarm]:
        """Every triggered alarm, the newest first."""
        alarms = self._backend.alarms(self._deadline())
        return sorted(alarms, key=lambda alarm: alarm.at, reverse=True)

    def _cluster(self, cluster: Any, deadline: Deadline) -> ClusterStatus:
        wanted = values.string("cluster", cluster)
        return _only("cluster", wanted, self._backend.clusters(deadline))

    def _deadline(self) -> Deadline:
        return self._vm_observer.deadline()


def _not_in(vms: list[VM], state: PowerState) -> list[VM]:
    return [vm for vm in vms if vm.power_state is not state]


def _only(what: str, wanted: str, known: Sequence[T]) -> T:
    """The one with this name, in any case, or id."""
    found = [each for each in known if wanted == each.id or folded(wanted) == folded(each.name)]
    if len(found) == 1:
        return found[0]
    count = f"{len(found)} {what}s are" if found else f"no {what} is"
    names = ", ".join(sorted(each.name for each in known)[:_MOST_NAMED]) or "none"
    raise InvalidValue(f"{count} called {wanted!r}; known are {names}")


def _names(vms: list[VM], with_state: bool = False) -> str:
    named = [f"{vm} is {vm.power_state}" if with_state else vm for vm in vms]
    return listed(named, _MOST_NAMED)
