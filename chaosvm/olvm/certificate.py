"""Checks that the engine's certificate has its name as an alternative name.

libcurl still accepts a certificate that has the name in its subject only (CN),
which browsers and Python do not. So the certificate is checked before a
password is sent. libcurl has verified chain, dates and names by then.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pycurl

from chaosvm.errors import CertificateRejected
from chaosvm.olvm.http import close, new_request, perform
from chaosvm.olvm.settings import OLVMSettings
from chaosvm.runtime import Deadline

__all__ = ["has_alternative_name", "refuse_common_names"]

# subjectAltName (2.5.29.17), as an object identifier in DER.
_ALTERNATIVE_NAMES = b"\x06\x03\x55\x1d\x11"
_BOOLEAN, _OCTETS = 0x01, 0x04
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87


def refuse_common_names(settings: OLVMSettings, deadline: Deadline) -> None:
    """Raises CertificateRejected for a certificate with a CN and no alternative name."""
    if settings.insecure or settings.is_plain:
        return
    certificate = _fetch_certificate(settings, deadline)
    if certificate is not None and not has_alternative_name(certificate):
        raise CertificateRejected(
            f"the certificate of {settings.address} is not trusted (its only name is the subject's "
            "CN, and it has no subjectAltName): have the engine's certificate renewed"
        )


def _fetch_certificate(settings: OLVMSettings, deadline: Deadline) -> bytes | None:
    """The server's own certificate, in DER; None if this build of libcurl does not offer it."""
    curl: Any = new_request(settings, settings.origin, [], deadline)
    multi = pycurl.CurlMulti()
    try:
        curl.setopt(pycurl.CONNECT_ONLY, 1)
        curl.setopt(pycurl.OPT_CERTINFO, 1)
        perform(multi, curl, settings)
        chain = curl.getinfo(pycurl.INFO_CERTINFO)
    finally:
        close(curl, multi)
    pem = dict(chain[0]).get("Cert") if chain else None
    return None if pem is None else ssl.PEM_cert_to_DER_cert(pem.strip())


def has_alternative_name(der: bytes) -> bool:
    """True if a DNS name or an IP address is among the certificate's alternative names."""
    start = der.find(_ALTERNATIVE_NAMES)
    if start < 0:
        return False
    # The identifier is followed by an optional "critical", and the names in an octet string.
    for tag, value in _elements(der[start + len(_ALTERNATIVE_NAMES) :]):
        if tag == _OCTETS:
            names = next(_elements(value), (0, b""))[1]
            return any(tag in (_DNS_NAME, _IP_ADDRESS) for tag, _ in _elements(names))
        if tag != _BOOLEAN:
            break
    return False


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The tags and values of consecutive elements, up to the first incomplete one."""
    at = 0
    while at + 2 <= len(der):
        tag, length = der[at], der[at + 1]
        at += 2
        if length >= 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[at : at + size], "big")
            at += size
        if at + length > len(der):
            return
        yield tag, der[at : at + length]
        at += length
