"""Logs the progress of an operation, and warnings about its watch, at long intervals."""

from __future__ import annotations

import logging

from chaosvm.backend import Order
from chaosvm.runtime import Deadline

__all__ = ["ProgressLog"]

logger = logging.getLogger("chaostoolkit")

_FIRST, _INTERVAL = 5.0, 10.0  # seconds


class ProgressLog:
    """Decides by the deadline's clock when the next line is due."""

    def __init__(self, order: Order, deadline: Deadline) -> None:
        operation = order.operation.value
        self._name = f"restore, {operation}" if order.is_restore else operation
        self._deadline = deadline
        self._next_at = _FIRST
        self._closed, self._closed_at = 0, 0.0
        self._next_warning_at = 0.0

    def report(self, closed: int, failed: int, total: int) -> None:
        """Log how many VMs are done, and how long the others will take at this rate."""
        elapsed = self._deadline.elapsed
        if closed != self._closed:
            self._closed, self._closed_at = closed, elapsed
        if elapsed < self._next_at or closed == total:
            return
        self._next_at = elapsed + _INTERVAL
        failures = f", {failed} of them failed," if failed else ""
        logger.info(
            f"{self._name}: {closed} of {total} done ({closed / total:.0%}){failures} after "
            f"{elapsed:.0f} s, {self._time_left(closed, total)} left"
        )

    def warn(self, message: str) -> None:
        """As often as progress: an outage may last as long as the call."""
        elapsed = self._deadline.elapsed
        level = logging.DEBUG if elapsed < self._next_warning_at else logging.WARNING
        logger.log(level, message)
        if level == logging.WARNING:
            self._next_warning_at = elapsed + _INTERVAL

    def _time_left(self, closed: int, total: int) -> str:
        """An estimate, unless it was wrong: nothing has finished for longer than that."""
        remaining, elapsed = self._deadline.remaining, self._deadline.elapsed
        estimate = elapsed * (total - closed) / closed if closed else 0.0
        if elapsed - self._closed_at > estimate:
            return f"at most {remaining:.0f} s"
        return f"about {min(estimate, remaining):.0f} s"
