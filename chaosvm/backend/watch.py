"""How a backend reports what happens to VMs while a command is carried out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from chaosvm.backend.commands import CommandHandle
from chaosvm.errors import CommandFailed
from chaosvm.outcome import How
from chaosvm.runtime import Deadline
from chaosvm.vm import PowerState

__all__ = ["Observation", "Watch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything a watch knows about one VM at one moment.

    It replaces the VM's previous observation: what still holds, such as ``rebooted`` or
    ``question``, is repeated. Only ``ended`` may be reported once.
    """

    vm_id: str
    power_state: PowerState
    exists: bool = True
    # This request, the object passed to ``track``, has ended, with ``error`` if it failed.
    # The errors are those of ``Backend.send``, and have the same consequences.
    ended: CommandHandle | None = None
    error: CommandFailed | None = None
    # There is proof that the guest went down and came back since the watch began.
    rebooted: bool = False
    reboot_evidence: str | None = None
    # The guest went down, and has not come back.
    going_down: bool = False
    # The method, if the platform used another one than requested.
    how: How | None = None
    # A question that the VM waits on until it is answered.
    question: str | None = None


class Watch(ABC):
    """Reports on a fixed set of VMs through one channel, however many they are.

    A context manager that closes the watch.
    """

    # True if the last update was pushed: more of them queue up between polls.
    pushed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def track(self, handles: Sequence[CommandHandle]) -> None:
        """Report the end of these requests, too, even if they have ended already."""

    @abstractmethod
    def poll(self, seconds: float, deadline: Deadline) -> list[Observation]:
        """Return what has changed since the last call, waiting up to ``seconds`` for a change.

        The first call returns the current state of every VM. Later ones may repeat
        states that have not changed. If it raises PlatformError, it is called again,
        unless a retry does not help (``chaosvm.errors.LASTING``).
        """

    def unwatch(self, vm_ids: Sequence[str]) -> None:  # noqa: B027  # optional
        """Stop watching these VMs; observations of them may still arrive."""

    def close(self) -> None:  # noqa: B027  # not every watch holds something
        """Release what the watch holds on the server, in bounded time."""
