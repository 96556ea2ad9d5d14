"""Decides from a guest's uptime whether it has rebooted since the request.

The power state does not show it, and no request reports it. An uptime restarts with
the guest, so it is compared with that before the request, and with the time since.
What a server reports may be some time old, which is allowed for.
"""

from __future__ import annotations

from dataclasses import dataclass

from chaosvm.backend import GuestStatus
from chaosvm.vm import PowerState

__all__ = ["RebootProof"]

_FIRST_PAUSE, _GROWTH, _MAX_PAUSE = 0.5, 1.5, 5.0  # seconds between two readings
# Uptimes are whole seconds.
_ROUNDING = 1.0


@dataclass(slots=True)
class RebootProof:
    """What is known about the reboot of one VM; all times are seconds since the call began."""

    evidence: str | None = None  # that it has rebooted
    contradiction: str | None = None  # that it had not, at the last reading
    unknown: str | None = None  # why its uptime cannot be known
    too_old: str | None = None  # why the uptime proves nothing yet
    next_read_at: float = 0.0
    sent_at: float | None = None  # the request
    _before: tuple[float, float] | None = None  # the uptime, and when it was read
    _last: tuple[float, float] | None = None
    _started_at: object = None
    _pause: float = _FIRST_PAUSE

    def on_request(self, elapsed: float) -> None:
        """The reboot is being requested."""
        self.sent_at = elapsed
        self.evidence = self.contradiction = self.too_old = None
        self._before = self._last
        self.hurry(elapsed + _FIRST_PAUSE)

    def hurry(self, elapsed: float) -> None:
        """Read at this time, and often after that."""
        self.next_read_at, self._pause = elapsed, _FIRST_PAUSE

    def postpone(self, elapsed: float, why_unknown: str | None = None) -> None:
        """Read later; ``why_unknown`` is why this reading showed nothing."""
        self.next_read_at = elapsed + self._pause
        self._pause = min(self._pause * _GROWTH, _MAX_PAUSE)
        self.unknown = why_unknown or self.unknown

    def observe(self, status: GuestStatus, requested: float, answered: float) -> None:
        """Take a status that was requested and answered at these times."""
        self.postpone(answered)
        uptime = status.uptime_seconds
        if self.sent_at is None:
            self._started_at = status.started_at
        elif status.power_state is PowerState.POWERED_ON:
            self.evidence = self.evidence or self._find_evidence(status, requested, answered)
        if uptime is None:
            self.unknown = status.uptime_unknown or "the server reports no uptime"
            return
        self.unknown, self._last = None, (uptime, answered)
        if self.sent_at is not None:
            self._contradict(uptime, requested - status.uptime_lag, answered)

    def _find_evidence(self, status: GuestStatus, requested: float, answered: float) -> str | None:
        if None not in (started := {status.started_at, self._started_at}) and len(started) > 1:
            return f"the VM was started again, at {status.started_at}"
        uptime, lag = status.uptime_seconds, status.uptime_lag
        if uptime is None or self.sent_at is None or uptime > answered - self.sent_at + _ROUNDING:
            return None
        if self._before is not None:
            before, read_at = self._before
            expected = before + requested - read_at
            if uptime < before or uptime < expected - lag - _ROUNDING:
                return f"the guest's uptime fell from {before:.0f} s to {uptime:.0f} s"
        if requested - lag - uptime - _ROUNDING > self.sent_at:
            return f"the guest has been up for {uptime:.0f} s, so it booted after the request"
        return None

    def _contradict(self, uptime: float, measured: float, answered: float) -> None:
        """``measured`` is the earliest time at which the guest can have reported the uptime."""
        self.contradiction = self.too_old = None
        assert self.sent_at is not None
        if measured <= self.sent_at:
            self.too_old = "the uptime that the server reports may be from before the request"
        elif answered - uptime < self.sent_at:
            self.contradiction = (
                f"the guest has been up for {uptime:.0f} s, so it booted before the request"
            )
        elif self.evidence is None:
            self.unknown = "the guest booted too shortly before the request"
