"""Translates the engine's faults and libcurl's errors into this package's exceptions."""

from __future__ import annotations

import re
from xml.etree.ElementTree import XML, Element, ParseError

import pycurl

from chaosvm.errors import (
    CertificateRejected,
    ConnectionFailed,
    DeadlinePassed,
    NotSentInTime,
    PermissionDenied,
    PlatformError,
    ProtocolError,
    RequestNotSent,
    RequestRefused,
)
from chaosvm.olvm.settings import OLVMSettings

__all__ = [
    "ActionRefused",
    "action_refused",
    "curl_error",
    "is_api_missing",
    "not_an_engine",
    "page_text",
    "parse_xml",
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
# What plain HTTP gets from a TLS port: nothing, or a TLS alert ("HTTP/0.9").
_NO_HTTP_ANSWER = (
    pycurl.E_GOT_NOTHING,
    pycurl.E_UNSUPPORTED_PROTOCOL,
    pycurl.E_FTP_WEIRD_SERVER_REPLY,
)
# OpenSSL's words for an answer that is not TLS.
_NOT_TLS = re.compile(r"wrong version number|packet length too long|unknown protocol", re.I)
# The reason of a fault that gives none.
_NO_REASON = "Operation Failed"
_MAX_TEXT = 300


class ActionRefused(Exception):
    """The engine's fault in answer to an action. It may have been carried out all the same.

    ``words`` are the engine's own; empty if it gave none.
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words or f"code {status}")
        self.status = status
        self.words = words


def curl_error(code: int, message: str, settings: OLVMSettings, sent: bool = True) -> PlatformError:
    """The exception for libcurl's error code; ``sent`` is false if no byte was sent."""
    address = settings.address
    if code in _CERTIFICATE:
        return CertificateRejected(
            f"the certificate of {address} is not trusted ({message}): olvm_ca_file must "
            "contain the certificate of the CA that issued it, and olvm_url a name that is in it"
        )
    if code == pycurl.E_OPERATION_TIMEDOUT:
        kind = DeadlinePassed if sent else NotSentInTime
        return kind(f"{address} did not answer in time")
    if code in _NOT_CONNECTED:
        return RequestNotSent(f"no connection to {address}: {message}. Is olvm_url right?")
    kind = ConnectionFailed if sent else RequestNotSent
    if settings.is_plain and code in _NO_HTTP_ANSWER:
        return kind(f"{address} does not answer over http:// ({message}): did you mean https://?")
    if _NOT_TLS.search(message):
        return kind(f"{address} does not speak TLS ({message}): is the port right?")
    return kind(f"the connection to {address} broke: {message}")


def not_an_engine(settings: OLVMSettings, answer: str) -> ProtocolError:
    """For a server that answers, but not as an engine."""
    hint = " Or did you mean https://?" if settings.is_plain else ""
    return ProtocolError(
        f"{settings.address} does not answer as an oVirt engine does ({answer}): is it one?{hint}"
    )


def parse_xml(body: bytes) -> Element | None:
    """The root element; None if the body is not one complete XML document."""
    try:
        return XML(body)
    except (ParseError, LookupError, ValueError):  # LookupError: an unknown encoding
        return None


def action_refused(status: int, body: bytes) -> ActionRefused:
    return ActionRefused(status, _fault_text(parse_xml(body)))


def status_error(status: int, body: bytes, settings: OLVMSettings) -> PlatformError:
    """The exception for a status that the caller does not expect."""
    text = _fault_text(parse_xml(body)) or f"code {status}"
    if status == 403:
        return PermissionDenied(f"the user may not do this: {text}")
    if 400 <= status < 500:
        kind = RequestRefused if status == 400 else PlatformError
        return kind(f"the engine refused: {text}")
    if status >= 500:
        return ConnectionFailed(f"{settings.address} answered with an error: {status}")
    return not_an_engine(settings, f"code {status}")


def is_api_missing(status: int, body: bytes) -> bool:
    """True if only the web server answers, as it does while the engine stops: nothing was done.

    The API's own 404 is empty, a fault, or a page of RESTEasy, which it is built with.
    """
    if status != 404 or not body.strip() or b"RESTEASY" in body:
        return False
    root = parse_xml(body)
    return root is None or root.tag not in ("action", "fault")


def _fault_text(root: Element | None) -> str:
    """The text of a fault, which is the root or within an action; empty without a fault."""
    if root is None:
        return ""
    fault = root if root.tag == "fault" else root.find("fault")
    if fault is None:
        return ""
    reason, detail = (_trimmed(fault.findtext(name)) for name in ("reason", "detail"))
    parts = [reason if reason != _NO_REASON else "", detail]
    return ": ".join(part for part in parts if part)[:_MAX_TEXT]


def _trimmed(text: str | None) -> str:
    return " ".join((text or "").split()).strip("[] .")


def page_text(body: bytes) -> str:
    """The visible text of an HTML page, on one line."""
    text = body.decode("utf-8", "replace")
    inner = re.search(r"<body[^>]*>(.*?)(?:</body>|$)", text, re.DOTALL | re.IGNORECASE)
    return _trimmed(re.sub(r"<[^>]*>", " ", inner[1]))[:_MAX_TEXT] if inner else ""
