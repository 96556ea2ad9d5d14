"""Data centers, clusters, hosts and VMs, independent of any protocol."""

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
    """The state of a VM. Each protocol server has its own names for them."""

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
    # While the platform is busy with the disks, or does not know the state.
    DISKS_LOCKED = "disks_locked"
    DISKS_ILLEGAL = "disks_illegal"
    NOT_RESPONDING = "not_responding"
    UNREACHABLE = "unreachable"
    UNASSIGNED = "unassigned"

    @property
    def on_a_host(self) -> bool:
        """True if the VM has a process on a host."""
        return self not in _ON_NO_HOST


_ON_NO_HOST = frozenset(
    (State.OFF, State.SUSPENDED, State.DISKS_LOCKED, State.DISKS_ILLEGAL, State.UNASSIGNED)
)


@dataclass(frozen=True, slots=True)
class Durations:
    """How many seconds operations take. The defaults keep tests short.

    On real platforms they take minutes: use :meth:`times` to see a client wait.
    """

    launch: float = 0.05
    boot: float = 0.15
    # Without a guest agent the platform waits before it considers the guest up.
    boot_without_agent: float = 0.3
    power_off: float = 0.05
    # A VM runs on for a moment before it is saved.
    before_saving: float = 0.05
    save: float = 0.15
    restore: float = 0.15
    resume: float = 0.02
    # Until a highly available VM is restarted after a crash.
    restart: float = 0.2
    # How long a stateless VM is busy with its disks after it went off, and how long
    # it stays off after an accepted start.
    clean_up: float = 0.1
    stateless_start: float = 0.1
    # Until a failing start has failed, on each host.
    failed_start: float = 0.05
    migrate: float = 0.2
    # A lost host: until it is missed, from then until it is given up and its VMs are
    # unknown, and how long a request to it takes meanwhile.
    host_missed: float = 0.1
    host_given_up: float = 0.3
    host_timeout: float = 0.05
    # How long a login with a wrong password takes.
    wrong_login: float = 0.0

    def times(self, factor: float) -> Durations:
        return Durations(*(factor * getattr(self, name) for name in Durations.__slots__))


@dataclass(frozen=True, slots=True)
class Guest:
    """How the guest system handles requests to shut down or reboot.

    ``seconds`` is how long it takes or, if it ignores requests, how long the platform
    waits before it gives up.
    """

    obedient: bool = True
    seconds: float = 0.1
    agent: bool = True
    acpi: bool = True
    # False: it reboots so fast that the VM stays in state RUNNING.
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
        """Reachable by ACPI only: it obeys, and reports nothing."""
        return cls(seconds=seconds, agent=False)

    @classmethod
    def deaf(cls) -> Guest:
        """Neither agent nor ACPI: it is not reachable."""
        return cls(agent=False, acpi=False)

    @property
    def reachable(self) -> bool:
        return self.agent or self.acpi


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of VMs, and its parent."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A VM at one moment. Immutable: :meth:`changed` returns a new version.

    Times are simulated seconds, which :meth:`World.date_of` converts to dates. ``moid``
    is its id on a vCenter.
    """

    id: str
    moid: str
    name: str
    cluster_id: str
    state: State = State.OFF
    host_id: str | None = None
    # Where it is registered, even while it is off, and starts if possible.
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
    # When its process started, and when its guest last booted.
    started_at: float | None = None
    booted_at: float | None = None
    stopped_at: float | None = None
    stop_reason: str | None = None
    # Platforms do not always report the start time.
    tells_start: bool = False
    # Something else, such as the monitor of a pool, starts it so many seconds after it went off.
    comes_back_after: float | None = None
    # It stays in its state whatever is requested.
    stuck: bool = False
    # Another operation, perhaps on its snapshots, holds it until then.
    busy_until: float = 0.0
    snapshot_busy: bool = False
    # It is being powered off, whatever its state says.
    powering_off: bool = False
    # An accepted suspend is being prepared until then.
    hibernating_until: float = 0.0
    # It has a disk to boot from.
    bootable: bool = True
    # Its process exits right after the start, on every host.
    fails_to_start: bool = False
    # Its host refuses requests for the guest.
    host_refuses: bool = False
    # Its guest was reset or went down to reboot, and is not up again.
    booting_again: bool = False
    # The question that it is waiting for an answer to.
    question: str | None = None
    # Names of folders, from the outermost on.
    folder: tuple[str, ...] = ()
    template: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    # The extension that manages it, which alone should change it.
    managed_by: str | None = None

    def changed(self, **fields: Any) -> Self:
        return replace(self, **fields)
