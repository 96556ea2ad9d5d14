"""What happens in a lab, in lines for someone who looks on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from queue import SimpleQueue

from chaosvm.lab.simulation import EventKind, Machine, State, World
from chaosvm.runtime import Clock

__all__ = ["Watching"]

# What is asked again and again is told this often.
_SUMMARY_SECONDS = 10.0
_CUT = (EventKind.POWERED_OFF, EventKind.POWERED_OFF_INSTEAD_OF_SHUTDOWN)


class Watching:
    """Requests and power changes since the last look."""

    def __init__(self, world: World, clock: Clock = time) -> None:
        self._world = world
        self._states = {vm.id: vm.state for vm in world.vms}
        self._changes: SimpleQueue[str] = SimpleQueue()
        self._requests = _Requests(clock)
        world.listen(self._heard)

    def news(self, requests: Mapping[str, int]) -> list[str]:
        """Lines; ``requests`` are how many of each there were so far."""
        changes = [self._changes.get() for _ in range(self._changes.qsize())]
        asked = self._requests.news(requests, tell_all=bool(changes))
        moment = time.strftime("%H:%M:%S")
        return [f"{moment}  {line}" for line in (*asked, *changes)]

    def _heard(self, vms: Sequence[Machine]) -> None:
        for vm in vms:
            before, self._states[vm.id] = self._states.get(vm.id), vm.state
            if before != vm.state:
                was = "not there" if before is None else _word(before)
                self._changes.put(f"{vm.name}: {was} -> {self._becomes(vm)}")

    def _becomes(self, vm: Machine) -> str:
        """The world has one state for what shuts down and what is cut off."""
        if vm.state is State.SHUTTING_DOWN:
            last = next((e.kind for e in reversed(self._world.events) if e.vm_id == vm.id), None)
            if last in _CUT:
                return "powering off"
        return _word(vm.state)


class _Requests:
    """Tells new ones at once, and repeated ones now and then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: Counter[str] = Counter()
        self._held: Counter[str] = Counter()
        self._known: frozenset[str] = frozenset()
        self._told_at = clock.monotonic()

    def news(self, requests: Mapping[str, int], tell_all: bool) -> list[str]:
        now = self._clock.monotonic()
        new = Counter(requests) - self._seen
        self._seen = Counter(requests)
        self._held += new
        repeated = new.keys() <= self._known
        if not self._held or (repeated and not tell_all and now - self._told_at < _SUMMARY_SECONDS):
            return []
        told, self._held = self._held, Counter()
        self._known, self._told_at = frozenset(told), now
        return [", ".join(_counted(name, count) for name, count in told.items())]


def _counted(name: str, count: int) -> str:
    # All of a vCenter's methods are called by one path, which tells nothing.
    name = name.removeprefix("POST /sdk ")
    return name if count == 1 else f"{name} ({count} times)"


def _word(state: str) -> str:
    return state.replace("_", " ")
