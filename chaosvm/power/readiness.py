"""Whether a VM that is on has reached the milestone that the call waits for.

What the server reports of a guest is enough for some milestones; others need a
connection to the guest, which ``guests.py`` tries.
"""

from __future__ import annotations

from chaosvm.backend import GuestStatus, ToolsStatus
from chaosvm.observe import Milestone

__all__ = ["Readiness"]

_FIRST_PAUSE, _GROWTH, _MAX_PAUSE = 0.5, 1.3, 2.0  # seconds between two readings
_POWER, _TOOLS, _IP = (Milestone.parse("", kind) for kind in ("power", "tools", "ip"))


class Readiness:
    """The milestones of one VM; all times are seconds since the call began."""

    def __init__(self, wait_for: str) -> None:
        self.goal = Milestone.parse("wait_for", wait_for)
        self.seconds: dict[str, float] = {}  # by milestone, in the order reached
        self.problem: str | None = None  # why it is not known whether the next one is reached
        self.status: GuestStatus | None = None  # for a connection that is to be tried
        self.next_read_at = 0.0
        self._booted_after: float | None = None
        self._went_down = False  # Tools were seen not to run since then
        self._pause = _FIRST_PAUSE
        addressed = self.goal.kind == "port" or self.goal.port
        self._steps = list(dict.fromkeys([_POWER, *([_IP] if addressed else []), self.goal]))

    @property
    def wanted(self) -> bool:
        """True if being powered on is not enough."""
        return self.goal != _POWER

    @property
    def missing(self) -> Milestone | None:
        """The next milestone that has not been reached."""
        return next((each for each in self._steps if each.text not in self.seconds), None)

    @property
    def text(self) -> str:
        """What is missing, for messages."""
        problem = f" ({self.problem})" if self.problem else ""
        return f"{str(self.missing)!r} is missing{problem}"

    def begin(self, elapsed: float, booted_after: float | None = None) -> None:
        """The VM is on; what is reported of a guest that booted earlier does not count."""
        self._booted_after = booted_after
        self.reach(_POWER, elapsed)
        self.hurry(elapsed)

    def reach(self, milestone: Milestone, elapsed: float) -> None:
        self.seconds.setdefault(milestone.text, round(elapsed, 3))
        self.problem = None

    def hurry(self, elapsed: float) -> None:
        """Read at this time, and often after that."""
        self.next_read_at, self._pause = elapsed, _FIRST_PAUSE

    def postpone(self, elapsed: float, problem: str | None = None) -> None:
        """Read later; ``problem`` is why this reading showed nothing."""
        self.next_read_at = elapsed + self._pause
        self._pause = min(self._pause * _GROWTH, _MAX_PAUSE)
        self.problem = problem

    def observe(self, status: GuestStatus, elapsed: float) -> None:
        """Take the status of the guest at this time."""
        self.postpone(elapsed)
        self.status = None
        if self._is_stale(status, elapsed):
            return
        for milestone in dict.fromkeys([_TOOLS, *self._steps]):
            if milestone.needs_connection:
                self.status = status if milestone == self.missing else None
            elif milestone.reported(status):
                self.reach(milestone, elapsed)

    def _is_stale(self, status: GuestStatus, elapsed: float) -> bool:
        """True if the status may be that of before a reboot."""
        self._went_down |= status.tools is ToolsStatus.NOT_RUNNING
        uptime = status.uptime_seconds
        if self._booted_after is None or self._went_down or uptime is None:
            return False
        return elapsed - uptime < self._booted_after
