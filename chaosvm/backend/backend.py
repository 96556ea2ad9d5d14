"""What a platform must offer: only what cannot be shared.

A platform opens and closes, reads the inventory, sends one request about one
VM, watches many VMs, and says what it refuses. It never waits for a VM:
waiting, falling back and outcomes are in ``power.py``, and what people call is
in ``verbs.py``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

from chaosvm.backend.order import Order
from chaosvm.errors import CommandFailed
from chaosvm.outcome import How
from chaosvm.runtime import Clock, Deadline
from chaosvm.vm import VM, PowerState

__all__ = ["Backend", "Observation", "PowerCommand", "CommandHandle", "Watch"]


class PowerCommand(StrEnum):
    """One kind of request about one VM's power."""

    POWER_ON = "power on"
    POWER_OFF = "hard power off"
    SUSPEND = "suspend"
    RESET = "reset"
    SHUTDOWN_GUEST = "guest shutdown"
    REBOOT_GUEST = "guest reboot"

    @property
    def is_guest_command(self) -> bool:
        return self in (PowerCommand.SHUTDOWN_GUEST, PowerCommand.REBOOT_GUEST)

    @property
    def target_state(self) -> PowerState:
        return _LEADS_TO[self]

    @property
    def is_repeatable(self) -> bool:
        """Doing it twice is the same as once: it names a state to reach."""
        return self not in (PowerCommand.RESET, PowerCommand.REBOOT_GUEST)


_LEADS_TO = {
    PowerCommand.POWER_ON: PowerState.POWERED_ON,
    PowerCommand.POWER_OFF: PowerState.POWERED_OFF,
    PowerCommand.SUSPEND: PowerState.SUSPENDED,
    PowerCommand.RESET: PowerState.POWERED_ON,
    PowerCommand.SHUTDOWN_GUEST: PowerState.POWERED_OFF,
    PowerCommand.REBOOT_GUEST: PowerState.POWERED_ON,
}


