"""A queue of callbacks by due time."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable

__all__ = ["Timeline"]


class Timeline:
    """Callbacks with their due times. Each belongs to one VM, so that its plan can be dropped."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, str, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._plans: dict[str, int] = defaultdict(int)

    def drop(self, vm_id: str) -> None:
        """Drop all callbacks of this VM."""
        self._plans[vm_id] += 1

    def add(self, moment: float, vm_id: str, callback: Callable[[], object]) -> None:
        entry = (moment, next(self._order), vm_id, self._plans[vm_id], callback)
        heapq.heappush(self._queue, entry)

    def next_moment(self) -> float | None:
        self._skip_dropped()
        return self._queue[0][0] if self._queue else None

    def take(self, now: float) -> tuple[float, Callable[[], object]] | None:
        """Remove the next callback that is due. Returns its due time too."""
        self._skip_dropped()
        if not self._queue or self._queue[0][0] > now:
            return None
        moment, _, _, _, callback = heapq.heappop(self._queue)
        return moment, callback

    def _skip_dropped(self) -> None:
        while self._queue and self._queue[0][3] != self._plans[self._queue[0][2]]:
            heapq.heappop(self._queue)
