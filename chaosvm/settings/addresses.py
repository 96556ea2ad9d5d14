"""Converters of settings about servers: hosts, ports and CA files."""

from __future__ import annotations

import ipaddress
import re
import shlex
import ssl
from typing import Any
from urllib.parse import urlsplit

from chaosvm.errors import InvalidValue
from chaosvm.runtime.documents import UnusableFile, read_bytes
from chaosvm.settings import values

__all__ = ["address_of", "ca_file", "host_name", "is_host", "port", "refuse_user"]

_IPV6 = 6
# Letters of any script; underscores are not allowed in host names, but in use.
_HOST = re.compile(r"(?=.{1,253}$)[\w.-]+")


def host_name(key: str, value: Any) -> str:
    expected = "a host name or address, without https://, port or path"
    refuse_user(key, value, expected)
    host = values.string(key, value, expected).strip()
    if not is_host(host):
        raise values.invalid(key, value, f"{expected}{_host_in(host)}")
    return host.strip("[]")


def _host_in(url: str) -> str:
    """Suggests the host of a URL, or of an address with a port."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host, has_port = parts.hostname or "", parts.port is not None
    except ValueError:
        return ""
    port = ", with the port in its own setting" if has_port else ""
    return f"; did you mean {host!r}{port}?" if is_host(host) else ""


def refuse_user(key: str, value: Any, expected: str) -> None:
    """Raises InvalidValue, without the value, for user:password@host and the like."""
    if "@" in (value if isinstance(value, str) else values.shown(value)):
        raise InvalidValue(f"{key} contains an @: expected {expected}")


def is_host(host: str) -> bool:
    """True if this can be the name or the address of a host, in brackets or not."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if ":" in bare or bare != host:
        try:
            return ipaddress.ip_address(bare).version == _IPV6
        except ValueError:
            return False
    try:
        # The encoding for DNS; raises for labels that are empty or too long.
        bare.encode("idna")
    except UnicodeError:
        return False
    return _HOST.fullmatch(bare) is not None


def address_of(url: str) -> tuple[str, int]:
    """The host and port of a URL; raises ValueError for an invalid port."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def port(key: str, value: Any) -> int:
    return values.integer(key, value, 1, 65_535)


def ca_file(key: str, value: Any) -> str:
    expected = "the path of a PEM file with the CA's certificate"
    path = values.path(key, value, expected)
    try:
        # Refuses irregular and oversized files before the TLS library reads them.
        if _is_der(read_bytes(path)):
            file, pem = shlex.quote(str(path)), shlex.quote(f"{path}.pem")
            convert = f"openssl x509 -inform der -in {file} -out {pem}"
            raise UnusableFile(f"it is in DER format, convert it: {convert}")
        ssl.create_default_context(cafile=str(path))
    except (OSError, ValueError) as error:  # ssl.SSLError and UnusableFile are such
        reason = getattr(error, "strerror", None) or str(error) or "it cannot be read"
        raise values.invalid(key, value, f"{expected} ({reason})") from None
    return str(path)


def _is_der(content: bytes) -> bool:
    """True for a certificate in binary form."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content)
    except (ssl.SSLError, ValueError):
        return False
    return True