@dataclass(frozen=True, slots=True, eq=False)
class CommandHandle:
    """The platform's acceptance of a request.

    ``tracked`` says that :class:`Watch` will report the request's own end; if
    it does not, only the VM's state tells. ``reference`` is the platform's own.
    """

    vm_id: str
    tracked: bool = False
    reference: Any = None
    # Under which the platform's own records have the request.
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that is known of one VM at one moment of a watch."""

    vm_id: str
    power_state: PowerState
    exists: bool = True
    # This request came to its end, well or with the error.
    ended: CommandHandle | None = None
    error: CommandFailed | None = None
    # There is proof that the guest went down and came back.
    rebooted: bool = False
    # The platform did it, but by other means than it was asked to.
    how: How | None = None
    # Something a person has to answer before the VM goes on.
    question: str | None = None


class Watch(ABC):
    """News of a fixed set of VMs, through one channel however many they are."""

    # Did the last news come as it happened, so that a pause would let more pile up?
    pushed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def track(self, tickets: Sequence[CommandHandle]) -> None:
        """Also report how these requests end."""

    @abstractmethod
    def poll(self, seconds: float, deadline: Deadline) -> list[Observation]:
        """What changed since the last call, waiting up to so many seconds for something.

        The first call tells the present state of every VM.
        """

    def unwatch(self, vm_ids: Sequence[str]) -> None:  # noqa: B027  # it may be told all the same
        """No more news of these are needed."""

    def close(self) -> None:  # noqa: B027  # not every watch holds something
        """Give back what the watch holds at the server, in bounded time."""


class Backend(Protocol):
    """A connection to one vCenter or engine, safe to share between threads."""

    name: ClassVar[str]
    clock: Clock = time
    timeout: float
    # How many requests may be under way at once.
    max_parallel: ClassVar[int] = 64
    # Does it refuse whatever a VM's state no longer allows, so that a state which
    # was read a moment ago need not be looked at again?
    rejects_stale_state: ClassVar[bool] = False
    # Is a guest that was asked to shut down in a passing state until it is off?
    shows_shutdowns: ClassVar[bool] = False
    # Are tags cheap enough to be in every listing, whatever its length?
    lists_include_tags: ClassVar[bool] = True
    # What ``untouchable`` looks at: fields of a VM, and keys of its metadata.
    immutable_fields: ClassVar[tuple[str, ...]] = ("template",)
    # Is an inventory with a few fields of each VM cheaper than one with all?
    supports_partial_reads: ClassVar[bool] = False
    # Keys of a selection that cannot mean anything here.
    unsupported_selection_keys: ClassVar[tuple[str, ...]] = ()

    # The primitives ------------------------------------------------------------

    @property
    @abstractmethod
    def address(self) -> str:
        """The server as the ledger names it: the same for every client of it."""

    @abstractmethod
    def open(self, deadline: Deadline) -> None:
        """Log in, unless that was done; every primitive does so by itself."""

    @abstractmethod
    def close(self, deadline: Deadline) -> None:
        """Log out; never raises for what the server does."""

    @abstractmethod
    def inventory(
        self,
        deadline: Deadline,
        only: Sequence[str] | None = None,
        allow_cached: bool = False,
        fields: Collection[str] | None = None,
    ) -> list[VM]:
        """Every VM, in a number of requests that does not depend on how many.

        ``only`` names the VMs that matter (as ``VM.answers_to`` takes them): the
        others may be left out, if that is cheaper. With ``remembered``, a word
        that meant one VM before may be taken to mean the same one, as long as
        that answers to it. This is for probes that are repeated: it does not
        see another VM that has got the same name since, and so no action may
        be based on it. ``fields`` are those that the caller will look at (and
        keys of the metadata): the others may be left empty, if that is cheaper.
        """

    def narrowed(
        self, criteria: Mapping[str, Sequence[str]], deadline: Deadline
    ) -> list[VM] | None:
        """VMs among which are all that fit the criteria; None: only the whole inventory can tell.

        ``criteria`` are globs by the key of a selection (and power states): each key has
        to hold, by one of its globs. Whoever asks compares what comes once more.
        """
        return None

    def hydrate(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        """These VMs, of which some fields were read, with all; without those that are gone."""
        return list(vms)

    def with_tags(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        """These VMs with their tags; with None for what the platform does not tell."""
        return list(vms)

    @abstractmethod
    def send(
        self, vm: VM, command: PowerCommand, order: Order, deadline: Deadline
    ) -> CommandHandle:
        """Send one request and return when it was accepted; raises CommandFailed."""

    @abstractmethod
    def watch(self, vms: Sequence[VM], order: Order, deadline: Deadline) -> Watch:
        """Start to watch these VMs."""

    def busy_vms(self, vms: Sequence[VM], deadline: Deadline) -> set[str]:
        """The ids of those for which the platform has an operation under way, where it tells."""
        return set()

    def immutable_reason(self, vm: VM) -> str | None:
        """Why no action may ever touch this VM, as "is a template"; None if it may."""
        return "is a template" if vm.template else None

    def refusal_reason(self, vm: VM, order: Order) -> str | None:
        """Why this operation cannot be done to the VM as it is; None if it can."""
        return None

    def guest_unavailable(self, vm: VM) -> str | None:
        """Why its guest cannot be asked for anything, as far as is known; None if it can."""
        return None

    def protected_by_tag(self, vms: Sequence[VM], tag: str, deadline: Deadline) -> dict[str, str]:
        """Those of these VMs that carry a mark that nothing may touch them, by id.

        The text tells the mark, as "has the tag 'x'". The number of requests does
        not depend on how many VMs they are. Raises PlatformError where it cannot
        be told.
        """
        return {}

    def warning_for(self, vm: VM, order: Order) -> str | None:
        """What the user should know before the operation is done to the VM; mostly None."""
        return None

    def server_info(self, deadline: Deadline) -> dict[str, Any]:
        """What the server is, for discovery and summaries."""
        return {}
