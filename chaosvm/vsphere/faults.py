"""vSphere's faults, and what goes wrong on the way there, as this package's errors."""

from __future__ import annotations

import http.client
import re
import ssl
from typing import Any

from pyVmomi import vim, vmodl

from chaosvm.errors import (
    AnswerLost,
    Busy,
    CertificateRejected,
    CommandFailed,
    ConnectionFailed,
    DeadlinePassed,
    GuestUnavailable,
    InWrongState,
    LoginFailed,
    PermissionDenied,
    PlatformError,
    ProtocolError,
    VMGone,
)
from chaosvm.vm import PowerState

__all__ = [
    "POWER_STATES",
    "NothingShown",
    "connection_error",
    "is_unknown",
    "platform_error",
    "session_error",
    "command_error",
    "text_of",
]

POWER_STATES = {
    "poweredOn": PowerState.POWERED_ON,
    "poweredOff": PowerState.POWERED_OFF,
    "suspended": PowerState.SUSPENDED,
}


def text_of(fault: Any) -> str:
    """The fault's own words; many have none, and then their name has to do."""
    name = type(fault).__name__.rsplit(".", 1)[-1]
    words = " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)).lower()
    message = (getattr(fault, "msg", None) or "").strip()
    return f"{words}: {message}" if message and message != name else words


# With these faults the operation may still be carried out. By the vSphere API reference,
# Timedout is an operation that the server no longer waits for, HostCommunication and its
# subclasses a lost connection to the host. SystemError is what vpxd answers while it stops.
_UNKNOWN = (
    vim.fault.Timedout,
    vmodl.fault.HostCommunication,
    vmodl.fault.SystemError,
    vmodl.fault.RequestCanceled,
)


def is_unknown(fault: Any) -> bool:
    """True if the fault leaves open whether anything was done."""
    return isinstance(fault, _UNKNOWN) or type(fault) is vmodl.RuntimeFault


class NothingShown(Exception):
    """The answer lacks the root folder, which is in every inventory."""


def session_error(error: Exception, server: str) -> PlatformError:
    """What a request met in a session that had just begun."""
    if isinstance(error, NothingShown):
        return ProtocolError(
            f"{server} shows nothing, not even in a new session: the user needs at least the "
            "Read-only role on the root of the inventory"
        )
    return ConnectionFailed(f"{server} ended the session at once, and so the next one")


def platform_error(fault: Any) -> PlatformError:
    """A fault that has nothing to do with one VM."""
    if isinstance(fault, vim.fault.InvalidLogin):
        return LoginFailed("the vCenter refused the user name or password")
    if isinstance(fault, vim.fault.NoPermission):
        return PermissionDenied(f"the user lacks the privilege {fault.privilegeId}")
    if is_unknown(fault):
        return ConnectionFailed(f"the vCenter is in trouble: {text_of(fault)}")
    return PlatformError(f"the vCenter refused: {text_of(fault)}")


def command_error(fault: Any) -> CommandFailed:
    """A fault about one VM. Subclasses first: vSphere derives some from others."""
    if isinstance(fault, vim.fault.InvalidPowerState):
        state = POWER_STATES.get(str(fault.existingState), PowerState.UNKNOWN)
        return InWrongState(f"the VM is {fault.existingState}", state)
    if isinstance(fault, vim.fault.QuestionPending):
        return CommandFailed(
            "a question about the VM has to be answered in the vSphere Client first"
        )
    if isinstance(fault, vim.fault.TaskInProgress):
        return Busy("another task is running on the VM")
    if isinstance(fault, vim.fault.ConcurrentAccess):
        return Busy("something else changed the VM at the same time")
    if is_unknown(fault):
        return AnswerLost(f"the vCenter does not know what became of it ({text_of(fault)})")
    if isinstance(fault, vim.fault.ToolsUnavailable):
        return GuestUnavailable("VMware Tools are not running in the guest")
    if isinstance(fault, vmodl.fault.ManagedObjectNotFound):
        return VMGone("the VM does not exist any more")
    if isinstance(fault, vim.fault.NoPermission):
        return CommandFailed(f"the user lacks the privilege {fault.privilegeId} on it")
    return CommandFailed(text_of(fault))


def connection_error(error: Exception, server: str) -> PlatformError:
    """What the socket, TLS or HTTP layer raised."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return CertificateRejected(
            f"the certificate of {server} cannot be trusted ({error.verify_message}): give the "
            "CA's certificate as vsphere_ca_file, and the server by a name that is in its "
            "certificate"
        )
    if isinstance(error, TimeoutError):
        return DeadlinePassed(f"{server} did not answer in time")
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        return ConnectionFailed(f"{server} answered as a vCenter does not: {error or error!r}")
    return ConnectionFailed(f"no connection to {server}: {error}")
