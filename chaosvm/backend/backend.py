"""The protocol of a backend: what each platform has to offer, and no more.

A backend connects and disconnects, reads the inventory, sends one request about
one VM, watches many VMs, and says what it refuses. It never waits for a VM:
waiting, fallbacks, outcomes and undo live above it, once for all platforms.

A primitive that talks to the server takes the deadline of the call and keeps to
it. It raises :class:`~chaosvm.errors.PlatformError` if the server cannot be
reached or answers wrongly.
"""

from __future__ import annotations

import datetime as dt
import time
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from chaosvm.backend.commands import CommandHandle, PowerCommand
from chaosvm.backend.events import ServerEvent
from chaosvm.backend.order import Order
from chaosvm.backend.status import Alarm, ClusterStatus, GuestStatus, HostStatus, ServerTime
from chaosvm.backend.watch import Watch
from chaosvm.errors import NotReported
from chaosvm.runtime import Clock, Deadline
from chaosvm.vm import VM

__all__ = ["Backend"]


class Backend(Protocol):
    """A connection to one vCenter or engine, safe to share between threads."""

    name: ClassVar[str]
    clock: Clock = time
    timeout: float

    # Capabilities: what the code above a backend does differently for it ---------

    # The number of requests that may be in flight at once.
    max_parallel: ClassVar[int] = 64
    # The server refuses a command that the VM's state does not allow, so a state
    # that was just read need not be read again before the command is sent.
    rejects_stale_state: ClassVar[bool] = False
    # A guest that shuts down is in a transitional state until it is off.
    shows_shutdowns: ClassVar[bool] = False
    # Tags are cheap enough to be part of every inventory, however large.
    lists_include_tags: ClassVar[bool] = True
    # ``immutable_reason`` reads these fields of a VM, or keys of its metadata.
    immutable_fields: ClassVar[tuple[str, ...]] = ("template",)
    # Reading a few fields of each VM is cheaper than reading all of them.
    supports_partial_reads: ClassVar[bool] = False
    # A selection with one of these keys is refused, as the platform has nothing like it.
    unsupported_selection_keys: ClassVar[tuple[str, ...]] = ()

    # The connection --------------------------------------------------------------

    @property
    @abstractmethod
    def address(self) -> str:
        """The server as the ledger names it; the same for every client of that server."""

    @abstractmethod
    def open(self, deadline: Deadline) -> None:
        """Log in, unless logged in already. Every other primitive logs in by itself."""

    @abstractmethod
    def close(self, deadline: Deadline) -> None:
        """Log out. Never raises for what the server does."""

    def server_info(self, deadline: Deadline) -> dict[str, Any]:
        """Return the server's product and version, for discovery and summaries."""
        return {}

    # Reading -----------------------------------------------------------------------

    @abstractmethod
    def inventory(
        self,
        deadline: Deadline,
        only: Sequence[str] | None = None,
        allow_cached: bool = False,
        fields: Collection[str] | None = None,
    ) -> list[VM]:
        """Return every VM. The number of requests does not depend on the number of VMs.

        ``only`` and ``fields`` may be used to do less, where that is cheaper:

        - ``only``: the identifiers of the VMs that matter, as ``VM.answers_to`` takes
          them; other VMs may be left out.
        - ``fields``: the fields, and keys of the metadata, that the caller reads; other
          fields may be left empty.

        With ``allow_cached``, an identifier that stood for one VM before may be taken
        to stand for it still, as long as that VM answers to it. Another VM that has
        been given the same name since is then missed: this is for repeated probes
        and never for actions.
        """

    def narrowed(
        self, criteria: Mapping[str, Sequence[str]], deadline: Deadline
    ) -> list[VM] | None:
        """Return VMs that include every VM that fits; None if the whole inventory is needed.

        ``criteria`` maps keys of a selection to globs or power states. A VM fits if,
        for each key, one of its patterns matches. VMs that do not fit may be
        included: the caller filters the result.
        """
        return None

    def hydrate(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        """Return these partly read VMs with all their fields; leave out deleted ones."""
        return list(vms)

    def with_tags(self, vms: Sequence[VM], deadline: Deadline) -> list[VM]:
        """Return these VMs with their tags; None where they cannot be read."""
        return list(vms)

    def busy_vms(self, vms: Sequence[VM], deadline: Deadline) -> set[str]:
        """Return the ids of the VMs that the server is known to be working on."""
        return set()

    # Observing -----------------------------------------------------------------------
    #
    # A platform that does not report one of these raises NotReported, as here.

    def guest_statuses(self, vms: Sequence[VM], deadline: Deadline) -> dict[str, GuestStatus]:
        """Return the status of each VM and its guest, by id; deleted VMs are left out.

        The number of requests does not depend on the number of VMs where the
        platform can do that.
        """
        raise NotReported(f"{self.name} does not report the state of guests")

    def hosts(self, deadline: Deadline) -> list[HostStatus]:
        """Return every host."""
        raise NotReported(f"{self.name} does not report hosts")

    def clusters(self, deadline: Deadline) -> list[ClusterStatus]:
        """Return every cluster."""
        raise NotReported(f"{self.name} does not report clusters")

    def events(
        self, since: dt.datetime, deadline: Deadline, vms: Sequence[VM] | None = None
    ) -> list[ServerEvent]:
        """Return the server's events from ``since`` on, oldest first; of these VMs, or all.

        ``since`` is on the server's clock. Raises NotReported if the server does not
        keep events that far back.
        """
        raise NotReported(f"{self.name} keeps no events")

    def alarms(self, deadline: Deadline) -> list[Alarm]:
        """Return every triggered alarm."""
        raise NotReported(f"{self.name} has no alarms")

    def server_time(self, deadline: Deadline) -> ServerTime:
        """Read the server's clock, and compare it with this machine's."""
        raise NotReported(f"{self.name} does not report its time")

    # Commands ----------------------------------------------------------------------

    @abstractmethod
    def send(
        self, vm: VM, command: PowerCommand, order: Order, deadline: Deadline
    ) -> CommandHandle:
        """Send one request about one VM and return when the server has accepted it.

        It is sent once. ``vm`` is as it was selected, and may be on another host since.
        Raises:

        - ``Busy``: nothing was done, try again
        - ``PerhapsBusy``: the same, unless the message stays the same
        - ``InWrongState``: the VM's power state does not allow it
        - ``GuestUnavailable``: the guest cannot receive the request
        - ``NotSupported``: the platform cannot do this to the VM
        - ``VMGone``: the VM does not exist
        - ``CommandFailed``: refused for good
        - ``AnswerLost``: it is unknown whether it was, or will be, done
        - ``ConnectionFailed``, with ``DeadlinePassed``: the request never left
        - any other ``PlatformError``: refused for good
        """

    @abstractmethod
    def watch(self, vms: Sequence[VM], order: Order, deadline: Deadline) -> Watch:
        """Start to watch these VMs."""

    # What is refused ---------------------------------------------------------------

    def immutable_reason(self, vm: VM) -> str | None:
        """Why no action may ever touch this VM, such as "is a template"; None if one may."""
        return "is a template" if vm.template else None

    def refusal_reason(self, vm: VM, order: Order) -> str | None:
        """Why the operation is impossible in the VM's current state; None if it is not."""
        return None

    def guest_unavailable(self, vm: VM) -> str | None:
        """Why the VM's guest cannot receive requests; None if no reason is known."""
        return None

    def warning_for(self, vm: VM, order: Order) -> str | None:
        """What the user should know before the operation is applied to the VM, if anything."""
        return None

    def protected_by_tag(self, vms: Sequence[VM], tag: str, deadline: Deadline) -> dict[str, str]:
        """Return the VMs that carry the tag, by id, each with a text such as "has the tag 'x'".

        The number of requests does not depend on the number of VMs. Raises
        PlatformError if the tags cannot be read.
        """
        return {}
