"""The milestones of a start: powered on, tools running, an address, a port, an HTTP answer."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from chaosvm.backend import GuestStatus, ToolsStatus
from chaosvm.errors import InvalidValue
from chaosvm.observe.reach import answers_http, port_open
from chaosvm.redaction import without_query
from chaosvm.runtime import Deadline
from chaosvm.settings import values
from chaosvm.vm import PowerState

__all__ = ["Milestone", "usable_addresses"]

_KINDS = ("power", "tools", "ip", "port", "http", "https")
_EXPECTED = (
    "power, tools (or agent), ip, port:NUMBER, http:PORT/PATH at the guest's address, or the URL "
    "of a service"
)
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Milestone:
    """A point that a VM reaches when it starts; ``text`` is as it is written.

    ``str()`` is for messages: it hides the query of a URL.
    """

    text: str
    kind: str
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, key: str, value: object) -> Milestone:
        """Raises InvalidValue, which names the key."""
        text = values.string(key, value, _EXPECTED)
        if text in ("power", "tools", "ip"):
            return cls(text, text)
        if text == "agent":  # as it is called on some platforms
            return cls(text, "tools")
        scheme, _, rest = text.partition(":")
        if scheme in ("http", "https") and rest.startswith("//"):
            return cls(_checked_url(key, text), scheme, path=text)
        match = re.fullmatch(r"(\d{1,5})(/\S*)?", rest)
        if scheme not in ("port", "http", "https") or match is None:
            raise _invalid(key, text, _hint(key, without_query(text)))
        port, path = int(match[1]), match[2] or ""
        if not 0 < port <= _MAX_PORT or (scheme == "port" and path):
            raise _invalid(key, text)
        return cls(text, scheme, port, path)

    @property
    def needs_connection(self) -> bool:
        """True if the server does not report it: it takes a connection to the guest."""
        return self.kind in ("port", "http", "https")

    def reported(self, status: GuestStatus) -> bool:
        """True if the server reports that the VM is there; False if it cannot report that."""
        if status.power_state is not PowerState.POWERED_ON or self.needs_connection:
            return False
        if self.kind == "ip":
            return bool(usable_addresses(status))
        return self.kind == "power" or status.tools is ToolsStatus.RUNNING

    def reached(self, status: GuestStatus, deadline: Deadline) -> bool:
        """True if the VM is there now; tries to connect to a port or URL.

        Raises ConnectionFailed if this machine cannot send anything there.
        """
        if not self.needs_connection:
            return self.reported(status)
        if status.power_state is not PowerState.POWERED_ON:
            return False
        if self.kind == "port":
            addresses = usable_addresses(status)
            return any(port_open(address, self.port, deadline) for address in addresses)
        direct = bool(self.port)  # at the guest's address
        return any(answers_http(url, deadline, direct) for url in self._urls(status))

    def _urls(self, status: GuestStatus) -> list[str]:
        if not self.port:
            return [self.path]
        return [
            f"{self.kind}://{_in_url(address)}:{self.port}{self.path or '/'}"
            for address in usable_addresses(status)
        ]

    def __str__(self) -> str:
        return without_query(self.text)


def usable_addresses(status: GuestStatus) -> list[str]:
    """The guest's addresses without link-local ones, which other machines cannot reach."""
    return [address for address in status.ip_addresses if not _is_link_local(address)]


def _is_link_local(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_link_local
    except ValueError:
        return False  # not an address, which a connection will show


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _hint(key: str, text: str) -> str:
    """The likely intention: ``port:22`` for ``prot:22``, ``port 22`` and ``22``."""
    if numbered := re.fullmatch(r"([^\W\d]*)\W*(\d{1,5}(?:/\S*)?)", text.strip()):
        word, rest = numbered[1] or "port", f":{numbered[2]}"
    else:
        word, colon, rest = text.strip().partition(":")
        rest = colon + rest
    kind = values.closest(word, _KINDS)
    meant = (each for each in (f"{kind}{rest}", kind) if each != text and _is_valid(key, each))
    return next((f" (did you mean {each!r}?)" for each in meant), "")


def _is_valid(key: str, text: str | None) -> bool:
    try:
        Milestone.parse(key, text)
    except InvalidValue:
        return False
    return True


def _invalid(key: str, text: str, hint: str = "") -> InvalidValue:
    if "@" in text:  # not shown, as there may be a password before it
        return InvalidValue(f"{key} contains an @: expected a URL without user name and password")
    return InvalidValue(f"{values.invalid(key, without_query(text), _EXPECTED)}{hint}")


def _checked_url(key: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc:
        raise _invalid(key, text)
    return text
