"""What the engine refuses, and what goes wrong on the way to it, as this package's errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree.ElementTree import XML, Element, ParseError

import pycurl

from chaosvm.errors import (
    CertificateRejected,
    ConnectionFailed,
    DeadlinePassed,
    PermissionDenied,
    PlatformError,
    ProtocolError,
)

__all__ = [
    "ActionRefused",
    "RequestNotSent",
    "NotSentInTime",
    "RequestRefused",
    "action_refused",
    "curl_error",
    "page_text",
    "parsed",
    "status_error",
]

_CERTIFICATE = (
    pycurl.E_PEER_FAILED_VERIFICATION,
    pycurl.E_SSL_CACERT,
    pycurl.E_SSL_CACERT_BADFILE,
    pycurl.E_SSL_ISSUER_ERROR,
)
_NOT_CONNECTED = (
    pycurl.E_COULDNT_RESOLVE_HOST,
    pycurl.E_COULDNT_RESOLVE_PROXY,
    pycurl.E_COULDNT_CONNECT,
)
# What the reason of a fault says when it says nothing.
_NO_REASON = "Operation Failed"
_LONGEST_TEXT = 300


class RequestNotSent(ConnectionFailed):
    """The request did not leave this machine, so it cannot have been done."""


class NotSentInTime(RequestNotSent, DeadlinePassed):
    """The time was over before the request left."""


class RequestRefused(PlatformError):
    """The engine refused to answer (400); also what the user may not read, in some cases."""


class ActionRefused(Exception):
    """The engine's fault in answer to an action; what became of the action is not in it.

    ``words`` are the engine's own, empty where it gave none.
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words or f"code {status}")
        self.status = status
        self.words = words


def curl_error(code: int, message: str, address: str, sent: bool = True) -> PlatformError:
    """From libcurl's number; ``sent`` is false if nothing of the request had left."""
    if code in _CERTIFICATE:
        return CertificateRejected(
            f"the certificate of {address} cannot be trusted ({message}): give the CA's "
            "certificate as olvm_ca_file, and the engine by a name that is in its certificate"
        )
    if code == pycurl.E_OPERATION_TIMEDOUT:
        kind = DeadlinePassed if sent else NotSentInTime
        return kind(f"{address} did not answer in time")
    if code in _NOT_CONNECTED:
        return RequestNotSent(f"no connection to {address}: {message}")
    kind = ConnectionFailed if sent else RequestNotSent
    return kind(f"the connection to {address} broke: {message}")


def parsed(body: bytes) -> Element | None:
    """The root of an XML document; None if it is none, or not all of it."""
    try:
        return XML(body)
    except (ParseError, LookupError, ValueError):  # cut off, or of an encoding that is unknown
        return None


def action_refused(status: int, body: bytes) -> ActionRefused:
    root = parsed(body)
    return ActionRefused(status, _words(root) if root is not None else "")


def status_error(status: int, body: bytes, address: str) -> PlatformError:
    """An answer that is neither 200 nor anything that the caller knows what to do with."""
    root = parsed(body)
    text = (_words(root) if root is not None else "") or f"code {status}"
    if status == 403:
        return PermissionDenied(f"the user may not do this: {text}")
    if 400 <= status < 500:
        kind = RequestRefused if status == 400 else PlatformError
        return kind(f"the engine refused: {text}")
    if status >= 500:
        return ConnectionFailed(f"{address} answered with an error: {status}")
    return ProtocolError(f"{address} answered as an engine does not: is it one?")


def _words(root: Element) -> str:
    """Of a fault, by itself or in an action."""
    fault = root if root.tag == "fault" else root.find("fault")
    if fault is None:
        return ""
    reason, detail = (_trimmed(fault.findtext(name)) for name in ("reason", "detail"))
    return _joined([reason if reason != _NO_REASON else "", detail])


def _trimmed(text: str | None) -> str:
    return " ".join((text or "").split()).strip("[] .")


def _joined(words: Sequence[str]) -> str:
    return ": ".join(word for word in words if word)[:_LONGEST_TEXT]


def page_text(body: bytes) -> str:
    """What a page of HTML says to its reader, in one line."""
    text = body.decode("utf-8", "replace")
    inner = re.search(r"<body[^>]*>(.*?)(?:</body>|$)", text, re.DOTALL | re.IGNORECASE)
    return _trimmed(re.sub(r"<[^>]*>", " ", inner[1]))[:_LONGEST_TEXT] if inner else ""
