"""A VM and its states, independent of any protocol."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Any, Self

from chaosvm.lab.simulation.guest import Guest
from chaosvm.lab.simulation.hardware import GIB, Disk, Limits, Nic, Topology

__all__ = ["Machine", "Snapshot", "State"]


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


_GUEST_SERVES = frozenset(
    (
        State.RUNNING,
        State.SHUTTING_DOWN,
        State.REBOOTING,
        State.SAVING,
        State.MIGRATING,
        State.UNREACHABLE,
        State.NOT_RESPONDING,
    )
)
_AGENT_HEARD = _GUEST_SERVES - {State.UNREACHABLE, State.NOT_RESPONDING} | {State.PAUSED}
_WITHOUT_PROCESS: Mapping[str, Any] = {
    "state": State.OFF,
    "host_id": None,
    "started_at": None,
    "booted_at": None,
    "suspended_at": None,
    "hibernating_until": 0.0,
    "heartbeat_lost": "",
    **dict.fromkeys(("booting_again", "powering_off", "process_gone", "awaits_restart"), False),
    **dict.fromkeys(("hung", "agent_starting", "addresses_missing"), False),
}


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
    # The host that it was on last: there it is registered while it is off, and starts if possible.
    home_id: str | None = None
    topology: Topology = Topology()
    memory: int = GIB
    nics: tuple[Nic, ...] = ()
    disks: tuple[Disk, ...] = ()
    limits: Limits = Limits()
    os: str = "other_linux"
    description: str | None = None
    comment: str | None = None
    fqdn: str | None = None
    ip_addresses: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    highly_available: bool = False
    # Of the VMs of a cluster with high availability; "disabled" are not restarted.
    restart_priority: str = "medium"
    stateless: bool = False
    pool_id: str | None = None
    origin: str = "ovirt"
    guest: Guest = Guest()
    created: dt.datetime = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    # When its process started, and when its guest last booted.
    started_at: float | None = None
    booted_at: float | None = None
    stopped_at: float | None = None
    suspended_at: float | None = None
    # How often its guest has booted in this world, and the restart that no host was found for.
    boots: int = 0
    awaits_restart: bool = False
    # Its guest hangs, or has booted and its agent or its addresses are not there yet.
    hung: bool = False
    agent_starting: bool = False
    addresses_missing: bool = False
    # How long its agent is silent: yellow, then red.
    heartbeat_lost: str = ""
    # Its process died with its host, which its platform has not noticed yet.
    process_gone: bool = False
    stop_reason: str | None = None
    # Platforms do not always report the start time.
    tells_start: bool = False
    # Something else, such as the monitor of a pool, starts it this many seconds after it went off.
    comes_back_after: float | None = None
    # It stays in its state, whatever is requested.
    stuck: bool = False
    # Another operation, perhaps on its snapshots, holds it until then.
    busy_until: float = 0.0
    snapshot_busy: bool = False
    # It is being powered off, whatever its state says.
    powering_off: bool = False
    # An accepted suspend is being prepared until then.
    hibernating_until: float = 0.0
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
    # What only one platform has a name for, such as a vCenter's other devices.
    platform_data: Mapping[str, Any] = field(default_factory=dict)
    # Its snapshots, oldest first, and the id of the one that its disks are based on.
    snapshots: tuple[Snapshot, ...] = ()
    snapshot_id: str | None = None

    @property
    def bootable(self) -> bool:
        """True if it has a disk to boot from."""
        return any(disk.bootable and disk.active for disk in self.disks)

    @property
    def obeys(self) -> bool:
        """True if its guest follows requests."""
        return self.guest.obedient and self.guest.reachable and not self.hung

    @property
    def guest_up(self) -> bool:
        """True if its guest has booted and serves, whether or not its platform knows."""
        hindered = self.booting_again or self.hung or self.process_gone
        return self.state in _GUEST_SERVES and not hindered

    @property
    def agent_running(self) -> bool:
        """True if its platform hears of the agent."""
        hindered = self.booting_again or self.hung or self.agent_starting
        return self.guest.agent and self.state in _AGENT_HEARD and not hindered

    @property
    def heartbeat(self) -> str:
        return "green" if self.agent_running else self.heartbeat_lost or "gray"

    @property
    def reported_addresses(self) -> tuple[str, ...]:
        """The addresses that its agent reports."""
        if not self.agent_running or self.addresses_missing:
            return ()
        # A VM without cards is one whose cards are not modelled.
        linked = any(nic.connected and nic.plugged for nic in self.nics) or not self.nics
        return self.ip_addresses if linked else ()

    def changed(self, **fields: Any) -> Self:
        """A copy with other values, three times as fast as ``dataclasses.replace`` makes one."""
        copy = object.__new__(type(self))
        for put, value in zip(_SETTERS, _VALUES(self), strict=True):
            put(copy, value)
        for name, value in fields.items():
            object.__setattr__(copy, name, value)
        return copy

    def switched_off(self, **fields: Any) -> Self:
        """Off, without anything that a process has; with these fields."""
        return self.changed(**{**_WITHOUT_PROCESS, **fields})


_NAMES = tuple(each.name for each in dataclasses.fields(Machine))
_VALUES = attrgetter(*_NAMES)
_SETTERS = tuple(getattr(Machine, name).__set__ for name in _NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot of a VM. ``number`` is in its id on a vCenter; ``machine`` is the VM then."""

    id: str
    number: int
    name: str
    description: str
    created_at: float
    parent_id: str | None
    memory: bool
    machine: Machine

    @property
    def state(self) -> State:
        """The state that the VM has after a revert."""
        if self.machine.state in (State.OFF, State.SUSPENDED):
            return self.machine.state
        return State.RUNNING if self.memory else State.OFF
