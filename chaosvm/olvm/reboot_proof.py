"""Proves that a guest rebooted: the engine reports the same whether it did or not.

The proof is an uptime that fell, or is well below what it should be by now. So
the uptime is read before the reboot, too. A reading costs one request per VM:
readings run concurrently, and only as often as the engine refreshes uptimes.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline

__all__ = ["Reboot", "elapsed_seconds", "read_uptime"]

# The engine refreshes uptimes every 15 s, so a reading may be that far behind.
_MAX_LAG = 20.0
_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.5, 2.0, 5.0


@dataclass(slots=True)
class Reboot:
    """The reboot of one VM; times are on the deadline's clock."""

    vm_id: str
    proved: bool = False
    measured_at: float | None = None  # before the request
    _uptime: float | None = None  # at that time
    _start_time: str | None = None  # at that time
    _pause: float = _FIRST_PAUSE
    _next_read_at: float | None = None

    def measure(self, client: OLVMClient, start_time: str | None, deadline: Deadline) -> None:
        """Record the uptime before the reboot is requested."""
        self._uptime = read_uptime(client, self.vm_id, deadline)
        self._start_time = start_time
        self.measured_at = deadline.clock.monotonic()

    def observe(self, up: bool, start_time: str | None, deadline: Deadline) -> bool:
        """Record a state after the request; True if the uptime should be read now.

        That is once the VM is back after an absence, or else at growing intervals.
        """
        now = deadline.clock.monotonic()
        if not up:
            self._next_read_at, self._pause = now, _FIRST_PAUSE
            return False
        if self._start_time is not None and start_time not in (None, self._start_time):
            self.proved = True
        if self._next_read_at is None:
            self._next_read_at = now + _FIRST_PAUSE
        return not self.proved and self._uptime is not None and now >= self._next_read_at

    def check(self, client: OLVMClient, deadline: Deadline) -> None:
        """Read the uptime, and decide whether it proves the reboot."""
        # Taken before the request, so that a slow answer does not look like a reboot.
        sent_at = deadline.clock.monotonic()
        uptime = read_uptime(client, self.vm_id, deadline)
        self._next_read_at = deadline.clock.monotonic() + min(self._pause, deadline.remaining / 2)
        self._pause = min(self._pause * _GROWTH, _LONGEST_PAUSE)
        if uptime is None or self._uptime is None or self.measured_at is None:
            return
        expected = self._uptime + sent_at - self.measured_at
        self.proved = uptime < self._uptime or uptime < expected - _MAX_LAG


def read_uptime(client: OLVMClient, vm_id: str, deadline: Deadline) -> float | None:
    """Seconds since the guest started; None if the engine does not report them."""
    values = client.read_list_if_exists(f"vms/{vm_id}/statistics", _statistics, deadline)
    return next((elapsed for elapsed in values or () if elapsed is not None), None)


def _statistics() -> XmlListParser[float | None]:
    return XmlListParser("statistics", "statistic", elapsed_seconds)


def elapsed_seconds(statistic: Element) -> float | None:
    """The value of elapsed.time; None for any other statistic."""
    datum = statistic.findtext("values/value/datum")
    return float(datum) if datum and statistic.findtext("name") == "elapsed.time" else None
