"""The timeline of one run: plain data, in the shape of ``timeline.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = [
    "ActivityRun",
    "Change",
    "Check",
    "Guard",
    "Interruption",
    "Kind",
    "Limit",
    "Machine",
    "Mode",
    "Phase",
    "Probe",
    "Run",
    "Server",
    "Timeline",
    "UndoResult",
]


class Mode(StrEnum):
    """What a run could change."""

    REAL = "real"
    REHEARSAL = "rehearsal"  # the lab's VMs only
    DRY_RUN = "dry_run"  # nothing


class Kind(StrEnum):
    """What has changed about a VM."""

    POWER = "power"
    TOOLS = "tools"
    ADDRESS = "address"
    HOST = "host"
    STATUS = "status"


class Phase(StrEnum):
    BEFORE = "before"
    DURING = "during"
    AFTER = "after"
    METHOD = "method"
    ROLLBACK = "rollback"
    UNDO = "undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """Who or what interrupted a run, such as ``SIGTERM``."""

    by: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """``status`` is the journal's; ``killed`` is true if the run never came to its end.

    ``ended`` is then the time of its last record. If its ledger was recovered afterwards, that
    is the recovery's, and ``killed_at`` is the last one of the run itself.
    """

    title: str
    started: datetime
    ended: datetime
    id: str | None = None
    status: str | None = None
    deviated: bool = False
    mode: Mode = Mode.REAL
    killed: bool = False
    killed_at: datetime | None = None
    interruption: Interruption | None = None
    strategies: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """``clock_ahead``: by how many seconds its clock was ahead of this machine's.

    All times are this machine's: those of the server are shifted by ``clock_ahead``.
    """

    platform: str
    address: str
    version: str | None = None
    clock_ahead: float | None = None
    clock_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A VM; ``ref`` identifies it within the timeline."""

    ref: str
    id: str
    name: str
    platform: str
    server: str
    cluster: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value that a VM has from ``at`` on. The first one is a reading, not a change.

    ``cause`` says why, ``source`` who recorded it, such as an event of the server.
    """

    at: datetime
    vm: str
    kind: Kind
    value: str
    cause: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRun:
    """An activity from begin to end; ``outcomes`` are those of the VMs it acted on."""

    name: str
    phase: Phase
    began: datetime
    ended: datetime | None = None
    type: str = "action"
    background: bool = False
    status: str | None = None
    error: str | None = None
    vms: tuple[str, ...] = ()
    outcomes: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of a probe; ``met`` is None if it failed without a value."""

    phase: Phase
    at: datetime
    met: bool
    value: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A probe of the hypothesis, with its checks in the order of time."""

    name: str
    expected: str
    checks: tuple[Check, ...] = ()
    # It fails until a VM is back, and is judged afterwards.
    judged_when_back: bool = False
    # It is one of this package's, which observe VMs rather than the service.
    of_vms: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The seconds that the hypothesis allows for a recovery; ``measured`` is what it took."""

    vm_name: str
    seconds: float
    milestone: str = "power"
    measured: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A guard in force: its limit, and what the run used of it; None if it is not set."""

    name: str
    limit: str | None = None
    used: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoResult:
    """What undo did; ``outcomes`` has only the VMs that it looked at."""

    began: datetime | None = None
    ended: datetime | None = None
    outcomes: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What happened to the VMs of one run, and why."""

    run: Run
    written: datetime
    servers: tuple[Server, ...] = ()
    vms: tuple[Machine, ...] = ()
    changes: tuple[Change, ...] = ()
    activities: tuple[ActivityRun, ...] = ()
    # None: it was not recorded; empty: the experiment has none.
    probes: tuple[Probe, ...] | None = None
    limits: tuple[Limit, ...] = ()
    guards: tuple[Guard, ...] = ()
    # The sentence of the guard that stopped an action.
    stopped_by_guard: str | None = None
    # None: the run had no undo.
    undo: UndoResult | None = None
    # What could not be recorded, as sentences.
    gaps: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    files: Mapping[str, str] = field(default_factory=dict, hash=False)
