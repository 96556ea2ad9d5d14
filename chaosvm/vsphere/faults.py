"""Translates vSphere's SOAP faults, and connection errors, to this package's errors."""

from __future__ import annotations

import http.client
import re
import socket
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
    "RootFolderMissing",
    "command_error",
    "connection_error",
    "empty_inventory_error",
    "fault_text",
    "is_outcome_unknown",
    "login_refused",
    "not_a_vcenter",
    "platform_error",
    "session_lost_error",
]

POWER_STATES = {
    "poweredOn": PowerState.POWERED_ON,
    "poweredOff": PowerState.POWERED_OFF,
    "suspended": PowerState.SUSPENDED,
}


def fault_text(fault: Any) -> str:
    """The fault's type in words, and its message if it has one."""
    name = type(fault).__name__.rsplit(".", 1)[-1]
    words = " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)).lower()
    message = (getattr(fault, "msg", None) or "").strip()
    return f"{words}: {message}" if message and message != name else words


# After these faults the operation may still be carried out. According to the vSphere API
# reference, Timedout means that the server no longer waits for an operation, HostCommunication
# and its subclasses that the connection to the host was lost. vpxd returns SystemError while
# it stops.
_OUTCOME_UNKNOWN = (
    vim.fault.Timedout,
    vmodl.fault.HostCommunication,
    vmodl.fault.SystemError,
    vmodl.fault.RequestCanceled,
)


def is_outcome_unknown(fault: Any) -> bool:
    """True if the operation may or may not have been carried out."""
    return isinstance(fault, _OUTCOME_UNKNOWN) or type(fault) is vmodl.RuntimeFault


class RootFolderMissing(Exception):
    """The response lacks the root folder, which every inventory has."""


def empty_inventory_error(address: str, username: str) -> PlatformError:
    """For a response without the root folder, in a session that is valid."""
    return ProtocolError(
        f"{address} shows nothing to user {username!r}, although the login works: the user needs "
        "at least the Read-only role on the root of the inventory"
    )


def session_lost_error(address: str) -> PlatformError:
    """For a request that was rejected in two new sessions in a row."""
    return ConnectionFailed(f"{address} ended two sessions right after the login")


def login_refused(server: str, username: str, is_vcenter: bool = True) -> LoginFailed:
    """For a refused login; users of a vCenter have a domain, those of an ESXi host do not."""
    if is_vcenter and not {"@", "\\"} & set(username):
        cause = f"wrong password, or the domain is missing ({username}@vsphere.local)"
    else:
        cause = "wrong user name or password"
    return LoginFailed(f"{server} refused user {username!r}: {cause}")


def not_a_vcenter(address: str, reason: str) -> str:
    return f"{address} does not answer as a vCenter does ({reason}): is it one?"


def platform_error(fault: Any) -> PlatformError:
    """For a fault that is not about one VM."""
    if isinstance(fault, vim.fault.NoPermission):
        return PermissionDenied(f"the user lacks the privilege {fault.privilegeId}")
    if is_outcome_unknown(fault):
        return ConnectionFailed(f"the vCenter reports an internal problem: {fault_text(fault)}")
    return PlatformError(f"the vCenter refused: {fault_text(fault)}")


def command_error(fault: Any) -> CommandFailed:
    """For a fault about one VM. The order matters: some of these are subclasses of others."""
    if isinstance(fault, vim.fault.InvalidPowerState):
        state = POWER_STATES.get(str(fault.existingState), PowerState.UNKNOWN)
        return InWrongState(f"the VM is {fault.existingState}", state)
    if isinstance(fault, vim.fault.QuestionPending):
        return CommandFailed("a question about the VM must be answered in the vSphere Client first")
    if isinstance(fault, vim.fault.TaskInProgress):
        return Busy("another task is running on the VM")
    if isinstance(fault, vim.fault.ConcurrentAccess):
        return Busy("something else changed the VM at the same time")
    if is_outcome_unknown(fault):
        return AnswerLost(f"the vCenter does not know whether it was done ({fault_text(fault)})")
    if isinstance(fault, vim.fault.ToolsUnavailable):
        return GuestUnavailable("VMware Tools are not running in the guest")
    if isinstance(fault, vmodl.fault.ManagedObjectNotFound):
        return VMGone("the VM no longer exists")
    if isinstance(fault, vim.fault.NoPermission):
        return CommandFailed(f"the user lacks the privilege {fault.privilegeId} on it")
    return CommandFailed(fault_text(fault))


# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
_WRONG_NAME = (62, 64)
# OpenSSL's reasons for a reply that is not TLS; which one depends on its version.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")


def connection_error(error: Exception, address: str) -> PlatformError:
    """For what the socket, TLS or HTTP layer raised."""
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "vsphere_ca_file must contain the certificate of the CA that issued it"
        if error.verify_code in _WRONG_NAME:
            remedy = "set vsphere_server to a name in the certificate"
        return CertificateRejected(
            f"the certificate of {address} is not trusted ({error.verify_message}): {remedy}"
        )
    if isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS:
        return ConnectionFailed(f"{address} does not answer with TLS: is the port right?")
    if isinstance(error, TimeoutError):
        return DeadlinePassed(f"{address} did not answer in time")
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        return ConnectionFailed(not_a_vcenter(address, str(error) or "invalid HTTP"))
    if isinstance(error, ConnectionRefusedError | socket.gaierror):
        return ConnectionFailed(
            f"no connection to {address}: {error.strerror}. Are vsphere_server and vsphere_port "
            "right?"
        )
    return ConnectionFailed(f"no connection to {address}: {error}")
