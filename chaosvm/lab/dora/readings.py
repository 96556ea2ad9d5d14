"""What Dora last read of the vCenters, which may not be how things are now."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chaosvm.errors import InvalidValue
from chaosvm.lab.world import Host, Machine, World

__all__ = ["Reading", "Readings"]


@dataclass(frozen=True, slots=True)
class Reading:
    """The world at one moment. ``hosts_of`` has the id of each VM's host, also if it is off."""

    vms: Sequence[Machine]
    hosts: Sequence[Host]
    hosts_of: Mapping[str, str | None]


class Readings:
    """Reads the world each ``lag`` seconds of its clock, asked or not; without lag when asked."""

    def __init__(self, world: World, lag: float) -> None:
        if lag < 0:
            raise InvalidValue(f"dora_lag must not be negative, it is {lag!r}")
        self._world = world
        self._lag = lag
        self._hosts_of: dict[str, str | None] = {}
        self._latest = self._read()
        if lag:
            world.every(lag, _refreshing(weakref.ref(self)))

    def latest(self) -> Reading:
        # Inside, what is due has been done: also the refreshing.
        with self._world.present():
            return self._latest if self._lag else self._read()

    def refresh(self) -> None:
        self._latest = self._read()

    def _read(self) -> Reading:
        with self._world.present():
            vms, hosts = self._world.vms, self._world.hosts
            self._hosts_of = self._placed(vms, hosts)
        return Reading(vms, hosts, self._hosts_of)

    def _placed(self, vms: Sequence[Machine], hosts: Sequence[Host]) -> dict[str, str | None]:
        """In a vCenter a machine that is off still has its host; here it is nowhere.

        So it stays where it was read last, and gets some host of its cluster if
        it never ran.
        """
        choices: dict[str, list[str]] = defaultdict(list)
        for host in hosts:
            choices[host.cluster_id].append(host.id)
        before = self._hosts_of
        return {
            vm.id: vm.host_id
            or before.get(vm.id)
            or vm.home_id
            or _some(choices.get(vm.cluster_id), vm)
            for vm in vms
        }


def _refreshing(readings: weakref.ref[Readings]) -> Callable[[], bool]:
    """Ends with the lab: the world may outlive it."""

    def refresh() -> bool:
        there = readings()
        if there is not None:
            there.refresh()
        return there is not None

    return refresh


def _some(choices: Sequence[str] | None, vm: Machine) -> str | None:
    """The one that the lab's vCenter shows."""
    return choices[int(vm.moid.rpartition("-")[2]) % len(choices)] if choices else None
