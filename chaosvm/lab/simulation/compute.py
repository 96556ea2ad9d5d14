"""Data centers, clusters and hosts."""

from __future__ import annotations

from dataclasses import dataclass

from chaosvm.lab.simulation.hardware import GIB, Topology

__all__ = ["Cluster", "Datacenter", "Host", "HighAvailability", "ResourceScheduling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Datacenter:
    id: str
    name: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HighAvailability:
    """Whether and where a cluster restarts the VMs of a host that failed."""

    enabled: bool = False
    # Refuse starts that would leave no room for a failover: for this many failed hosts, or on
    # these hosts, by name, which run nothing until then.
    admission_control: bool = True
    failures: int = 1
    failover_hosts: tuple[str, ...] = ()
    # The response for VMs on an isolated host: none, powerOff.
    isolation_response: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceScheduling:
    """Whether a cluster moves running VMs by itself: manual and partiallyAutomated only advise."""

    enabled: bool = False
    automation: str = "fullyAutomated"

    @property
    def migrates(self) -> bool:
        return self.enabled and self.automation == "fullyAutomated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    id: str
    name: str
    datacenter_id: str | None = None
    description: str | None = None
    # The compatibility level, which decides what its VMs support.
    version: tuple[int, int] = (4, 7)
    # Not a real cluster: a vCenter's compute resource of a host that is in none.
    standalone: bool = False
    ha: HighAvailability = HighAvailability()
    drs: ResourceScheduling = ResourceScheduling()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    id: str
    name: str
    cluster_id: str
    address: str
    # Whether it has power, and whether it answers its manager.
    powered: bool = True
    answers: bool = True
    # What its manager has noticed: up, connecting, non_responsive, reboot or down.
    condition: str = "up"
    # False if it was disconnected from its manager on request.
    connected: bool = True
    # It runs no VMs, or is being emptied of them.
    maintenance: bool = False
    evacuating: bool = False
    # Its manager can switch it off and on, and fences it if it stops answering.
    power_management: bool = False
    booted_at: float = 0.0
    topology: Topology = Topology(2, 16, 2)
    memory: int = 256 * GIB

    @property
    def status(self) -> str:
        """Its condition, or if it is up ``maintenance`` or ``preparing_for_maintenance``."""
        if not self.responding:
            return self.condition if self.connected else "non_responsive"
        if self.maintenance:
            return "maintenance"
        return "preparing_for_maintenance" if self.evacuating else "up"

    @property
    def responding(self) -> bool:
        """True if its manager considers it connected."""
        return self.connected and self.condition == "up"

    @property
    def usable(self) -> bool:
        """True if VMs can be started on it."""
        return self.answers and self.status == "up"
