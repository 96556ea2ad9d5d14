"""Finds the VM that a platform's own server runs in, which must never be touched."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from chaosvm.vm import VM

__all__ = ["runs_server"]

# Many guests have these host names, so they identify none of them.
_UNSPECIFIC = ("localhost", "localhost.localdomain")


def runs_server(vm: VM, server: str, peers: Iterable[str] = ()) -> bool:
    """True if the VM has the server's name or address, or one of ``peers``, where it is reached."""
    if vm.hostname and _same_host(vm.hostname, server):
        return True
    addresses = {_address(each) or each for each in vm.ip_addresses or ()}
    return not addresses.isdisjoint(_address(each) or each for each in (server, *peers))


def _same_host(one: str, other: str) -> bool:
    """Compare host names; a name without a domain matches one with any domain."""
    one, other = one.rstrip(".").lower(), other.rstrip(".").lower()
    if one in _UNSPECIFIC or other in _UNSPECIFIC:
        return False
    if one == other:
        return True
    if ("." in one) == ("." in other) or _address(one) or _address(other):
        return False
    return one.partition(".")[0] == other.partition(".")[0]


def _address(text: str) -> str | None:
    """The canonical form of an IP address; None for anything else."""
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None
