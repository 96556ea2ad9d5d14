"""Where the engine is and how to log in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from chaosvm.settings import Settings, addresses, setting, values

__all__ = ["OLVMSettings"]

# No query, as paths are appended, and no character that a URL cannot contain.
_URL = re.compile(r"[^?#\\\x00-\x20\x7f-\U0010ffff]+")
_EXPECTED = "the engine's API, such as https://engine.example.com/ovirt-engine/api"


def _api_url(key: str, value: Any) -> str:
    addresses.refuse_user(key, value, _EXPECTED)
    url = values.string(key, value, _EXPECTED).strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.port != 0 and addresses.is_host(parts.hostname or "")
    except ValueError:  # an invalid port or IPv6 address
        usable = False
    if not usable or parts.scheme not in ("https", "http") or not _URL.fullmatch(url):
        host = url.partition("/")[0]
        is_host = not host.endswith(":") and addresses.is_host(host.partition(":")[0])
        raise values.invalid(key, value, _expected_instead(f"https://{host}" if is_host else ""))
    if not parts.path.endswith("/api"):
        raise values.invalid(key, value, _expected_instead(f"{parts.scheme}://{parts.netloc}"))
    return url


def _expected_instead(origin: str) -> str:
    hint = f"; did you mean '{origin}/ovirt-engine/api'?" if origin else ""
    return f"{_EXPECTED}{hint}"


@dataclass(frozen=True)
class OLVMSettings(Settings):
    """See ``docs/settings.md``. ``timeout`` in seconds bounds a probe, and each request."""

    prefix: ClassVar[str] = "olvm"
    essential: ClassVar[tuple[str, ...]] = ("url", "username", "password")

    url: str = setting(_api_url, required=True)
    username: str = setting(values.string, required=True)
    password: str = setting(values.secret, required=True, secret=True)
    ca_file: str | None = setting(addresses.ca_file)
    insecure: bool = setting(values.boolean, False)
    timeout: float = setting(values.timeout_seconds, 60.0, rehearsed=True)

    @property
    def addresses(self) -> frozenset[tuple[str, int]]:
        return frozenset({addresses.address_of(self.url)})

    @property
    def address(self) -> str:
        """The host, with the port if the URL has one, for messages."""
        return urlsplit(self.url).netloc

    @property
    def is_plain(self) -> bool:
        """True without TLS."""
        return urlsplit(self.url).scheme == "http"

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"
