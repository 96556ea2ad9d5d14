"""Proof that a guest rebooted: the engine itself tells the same whether it did or not.

The proof is an uptime that fell, or is far behind what is due, so it has to be
known from before. Each reading is a request of its own for each VM: they go side
by side, and only as often as an uptime can be news.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from chaosvm.olvm.client import OLVMClient
from chaosvm.olvm.xml_lists import XmlListParser
from chaosvm.runtime import Deadline

__all__ = ["Reboot", "read_uptime"]

# The engine reads uptimes every 15 s only, so one may be told so much too small.
_UPTIME_LATE = 20.0
_FIRST_PAUSE, _GROWTH, _LONGEST_PAUSE = 0.5, 2.0, 5.0


@dataclass(slots=True)
class Reboot:
    """What is known of one VM's reboot; moments are on the deadline's clock."""

    vm_id: str
    proved: bool = False
    measured_at: float | None = None  # before it was asked for
    _uptime: float | None = None  # then
    _started: str | None = None  # start_time, then
    _pause: float = _FIRST_PAUSE
    _due_at: float | None = None

    def measure(self, client: OLVMClient, start_time: str | None, deadline: Deadline) -> None:
        """Note how it is before the reboot is asked for."""
        self._uptime = read_uptime(client, self.vm_id, deadline)
        self._started = start_time
        self.measured_at = deadline.clock.monotonic()

    def saw(self, up: bool, start_time: str | None, deadline: Deadline) -> bool:
        """Note how it is after the reboot was asked for. Is a reading worth its request now?

        It is when the VM was away and is back; else at first, and then ever less often.
        """
        now = deadline.clock.monotonic()
        if not up:
            self._due_at, self._pause = now, _FIRST_PAUSE
            return False
        if self._started is not None and start_time not in (None, self._started):
            self.proved = True
        if self._due_at is None:
            self._due_at = now + _FIRST_PAUSE
        return not self.proved and self._uptime is not None and now >= self._due_at

    def look(self, client: OLVMClient, deadline: Deadline) -> None:
        """Read the uptime, and see whether it proves anything."""
        # From before the request: however long that takes, the guest is not behind for it.
        sent_at = deadline.clock.monotonic()
        now = read_uptime(client, self.vm_id, deadline)
        self._due_at = deadline.clock.monotonic() + min(self._pause, deadline.remaining / 2)
        self._pause = min(self._pause * _GROWTH, _LONGEST_PAUSE)
        if now is None or self._uptime is None or self.measured_at is None:
            return
        due = self._uptime + sent_at - self.measured_at
        self.proved = now < self._uptime or now < due - _UPTIME_LATE


def read_uptime(client: OLVMClient, vm_id: str, deadline: Deadline) -> float | None:
    """Seconds since the guest was started; None where the engine does not tell."""
    told = client.items_if_there(f"vms/{vm_id}/statistics", _statistics, deadline)
    return next((elapsed for elapsed in told or () if elapsed is not None), None)


def _statistics() -> XmlListParser[float | None]:
    return XmlListParser("statistics", "statistic", _elapsed)


def _elapsed(statistic: Element) -> float | None:
    """None for any other statistic."""
    datum = statistic.findtext("values/value/datum")
    return float(datum) if datum and statistic.findtext("name") == "elapsed.time" else None
