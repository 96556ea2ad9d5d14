"""How long VMs take to recover: from the moment one went down to a milestone reached again."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from chaosvm.observe.milestones import Milestone
from chaosvm.observe.outages import Outage
from chaosvm.outcome import How, Outcome

__all__ = ["Recovery", "RecoveryRecord"]

# Seconds after the beginning of an outage in which a VM that was not seen down may still be
# shown as it was before: a server records an event and changes a state one after the other.
_SETTLING = 5.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """``seconds`` from the beginning of the outage to its end, or so far if it is not ``over``.

    ``at_most`` is True if the end was seen later than it may have been.
    """

    seconds: float
    over: bool
    at_most: bool = False


class RecoveryRecord:
    """Remembers when a milestone was first seen to be reached after each outage.

    A server records when a VM was powered on, but not when its guest was ready: that
    is only known as exactly as it is polled, by a probe or by an action that waits.
    """

    def __init__(self) -> None:
        self._reached: dict[tuple[str, int, str], tuple[dt.datetime, bool]] = {}
        self._not_reached: set[tuple[str, int, str]] = set()
        # What actions saw, by VM and milestone, on this process's monotonic clock.
        self._seen: dict[tuple[str, str], list[float]] = {}
        self._lock = threading.Lock()

    def record(self, outcomes: Sequence[Outcome], began: float) -> None:
        """Keep when an action that began then saw each milestone.

        A VM that it did not change may have been there before it looked.
        """
        changed = [each for each in outcomes if each.how is not How.NONE]
        with self._lock:
            for outcome in changed:
                for milestone, seconds in (outcome.milestones or {}).items():
                    self._seen.setdefault((outcome.id, milestone), []).append(began + seconds)

    def seen(
        self,
        vm_id: str,
        outages: Sequence[Outage],
        milestone: Milestone,
        now: dt.datetime,
        monotonic: float,
    ) -> Recovery | None:
        """What an action saw of a guest after the first of the outages, before the next one.

        ``now`` and ``monotonic`` are the same moment on the server's clock and on ours. When a VM
        was powered on, the server itself records.
        """
        outage, next_down = outages[0], next((each.down_at for each in outages[1:]), None)
        is_back = outage.up_at is not None or outage.guest_only
        if outage.down_at is None or not is_back or milestone.kind == "power":
            return None
        with self._lock:
            # Tools are recorded whatever is waited for, and "agent" is another word for them.
            names = dict.fromkeys((milestone.text, milestone.kind))
            moments = [at for name in names for at in self._seen.get((vm_id, name), ())]
        times = sorted(now - dt.timedelta(seconds=monotonic - at) for at in moments)
        end = next((at for at in times if at > outage.down_at), None)
        if end is None or (next_down is not None and end > next_down):
            return None
        return Recovery((end - outage.down_at).total_seconds(), over=True)

    def measure(
        self,
        vm_id: str,
        outage: Outage,
        milestone: Milestone,
        reached: bool,
        now: dt.datetime,
    ) -> Recovery:
        """``reached`` and ``now`` are what the server reports, read after its events."""
        begin = outage.down_at or now
        if milestone.kind == "power" and outage.up_at is not None and reached:
            return Recovery((outage.up_at - begin).total_seconds(), over=True)
        key = (vm_id, outage.number, milestone.text)
        with self._lock:
            was_missed = key in self._not_reached
            age = (now - begin).total_seconds()
            if not reached:
                self._not_reached.add(key)
            elif outage.up_at is not None or was_missed or age > _SETTLING:
                self._reached.setdefault(key, (now, not was_missed))
            end, at_most = self._reached.get(key, (None, False))
        seconds = ((end or now) - begin).total_seconds()
        return Recovery(max(0.0, seconds), over=end is not None, at_most=at_most)

    def was_missed(self, vm_id: str, outage: Outage, milestone: Milestone) -> bool:
        """True if the milestone was seen not to be reached in this outage."""
        with self._lock:
            return (vm_id, outage.number, milestone.text) in self._not_reached
