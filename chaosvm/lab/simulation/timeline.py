"""What will happen, and when."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable

__all__ = ["Timeline"]


class Timeline:
    """Things due at moments of a clock, each about one machine.

    A new plan for a machine replaces what was planned for it before.
    """

    def __init__(self) -> None:
        self._due: list[tuple[float, int, str, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._plans: dict[str, int] = defaultdict(int)

    def drop(self, vm_id: str) -> None:
        """Forget all that was planned for this machine."""
        self._plans[vm_id] += 1

    def add(self, moment: float, vm_id: str, happens: Callable[[], None]) -> None:
        entry = (moment, next(self._order), vm_id, self._plans[vm_id], happens)
        heapq.heappush(self._due, entry)

    def next_moment(self) -> float | None:
        self._skip_dropped()
        return self._due[0][0] if self._due else None

    def take(self, now: float) -> tuple[float, Callable[[], None]] | None:
        """The next thing that is due by now, and its moment."""
        self._skip_dropped()
        if not self._due or self._due[0][0] > now:
            return None
        moment, _, _, _, happens = heapq.heappop(self._due)
        return moment, happens

    def _skip_dropped(self) -> None:
        while self._due and self._due[0][3] != self._plans[self._due[0][2]]:
            heapq.heappop(self._due)
