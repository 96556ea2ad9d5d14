"""Data centers, clusters and hosts."""

from __future__ import annotations

from dataclasses import dataclass

from chaosvm.lab.simulation.hardware import GIB, Topology

__all__ = ["Cluster", "Datacenter", "Host"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Datacenter:
    id: str
    name: str
    description: str | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    id: str
    name: str
    cluster_id: str
    address: str
    up: bool = True
    # Whether it answers its manager, and the status that the manager has for it.
    answers: bool = True
    condition: str = "up"
    topology: Topology = Topology(2, 16, 2)
    memory: int = 256 * GIB

    @property
    def status(self) -> str:
        """``up``, ``connecting``, ``non_responsive`` or ``maintenance``."""
        return self.condition if self.up else "maintenance"

    @property
    def usable(self) -> bool:
        """True if VMs can be started on it."""
        return self.up and self.condition == "up"
