"""Which VM is the one that a platform's server runs in: it must never be touched."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from chaosvm.vm import VM

__all__ = ["runs_server"]

# Many guests call themselves so, and it means no one of them.
_ANYBODY = ("localhost", "localhost.localdomain")


def runs_server(vm: VM, server: str, peers: Iterable[str] = ()) -> bool:
    """Is the server at this name or address, or reached at one of ``peers``, in this VM?"""
    if vm.hostname and _same_host(vm.hostname, server):
        return True
    addresses = {_address(each) for each in vm.ip_addresses or ()}
    return not addresses.isdisjoint(_address(each) for each in (server, *peers))


def _same_host(one: str, other: str) -> bool:
    """Also if only one of them is told with its domain."""
    one, other = one.rstrip(".").lower(), other.rstrip(".").lower()
    if one in _ANYBODY or other in _ANYBODY:
        return False
    if one == other:
        return True
    if ("." in one) == ("." in other) or _is_address(one) or _is_address(other):
        return False
    return one.partition(".")[0] == other.partition(".")[0]


def _address(text: str) -> str:
    """One spelling for each address; what is none stays as it is."""
    bare = text.partition("%")[0]
    return str(ipaddress.ip_address(bare)) if _is_address(bare) else text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
