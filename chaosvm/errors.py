"""The exceptions of this package, one tree.

Everything derives from :class:`ChaosVMError`, which is Chaos Toolkit's
``ActivityFailed``, so that an activity that raises is recorded as failed and
its text is what the reader of the journal sees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed

from chaosvm.redaction import printable, redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaosvm.outcome import Outcome
    from chaosvm.vm import PowerState

__all__ = [
    "LASTING",
    "InWrongState",
    "AmbiguousVM",
    "AnswerTooLarge",
    "Busy",
    "CertificateRejected",
    "ChaosVMError",
    "ConnectionFailed",
    "DeadlinePassed",
    "GuardStopped",
    "GuardUnchecked",
    "GuestUnavailable",
    "Interrupted",
    "InvalidValue",
    "LedgerError",
    "LoginFailed",
    "MissingExtra",
    "AnswerLost",
    "NoSuchVM",
    "NotInRehearsal",
    "NotSupported",
    "OperationFailed",
    "OperationRefused",
    "PerhapsBusy",
    "PermissionDenied",
    "PlanOutdated",
    "PlatformError",
    "ProtocolError",
    "SelectionError",
    "CommandFailed",
    "VMGone",
]


class ChaosVMError(ActivityFailed):  # type: ignore[misc]  # chaoslib is untyped
    """Base of everything that this package raises on purpose.

    A message may quote a server, and a server what it was sent: so no secret in
    use is in it.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(redacted(str(message)))


class InvalidValue(ChaosVMError, ValueError):
    """A setting or an argument that cannot be used; nothing was touched.

    It is about what the user wrote, whose words are left as they are.
    """

    def __init__(self, message: object = "") -> None:
        ActivityFailed.__init__(self, printable(str(message)))


class MissingExtra(ChaosVMError):
    """The platform's SDK is not installed."""


class Interrupted(ChaosVMError):
    """The run has been told to stop: nothing more is sent."""


# Choosing VMs ---------------------------------------------------------------


class SelectionError(ChaosVMError):
    """The selection does not name VMs that can be acted on; nothing was touched."""


class NoSuchVM(SelectionError):
    """Nothing in the inventory fits."""


class AmbiguousVM(SelectionError):
    """A name fits more than one VM."""


# Talking to a platform --------------------------------------------------------


class PlatformError(ChaosVMError):
    """The platform could not be asked, or did not answer as it should."""


class ConnectionFailed(PlatformError):
    """The server could not be reached, or the connection broke."""


class DeadlinePassed(ConnectionFailed):
    """The time for the call, or for one request, is over."""


class CertificateRejected(PlatformError):
    """The server's TLS certificate could not be verified."""


class LoginFailed(PlatformError):
    """The server refused the user name or password."""


class PermissionDenied(PlatformError):
    """The user lacks a privilege."""


class ProtocolError(PlatformError):
    """The server answered something that is not its protocol."""


class AnswerTooLarge(ProtocolError):
    """The server answered more than is read, packed or not; asking again would not help."""


class NotInRehearsal(PlatformError):
    """In a rehearsal nothing may be sent there; nothing was."""


# Asking again does not help, and may lock the account: somebody has to act first.
LASTING = (CertificateRejected, LoginFailed, NotInRehearsal, PermissionDenied)


# What may become of one request about one VM ----------------------------------


class CommandFailed(ChaosVMError):
    """The platform refused one request for one VM, or its task failed."""


class InWrongState(CommandFailed):
    """Refused because of the power state the VM is in, which is ``state``."""

    def __init__(self, message: str, state: PowerState) -> None:
        super().__init__(message)
        self.state = state


class Busy(CommandFailed):
    """Refused because something else is happening to the VM: nothing was done, try again."""


class PerhapsBusy(Busy):
    """As Busy, or refused for good: the same words again and again mean the latter."""


class GuestUnavailable(CommandFailed):
    """The guest cannot be asked: its tools or agent are not running."""


class NotSupported(CommandFailed):
    """The platform cannot do this to the VM at all: nothing was done."""


class AnswerLost(CommandFailed):
    """It is unknown whether the request was, or will be, carried out.

    Its answer was lost, or the platform answered that it does not know itself:
    a task that timed out, a host that could not be reached. A platform raises it
    from ``send``, or reports it as the ``error`` of a sighting with the ticket
    that ended. ``ticket`` stands for the request, so that it can be watched all
    the same. ``again`` is False if the same request must not be sent twice even
    where nothing seems to have happened.
    """

    def __init__(self, message: str, ticket: Any = None, again: bool = True) -> None:
        super().__init__(message)
        self.ticket = ticket
        self.again = again


class VMGone(CommandFailed):
    """The VM does not exist any more."""


# Keeping account ---------------------------------------------------------------


class LedgerError(ChaosVMError):
    """The ledger cannot be written or read; what it could not note was not done."""


# What became of an operation ---------------------------------------------------


class OperationRefused(ChaosVMError):
    """The operation makes no sense for, or must not be done to, a VM; nothing was touched."""


class GuardStopped(OperationRefused):
    """A guard of the chaosvm_* settings would have been passed; nothing was touched."""


class GuardUnchecked(PlatformError):
    """What a guard needs to know could not be read, so that it lets nothing pass."""


class PlanOutdated(OperationRefused):
    """The VMs are not any more what the plan says; nothing was touched."""


class OperationFailed(ChaosVMError):
    """At least one VM did not get where it should; ``outcomes`` has every VM's story."""

    def __init__(self, message: str, outcomes: Sequence[Outcome]) -> None:
        super().__init__(message)
        self.outcomes = tuple(outcomes)
