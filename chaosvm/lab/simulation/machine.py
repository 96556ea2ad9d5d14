"""What a world holds: data centers, clusters, hosts and machines, in no protocol's words."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

__all__ = [
    "Cluster",
    "Datacenter",
    "Durations",
    "Guest",
    "Host",
    "Machine",
    "State",
    "Tag",
    "Topology",
]

GIB = 1024**3


class State(StrEnum):
    """Where a machine is in its life; the faces have their own words for it."""

    OFF = "off"
    LAUNCHING = "launching"
    BOOTING = "booting"
    RUNNING = "running"
    SHUTTING_DOWN = "shutting_down"
    REBOOTING = "rebooting"
    SAVING = "saving"
    SUSPENDED = "suspended"
    RESTORING = "restoring"
    PAUSED = "paused"
    MIGRATING = "migrating"
    # What the platform says when it is busy with the disks, or cannot tell.
    DISKS_LOCKED = "disks_locked"
    DISKS_ILLEGAL = "disks_illegal"
    NOT_RESPONDING = "not_responding"
    UNREACHABLE = "unreachable"
    UNASSIGNED = "unassigned"

    @property
    def on_a_host(self) -> bool:
        """Is there a process of this machine on some host?"""
        return self not in _NOWHERE


_NOWHERE = frozenset(
    (State.OFF, State.SUSPENDED, State.DISKS_LOCKED, State.DISKS_ILLEGAL, State.UNASSIGNED)
)


@dataclass(frozen=True, slots=True)
class Durations:
    """How many seconds things take. The defaults are short, so that tests are.

    Real ones are minutes: multiply with :meth:`times` to see a client wait.
    """

    launch: float = 0.05
    boot: float = 0.15
    # Without an agent the platform waits before it believes that the guest is up.
    boot_without_agent: float = 0.3
    power_off: float = 0.05
    # A suspended machine still runs for a moment before it is saved.
    before_saving: float = 0.05
    save: float = 0.15
    restore: float = 0.15
    resume: float = 0.02
    # Until a highly available machine that crashed is started again.
    restart: float = 0.2
    # How long a stateless machine is busy with its disks after it went off, and
    # how long it stays off after a start that was accepted.
    clean_up: float = 0.1
    stateless_start: float = 0.1
    # Until a start that fails has failed, on each host.
    failed_start: float = 0.05
    migrate: float = 0.2
    # A host that dies: until it is missed, until it is given up (and its machines
    # are unknown), and how long a request to it takes meanwhile.
    host_missed: float = 0.1
    host_given_up: float = 0.3
    host_timeout: float = 0.05
    # How long a platform takes to refuse a wrong password.
    wrong_login: float = 0.0

    def times(self, factor: float) -> Durations:
        return Durations(*(factor * getattr(self, name) for name in Durations.__slots__))


@dataclass(frozen=True, slots=True)
class Guest:
    """How the system inside takes what it is asked: to shut down, to reboot.

    ``seconds`` is how long it needs to do so or, if it ignores requests, how
    long the platform waits before it gives up.
    """

    obedient: bool = True
    seconds: float = 0.1
    agent: bool = True
    acpi: bool = True
    # False: it reboots so fast that nobody sees any other state than running.
    shows_reboot: bool = True

    @classmethod
    def obeys(cls, seconds: float = 0.1) -> Guest:
        return cls(seconds=seconds)

    @classmethod
    def slow(cls, seconds: float = 5.0) -> Guest:
        return cls(seconds=seconds)

    @classmethod
    def ignores(cls, seconds: float = 0.3) -> Guest:
        return cls(obedient=False, seconds=seconds)

    @classmethod
    def without_agent(cls, seconds: float = 0.1) -> Guest:
        """Only reached by ACPI: it does as asked, and tells nothing."""
        return cls(seconds=seconds, agent=False)

    @classmethod
    def deaf(cls) -> Guest:
        """Neither agent nor ACPI: nobody can ask it anything."""
        return cls(agent=False, acpi=False)

    @property
    def reachable(self) -> bool:
        return self.agent or self.acpi


@dataclass(frozen=True, slots=True)
class Tag:
    """A word that machines can carry, perhaps as a part of another one."""

    name: str
    parent: str | None = None

    @property
    def id(self) -> str:
        return tag_id(self.name)


def tag_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


@dataclass(frozen=True, slots=True)
class Topology:
    sockets: int = 1
    cores: int = 1
    threads: int = 1

    @property
    def cpus(self) -> int:
        return self.sockets * self.cores * self.threads


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
    # The compatibility level, which says what its machines can do.
    version: tuple[int, int] = (4, 7)
    # No cluster at all, but what a vCenter has around a host that is in none.
    standalone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    id: str
    name: str
    cluster_id: str
    address: str
    up: bool = True
    # Whether it answers its manager, and what that says of it.
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
        """Can machines be started on it?"""
        return self.up and self.condition == "up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One virtual machine at one moment. A change makes a new one.

    Times are the world's own seconds (:meth:`World.moment` makes dates of them).
    ``moid`` is the short id by which a vCenter knows it.
    """

    id: str
    moid: str
    name: str
    cluster_id: str
    state: State = State.OFF
    host_id: str | None = None
    # Where it is registered, also while it is off; it starts there if it can.
    home_id: str | None = None
    topology: Topology = Topology()
    memory: int = GIB
    os: str = "other_linux"
    description: str | None = None
    comment: str | None = None
    fqdn: str | None = None
    ip_addresses: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    highly_available: bool = False
    stateless: bool = False
    pool_id: str | None = None
    origin: str = "ovirt"
    guest: Guest = Guest()
    created: dt.datetime = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    # When its process started, and when its guest last did.
    started_at: float | None = None
    booted_at: float | None = None
    stopped_at: float | None = None
    stop_reason: str | None = None
    # Platforms do not always tell when a machine was started.
    tells_start: bool = False
    # Somebody else (a pool's monitor, a watchdog) starts it so long after it went off.
    comes_back_after: float | None = None
    # It stays in its state whatever happens.
    stuck: bool = False
    # Another operation holds it until then; one on its snapshots, if it says so.
    busy_until: float = 0.0
    snapshot_busy: bool = False
    # Its power is being cut, whatever its state says.
    being_cut: bool = False
    # A suspend was accepted, and is being prepared until then.
    hibernating_until: float = 0.0
    # It has a disk to boot from.
    bootable: bool = True
    # Its process ends as soon as it is started, on whatever host.
    fails_to_start: bool = False
    # Its host does not take what its guest is to be asked.
    host_refuses: bool = False
    # Its guest went down to reboot, or was reset, and is not up again.
    booting_again: bool = False
    # What it waits for somebody to answer.
    question: str | None = None
    # Where it is kept, as the names of folders from the outermost on.
    folder: tuple[str, ...] = ()
    template: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    # The extension that it belongs to, which alone should touch it.
    managed_by: str | None = None

    def changed(self, **fields: Any) -> Self:
        return replace(self, **fields)
