"""The exceptions of this package, in one tree.

All of them derive from :class:`ChaosVMError`, which is Chaos Toolkit's
``ActivityFailed``: an activity that raises one is recorded as failed, with the
message in the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaoslib.exceptions import ActivityFailed, InterruptExecution

from chaosvm.redaction import printable, redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaosvm.outcome import Outcome
    from chaosvm.vm import PowerState

__all__ = [
    "INTERRUPTIONS",
    "LASTING",
    "AmbiguousVM",
    "AnswerLost",
    "AnswerTooLarge",
    "Busy",
    "CertificateRejected",
    "ChaosVMError",
    "CommandFailed",
    "ConnectionBlocked",
    "ConnectionFailed",
    "DeadlinePassed",
    "GuardStopped",
    "GuardUnchecked",
    "GuestUnavailable",
    "InWrongState",
    "Interrupted",
    "InvalidValue",
    "LedgerError",
    "LoginFailed",
    "MissingExtra",
    "NoSuchVM",
    "NotBegun",
    "NotInRehearsal",
    "NotReached",
    "NotReported",
    "NotSentInTime",
    "NotSupported",
    "ObjectDeleted",
    "OperationFailed",
    "OperationRefused",
    "PerhapsBusy",
    "PermissionDenied",
    "PlanOutdated",
    "PlatformError",
    "ProtocolError",
    "RequestNotSent",
    "RequestRefused",
    "SelectionError",
    "VMGone",
]


class ChaosVMError(ActivityFailed):  # type: ignore[misc]  # chaoslib is untyped
    """Base of every exception that this package raises on purpose.

    Secrets in use are removed from the message, as it may quote a server, and a
    server may quote a request.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(redacted(str(message)))


class InvalidValue(ChaosVMError, ValueError):
    """A setting or an argument is invalid; nothing was touched.

    The message quotes the user, not a server, so nothing is removed from it.
    """

    def __init__(self, message: object = "") -> None:
        ActivityFailed.__init__(self, printable(str(message)))


class NotBegun(InvalidValue):
    """The activity that ``since`` names has not begun in this run."""


class MissingExtra(ChaosVMError):
    """The platform's SDK is not installed."""


class Interrupted(ChaosVMError):
    """The run is being stopped: nothing more is sent."""


# Selecting VMs --------------------------------------------------------------


class SelectionError(ChaosVMError):
    """The selection gives no VMs that can be acted on; nothing was touched."""


class NoSuchVM(SelectionError):
    """No VM in the inventory matches."""


class AmbiguousVM(SelectionError):
    """A name matches more than one VM."""


# Connections ------------------------------------------------------------------


class PlatformError(ChaosVMError):
    """The platform could not be reached, or did not answer as it should."""


class ConnectionFailed(PlatformError):
    """The server could not be reached, or the connection broke."""


class DeadlinePassed(ConnectionFailed):
    """The deadline of the call, or of one request, has passed."""


class RequestNotSent(ConnectionFailed):
    """The request did not leave this machine, so it cannot have been carried out."""


class NotSentInTime(RequestNotSent, DeadlinePassed):
    """The deadline passed before the request left."""


class RequestRefused(PlatformError):
    """The server rejected the request itself; in some cases because the user lacks a privilege."""


class ObjectDeleted(PlatformError):
    """An object no longer exists, or the user may not see it."""


class CertificateRejected(PlatformError):
    """The server's TLS certificate could not be verified."""


class LoginFailed(PlatformError):
    """The server refused the user name or password."""


class PermissionDenied(PlatformError):
    """The user lacks a privilege."""


class ProtocolError(PlatformError):
    """The server's response does not follow its protocol."""


class AnswerTooLarge(ProtocolError):
    """The response exceeds the size limit, compressed or not; a retry would not help."""


class NotInRehearsal(PlatformError):
    """During a rehearsal nothing may be sent to this server; nothing was."""


class ConnectionBlocked(NotInRehearsal, ConnectionRefusedError):
    """Looks like a connection refused by the server, so that all clients handle it."""


class NotReported(PlatformError):
    """The server does not report what a probe needs, or no longer has it."""


# A retry does not help, and may lock the account: a person has to act first.
LASTING = (CertificateRejected, LoginFailed, NotInRehearsal, PermissionDenied)
# What ends an activity when its run is stopped.
INTERRUPTIONS = (InterruptExecution, KeyboardInterrupt, SystemExit)


# Why one request for one VM failed ---------------------------------------------


class CommandFailed(ChaosVMError):
    """The platform refused one request for one VM, or its task failed."""


class InWrongState(CommandFailed):
    """Refused because of the VM's power state, which is ``state``."""

    def __init__(self, message: str, state: PowerState) -> None:
        super().__init__(message)
        self.state = state


class Busy(CommandFailed):
    """Refused because the VM is busy with something else: nothing was done, try again."""


class PerhapsBusy(Busy):
    """Either busy or refused permanently; the latter if the message stays the same."""


class GuestUnavailable(CommandFailed):
    """The guest cannot receive requests: its tools or agent are not running."""


class NotSupported(CommandFailed):
    """The platform cannot do this to the VM at all: nothing was done."""


class AnswerLost(CommandFailed):
    """It is unknown whether the request was, or will be, carried out.

    Its response was lost, or the platform does not know either: a task timed out,
    or a host could not be reached. A backend raises it from ``send``, or reports it
    as the ``error`` of the observation in which the request has ``ended``.

    ``handle`` stands for the request, so that it can be watched all the same.
    ``retryable`` is False if the request must not be sent twice, even if it seems
    to have had no effect.
    """

    def __init__(self, message: str, handle: Any = None, retryable: bool = True) -> None:
        super().__init__(message)
        self.handle = handle
        self.retryable = retryable


class VMGone(CommandFailed):
    """The VM no longer exists."""


# The ledger --------------------------------------------------------------------


class LedgerError(ChaosVMError):
    """The ledger cannot be written or read; what could not be recorded was not done."""


# Why an operation failed -------------------------------------------------------


class OperationRefused(ChaosVMError):
    """The operation is impossible for, or must not be applied to, a VM; nothing was touched."""


class GuardStopped(OperationRefused):
    """A limit of the chaosvm_* settings would have been exceeded; nothing was touched."""


class GuardUnchecked(PlatformError):
    """A guard could not read what it needs to decide, so it allows nothing."""


class NotReached(ChaosVMError):
    """What was waited for has not come: a state, or a milestone of a recovery."""


class PlanOutdated(OperationRefused):
    """The VMs have changed since the plan was made; nothing was touched."""


class OperationFailed(ChaosVMError):
    """The operation failed for at least one VM; ``outcomes`` has the outcome of every VM."""

    def __init__(self, message: str, outcomes: Sequence[Outcome]) -> None:
        super().__init__(message)
        self.outcomes = tuple(outcomes)
