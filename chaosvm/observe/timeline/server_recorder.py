"""Records the VMs of one server, in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from chaosvm.backend import (
    Backend,
    EventKind,
    GuestStatus,
    Observation,
    Operation,
    Order,
    ServerEvent,
    ServerTime,
    Watch,
)
from chaosvm.errors import ChaosVMError, NotReported
from chaosvm.observe.timeline.changes import (
    all_recorded,
    change_of_event,
    merged,
    with_restarts,
    with_unknown,
)
from chaosvm.observe.timeline.model import Change, Kind, Machine, Server
from chaosvm.platforms import platform_title
from chaosvm.runtime import Deadline
from chaosvm.vm import VM

__all__ = ["ServerRecorder", "machine_ref"]

logger = logging.getLogger("chaostoolkit")

# How long a poll waits for a change, and how often guests are read.
_POLL_SECONDS, _GUEST_SECONDS = 0.5, 2.0
# A guest that takes long to read is read less often.
_GUEST_SHARE = 5.0
_RETRY_SECONDS = 1.0
# An event may follow its change: seconds before each reading of them at the end.
_EVENT_WAITS = (0.0, 0.2, 0.5, 1.0, 1.0)
# Until then a running poll has returned.
_STOP_SECONDS = 10.0
_READ_SECONDS = 60.0


def machine_ref(platform: str, server: str, vm_id: str) -> str:
    """Identifies a VM within a timeline."""
    return f"{platform}/{server}/{vm_id}"


class ServerRecorder:
    """``started`` is the start of the run: from then on the server's events count."""

    def __init__(self, backend: Backend, started: datetime, now: Callable[[], datetime]) -> None:
        self._backend = backend
        self._started = started
        self._now = now
        self._lock = threading.Lock()
        self._vms: dict[str, VM] = {}
        self._observed: list[Change] = []
        self._recorded: list[Change] = []
        self._restarts: list[tuple[str, datetime, str]] = []
        self._last: dict[tuple[str, Kind], str] = {}
        self._clocks: list[ServerTime] = []
        self._version: str | None = None
        self._gaps: list[str] = []
        # From when to when the server could not be read.
        self._blind: list[tuple[datetime, datetime]] = []
        self._events_read = False
        self._blind_since: datetime | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # The run --------------------------------------------------------------------------

    def follow(self, vms: Sequence[VM]) -> None:
        """Returns at once; the VMs are as their platform has just described them."""
        with self._lock:
            new = [vm for vm in vms if vm.id not in self._vms]
            self._vms.update((vm.id, vm) for vm in new)
            for vm in new:
                self._note(vm.id, Kind.POWER, vm.power_state.value)
                self._note(vm.id, Kind.HOST, vm.host or "")
            if self._thread is None and new:
                self._thread = threading.Thread(
                    target=self._record, name="chaosvm-timeline", daemon=True
                )
                self._thread.start()

    def ask_to_stop(self) -> None:
        self._stopping.set()

    def finish(self, deadline: Deadline) -> None:
        """Wait for the thread, and read what only the server knows."""
        if self._thread is not None:
            self._thread.join(min(_STOP_SECONDS, deadline.remaining))
        for read in (self._read_clock, self._read_events, self._read_version):
            try:
                read(deadline)
            except NotReported as error:
                self._gap(f"{error}.")
            except ChaosVMError as error:
                self._gap(f"{self._backend.address} could not be read at the end: {error}.")

    # What was recorded ------------------------------------------------------------------

    def machines(self) -> list[Machine]:
        with self._lock:
            return [
                Machine(
                    ref=self._ref(vm.id),
                    id=vm.id,
                    name=vm.name,
                    platform=vm.platform,
                    server=self._backend.address,
                    cluster=vm.cluster,
                    host=vm.host,
                )
                for vm in self._vms.values()
            ]

    def changes(self) -> list[Change]:
        with self._lock:
            changes = with_restarts(merged(self._observed, self._recorded), self._restarts)
            blind = list(self._blind)
            if self._blind_since is not None:
                blind.append((self._blind_since, self._now()))
        # The events fill in what was not observed.
        return changes if self._events_read else with_unknown(changes, blind)

    def description(self) -> Server:
        """The server; its clock is the mean of what was measured, at start and end."""
        offsets = [clock.offset for clock in self._clocks]
        mean = sum(offsets) / len(offsets) if offsets else None
        error = None
        if mean is not None:
            error = max(abs(each.offset - mean) + each.uncertainty for each in self._clocks)
        return Server(
            platform=self._backend.name,
            address=self._backend.address,
            version=self._version,
            clock_ahead=None if mean is None else round(mean, 3),
            clock_error=None if error is None else round(error, 3),
        )

    def gaps(self) -> list[str]:
        return list(dict.fromkeys(self._gaps))

    # The thread ---------------------------------------------------------------------------

    def _record(self) -> None:
        try:
            self._try_clock()
            while not self._stopping.is_set():
                try:
                    self._watch()
                except ChaosVMError as error:
                    self._gap(f"{self._backend.address} could not be read for a time: {error}.")
                    self._blind_since = self._blind_since or self._now()
                    self._stopping.wait(_RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001  # a recorder must not disturb the run
            logger.warning(f"timeline: nothing more is recorded: {type(error).__name__}: {error}")
            self._gap(f"The recording ended early: {type(error).__name__}.")

    def _watch(self) -> None:
        """Watch the VMs until there are more of them, or the run is over."""
        with self._lock:
            vms = list(self._vms.values())
        order = Order(operation=Operation.POWER_OFF, timeout=_READ_SECONDS)
        guests = _Guests(self._backend, vms)
        with self._backend.watch(vms, order, Deadline(_READ_SECONDS)) as watch:
            while not self._stopping.is_set() and len(vms) == len(self._vms):
                self._poll(watch)
                for status in guests.read_if_due():
                    self._note_guest(status)
            self._poll(watch, seconds=0.0)
            if self._stopping.is_set():
                for status in guests.read():
                    self._note_guest(status)

    def _poll(self, watch: Watch, seconds: float = _POLL_SECONDS) -> None:
        observations = watch.poll(seconds, Deadline(_READ_SECONDS))
        at = self._now()
        with self._lock:
            if self._blind_since is not None:
                self._blind.append((self._blind_since, at))
                self._blind_since = None
            for each in observations:
                self._note_observation(each, at)
        if watch.pushed and not observations:
            # A poll that returns at once must not keep a core busy.
            self._stopping.wait(0.05)

    def _note_observation(self, observation: Observation, at: datetime) -> None:
        value = observation.power_state.value if observation.exists else "deleted"
        kind = Kind.POWER if observation.exists else Kind.STATUS
        self._note(observation.vm_id, kind, value, at)

    def _note_guest(self, status: GuestStatus) -> None:
        at = self._now()
        with self._lock:
            self._note(status.vm_id, Kind.TOOLS, status.tools.value, at, "the guest's tools")
            addresses = ", ".join(status.ip_addresses[:2])
            self._note(status.vm_id, Kind.ADDRESS, addresses, at, "the guest's tools")
            if status.host:
                self._note(status.vm_id, Kind.HOST, status.host, at)

    def _note(
        self,
        vm_id: str,
        kind: Kind,
        value: str,
        at: datetime | None = None,
        source: str | None = None,
    ) -> None:
        key = (self._ref(vm_id), kind)
        if self._last.get(key) == value:
            return
        self._last[key] = value
        self._observed.append(
            Change(at=at or self._now(), vm=key[0], kind=kind, value=value, source=source)
        )

    # The end --------------------------------------------------------------------------------

    def _try_clock(self) -> None:
        try:
            self._read_clock(Deadline(_READ_SECONDS))
        except ChaosVMError as error:
            logger.debug(f"timeline: {error}")

    def _read_clock(self, deadline: Deadline) -> None:
        self._clocks.append(self._backend.server_time(deadline))

    def _read_events(self, deadline: Deadline) -> None:
        offset = timedelta(seconds=self.description().clock_ahead or 0.0)
        vms = list(self._vms.values())
        for wait in _EVENT_WAITS:
            deadline.sleep(wait)
            events = self._backend.events(self._started + offset, deadline, vms)
            self._recorded = [
                change for event in events if (change := self._change_of(event, offset))
            ]
            self._restarts = [
                (self._ref(event.vm_id or ""), event.at - offset, _restart_text(event))
                for event in events
                if event.kind is EventKind.HA_RESTARTED
            ]
            self._events_read = True
            if all_recorded(self._observed, self._recorded):
                return

    def _change_of(self, event: ServerEvent, offset: timedelta) -> Change | None:
        name = platform_title(self._backend.name)
        return change_of_event(event, self._ref(event.vm_id or ""), event.at - offset, name)

    def _read_version(self, deadline: Deadline) -> None:
        info = self._backend.server_info(deadline)
        words = (str(info.get(key) or "") for key in ("product", "version"))
        product, version = words
        self._version = product if version in product else f"{product} {version}".strip()
        self._version = self._version or None

    def _gap(self, text: str) -> None:
        logger.debug(f"timeline: {text}")
        self._gaps.append(text)

    def _ref(self, vm_id: str) -> str:
        return machine_ref(self._backend.name, self._backend.address, vm_id)


def _restart_text(event: ServerEvent) -> str:
    return f"restarted by HA on {event.host}" if event.host else "restarted by HA"


class _Guests:
    """Reads the guests from time to time, until the platform turns out not to report them."""

    def __init__(self, backend: Backend, vms: Sequence[VM]) -> None:
        self._backend = backend
        self._vms = vms
        self._next_at = 0.0
        self._reported = True

    def read_if_due(self) -> list[GuestStatus]:
        return self.read() if time.monotonic() >= self._next_at else []

    def read(self) -> list[GuestStatus]:
        if not self._reported:
            return []
        begun = time.monotonic()
        try:
            return list(self._backend.guest_statuses(self._vms, Deadline(_READ_SECONDS)).values())
        except NotReported as error:
            logger.debug(f"timeline: {error}")
            self._reported = False
            return []
        finally:
            now = time.monotonic()
            self._next_at = now + max(_GUEST_SECONDS, _GUEST_SHARE * (now - begun))
