"""High availability: which VMs are restarted where, and whether there is room for that."""

from __future__ import annotations

from chaosvm.lab.simulation.compute import Cluster, Host
from chaosvm.lab.simulation.inventory import Inventory
from chaosvm.lab.simulation.machine import Machine

__all__ = ["Availability", "reserved_memory"]

_MIB = 1024**2
# In this order, as vSphere documents it for ClusterDasVmSettings.
_PRIORITIES = ("highest", "high", "medium", "low", "lowest")


class Availability:
    """The rules by which clusters and engines restart VMs."""

    def __init__(self, world: Inventory) -> None:
        self._world = world

    def is_protected(self, vm: Machine) -> bool:
        """True if it is restarted after its process or its host died."""
        by_cluster = self._cluster(vm).ha.enabled and vm.restart_priority in _PRIORITIES
        return vm.highly_available or by_cluster

    def in_order(self, vms: list[Machine]) -> list[Machine]:
        """The protected ones, in the order in which they are restarted."""
        protected = filter(self.is_protected, vms)
        return sorted(
            protected, key=lambda vm: ("disabled", *_PRIORITIES).index(vm.restart_priority)
        )

    def choose_host(self, vm: Machine) -> str | None:
        """The host for a restart: a failover host, another host, or its last one.

        None if none has room for what is reserved for the VM.
        """
        hosts = [host for host in self._world.usable_hosts(vm) if self.has_room(host, vm)]
        failover = self._cluster(vm).ha.failover_hosts
        for choice in (
            [host for host in hosts if host.name in failover],
            [host for host in hosts if host.id != vm.home_id],
            hosts,
        ):
            if choice:
                return self._world.least_loaded(choice)
        return None

    def unreserved(self, host: Host) -> int:
        """The unreserved memory of a host, in bytes."""
        on_host = (each for each in self._world.vms if each.host_id == host.id)
        return host.memory - sum(map(reserved_memory, on_host))

    def admits(self, vm: Machine, host_id: str | None = None) -> bool:
        """Whether admission control lets a user start the VM, on this host or at all.

        What is reserved must fit without the hosts that may fail, the largest ones.
        """
        cluster = self._cluster(vm)
        rules = cluster.ha
        if not (rules.enabled and rules.admission_control):
            return True
        host = self._world.host(host_id)
        if rules.failover_hosts:
            return host is None or host.name not in rules.failover_hosts
        sizes = sorted(host.memory for host in self._world.usable_hosts(vm))
        left = sum(sizes[: max(0, len(sizes) - rules.failures)])
        others = (each for each in self._world.vms if each.cluster_id == cluster.id)
        reserved = sum(reserved_memory(each) for each in others if each.state.on_a_host)
        return bool(left) and reserved + reserved_memory(vm) <= left

    def failures_tolerated(self, cluster_id: str) -> int:
        """How many hosts, the largest first, may fail and leave room for all that runs."""
        hosts = (each for each in self._world.hosts if each.cluster_id == cluster_id)
        sizes = sorted(host.memory for host in hosts if host.usable)
        vms = (each for each in self._world.vms if each.cluster_id == cluster_id)
        reserved = sum(reserved_memory(vm) for vm in vms if vm.state.on_a_host)
        left = (sum(sizes[:count]) for count in range(len(sizes) - 1, 0, -1))
        return sum(memory >= reserved for memory in left)

    def has_room(self, host: Host, vm: Machine) -> bool:
        """Whether what is reserved for the VM fits on a host."""
        needed = reserved_memory(vm)
        return not needed or needed <= self.unreserved(host)

    def _cluster(self, vm: Machine) -> Cluster:
        cluster = self._world.cluster(vm.cluster_id)
        assert cluster is not None
        return cluster


def reserved_memory(vm: Machine) -> int:
    """The bytes of memory that a host must have for it."""
    return vm.limits.memory.reservation * _MIB
