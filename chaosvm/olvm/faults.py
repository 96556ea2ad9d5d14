"""The SDK's errors, and what goes wrong on the way to the engine, as this package's errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import XML, ParseError

import ovirtsdk4 as sdk
import pycurl

from chaosvm.errors import (
    CertificateRejected,
    ConnectionFailed,
    DeadlinePassed,
    PermissionDenied,
    PlatformError,
    ProtocolError,
)

__all__ = ["NeverSent", "curl_error", "fault_text", "platform_error", "status_error"]

# libcurl's numbers in the SDK's texts: "[(<pycurl.Curl object>, 28, 'Operation timed out')]"
# from its loop, "(7, 'Failed to connect')" from the rest.
_CURL_CODE = re.compile(r"\((?:<[^>]*>, )?(\d+), ['\"](.*?)['\"]\)")
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


class NeverSent(ConnectionFailed):
    """No connection came about, so the request cannot have been done."""


def curl_error(code: int, message: str, address: str) -> PlatformError:
    if code in _CERTIFICATE:
        return CertificateRejected(
            f"the certificate of {address} cannot be trusted ({message}): give the CA's "
            "certificate as olvm_ca_file, and the engine by a name that is in its certificate"
        )
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return DeadlinePassed(f"{address} did not answer in time")
    if code in _NOT_CONNECTED:
        return NeverSent(f"no connection to {address}: {message}")
    return ConnectionFailed(f"the connection to {address} broke: {message}")


def platform_error(error: Exception, address: str) -> PlatformError:
    """Whatever the SDK raised that is not about one VM."""
    if isinstance(error, sdk.Error):
        return _sdk_error(error, address)
    if isinstance(error, pycurl.error):
        code, message = (*error.args, "", "")[:2]
        return curl_error(int(code or 0), str(message), address)
    # The SDK's reader raises bare exceptions for XML that is cut off.
    return ProtocolError(f"{address} answered with something that is not XML, or not all of it")


def _sdk_error(error: Any, address: str) -> PlatformError:
    if error.code is None or error.code >= 500:
        found = _CURL_CODE.search(str(error))
        if found is not None:
            return curl_error(int(found[1]), found[2], address)
    return _status_error(error.code, fault_text(error), address)


def status_error(status: int, body: bytes, address: str) -> PlatformError:
    """An answer that is neither 200 nor anything that the caller knows what to do with."""
    try:
        fault = XML(body)
        words = [fault.findtext("reason"), fault.findtext("detail")]
    except ParseError:
        words = []
    return _status_error(status, _said(words, status), address)


def _status_error(status: int | None, text: str, address: str) -> PlatformError:
    if status == 403:
        return PermissionDenied(f"the user may not do this: {text}")
    if status is not None and 400 <= status < 500:
        return PlatformError(f"the engine refused: {text}")
    if status is not None and status >= 500:
        return ConnectionFailed(f"{address} answered with an error: {status}")
    return ProtocolError(f"{address} answered as an engine does not: is it one?")


def fault_text(error: Any) -> str:
    """The engine's own words, in the language it speaks."""
    fault = getattr(error, "fault", None)
    return _said([getattr(fault, name, None) for name in ("reason", "detail")], error.code)


def _said(words: Sequence[str | None], code: int | None) -> str:
    said = ": ".join(word.strip("[] .") for word in words if word)
    return said or f"code {code}"
