"""Lines about the requests and power changes in a lab, for the terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from queue import SimpleQueue

from chaosvm.lab.simulation import EventKind, Machine, State, World
from chaosvm.runtime import Clock

__all__ = ["Watching"]

# Repeated requests are reported at this interval.
_SUMMARY_SECONDS = 10.0
_POWER_OFFS = (EventKind.POWERED_OFF, EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN)


class Watching:
    """Reports the requests and power changes since the last call."""

    def __init__(self, world: World, clock: Clock = time) -> None:
        self._world = world
        self._states = {vm.id: vm.state for vm in world.vms}
        self._changes: SimpleQueue[str] = SimpleQueue()
        self._requests = _RequestSummary(clock)
        world.listen(self._on_changed)

    def lines(self, requests: Mapping[str, int]) -> list[str]:
        """Lines to print. ``requests`` are the total counts so far."""
        changes = [self._changes.get() for _ in range(self._changes.qsize())]
        lines = self._requests.update(requests, report_all=bool(changes))
        moment = time.strftime("%H:%M:%S")
        return [f"{moment}  {line}" for line in (*lines, *changes)]

    def _on_changed(self, vms: Sequence[Machine]) -> None:
        for vm in vms:
            before, self._states[vm.id] = self._states.get(vm.id), vm.state
            if before != vm.state:
                was = "not there" if before is None else _word(before)
                self._changes.put(f"{vm.name}: {was} -> {self._describe(vm)}")

    def _describe(self, vm: Machine) -> str:
        """Distinguish power off from shutdown, which have the same state."""
        if vm.state is State.SHUTTING_DOWN:
            kinds = (event.kind for event in reversed(self._world.events) if event.vm_id == vm.id)
            if next(kinds, None) in _POWER_OFFS:
                return "powering off"
        return _word(vm.state)


class _RequestSummary:
    """Reports new requests at once, and repeated ones at intervals."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: Counter[str] = Counter()
        self._pending: Counter[str] = Counter()
        self._last_names: frozenset[str] = frozenset()
        self._reported_at = clock.monotonic()

    def update(self, requests: Mapping[str, int], report_all: bool) -> list[str]:
        now = self._clock.monotonic()
        new = Counter(requests) - self._seen
        self._seen = Counter(requests)
        self._pending += new
        repeated = new.keys() <= self._last_names
        if not self._pending or (
            repeated and not report_all and now - self._reported_at < _SUMMARY_SECONDS
        ):
            return []
        reported, self._pending = self._pending, Counter()
        self._last_names, self._reported_at = frozenset(reported), now
        return [", ".join(_with_count(name, count) for name, count in reported.items())]


def _with_count(name: str, count: int) -> str:
    # The path is the same for all of a vCenter's methods.
    name = name.removeprefix("POST /sdk ")
    return name if count == 1 else f"{name} ({count} times)"


def _word(state: str) -> str:
    return state.replace("_", " ")
