"""Keeps everybody in this process from the servers that an experiment is configured for.

What chaosvm sends is watched by ``chaosvm.rehearsal``. This is for what others
do by themselves: probes over HTTP, and those of somebody's own that connect
with an SDK. Python tells of each connection before it is made. It does not hear
of what libraries do without Python's sockets: of these libcurl, by which oVirt's
SDK connects, has a way of its own to be asked. And it does not hear of other
processes; so Chaos Toolkit is kept from starting any, unless that was asked for.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from chaosvm import rehearsal
from chaosvm.dora.environments import as_written
from chaosvm.errors import InvalidValue, NotInRehearsal
from chaosvm.olvm.settings import address_of

__all__ = ["Refused", "build", "hosts", "keep_from", "let_processes", "names"]

_CONNECTING = ("socket.connect", "socket.sendto", "socket.sendmsg")
# Where to go, and the port if none is told.
_HOSTS = {"vsphere_server": (443,), "dora_host": (8000, 51051)}
_PORTS = ("vsphere_port", "dora_api_port", "dora_auth_port")


class Refused(NotInRehearsal, ConnectionRefusedError):
    """As a server would refuse it, so that every client cleans up after itself."""


class _Wall:
    def __init__(self) -> None:
        self.built = False
        self.hosts: frozenset[str] = frozenset()
        # On this machine not all is the platform's, as where there is a tunnel to one.
        self.local_ports: frozenset[int] = frozenset()
        self.processes: Collection[str] = ()
        self.resolved: dict[str, frozenset[str]] = {}
        self.resolving = threading.local()


_wall = _Wall()


def build() -> None:
    """From now on, and until the process ends. It is open while there is no rehearsal."""
    keep_from(os.environ)
    if not _wall.built:
        _wall.built = True
        sys.addaudithook(_heard)
        _around_libcurl()


def keep_from(*told: Mapping[str, Any] | None) -> None:
    """Nobody is to connect to the servers that these configurations and secrets name."""
    found = [each for settings in told for each in _named(settings or {})]
    _wall.hosts |= {host for host, _ in found if host and not _is_local(host)}
    if any(_is_local(host) for host, _ in found):
        _wall.local_ports |= {port for _, port in found}


def hosts() -> list[str]:
    """The servers that are kept away from, but for those on this machine."""
    return sorted(_wall.hosts)


def names() -> list[str]:
    """What nobody is to connect to, for people."""
    local = [f"port {port} of this machine" for port in sorted(_wall.local_ports)]
    return [*hosts(), *local]


def let_processes(kinds: Collection[str]) -> None:
    """Chaos Toolkit may start processes for activities of these kinds."""
    _wall.processes = frozenset(kinds)


# What settings name ------------------------------------------------------------------------


def _named(told: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    """Hosts, each with ports; an empty host for ports alone."""
    for key, value in told.items():
        name = f"{prefix}{key}".lower()
        if isinstance(value, Mapping) and value.get("type") == "env":
            value = os.environ.get(str(value.get("key")), value.get("default"))
        if name == "dora_environments" and isinstance(value, str):
            value = _environments(value)
        if isinstance(value, Mapping):
            yield from _named(value, "vsphere_" if name == "vsphere" else "")
        elif name in _HOSTS:
            host = str(value).strip().strip("[]").rstrip(".").lower()
            yield from ((host, port) for port in _HOSTS[name])
        elif name == "olvm_url":
            yield from _of_url(str(value))
        elif name in _PORTS and str(value).isdecimal():
            yield "", int(value)


def _of_url(url: str) -> Iterator[tuple[str, int]]:
    try:
        host, port = address_of(url.strip())
    except ValueError:  # no port at all: its platform will say so
        return
    yield host.rstrip("."), port


def _environments(value: str) -> Mapping[str, Any] | None:
    try:
        found = as_written("dora_environments", value)
    except InvalidValue:  # Dora's activities will say so
        return None
    return found if isinstance(found, Mapping) else None


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


# What is done ------------------------------------------------------------------------------


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    """Called by Python before what it tells of is done; an exception prevents it."""
    if event in _CONNECTING:
        if isinstance(arguments[1], tuple):
            _connecting(*arguments[1][:2])
    elif event == "socket.getaddrinfo":
        if rehearsal.asked_for() and not getattr(_wall.resolving, "now", False):
            host = _text(arguments[0])
            if host in _wall.hosts:
                raise _refused(host, arguments[1])
    elif event == "subprocess.Popen" and rehearsal.asked_for():
        _starting()


def _connecting(host: Any, port: Any) -> None:
    host = _text(host)
    if not rehearsal.asked_for() or rehearsal.allows(host, port):
        return
    if _is_local(host):
        refused = port in _wall.local_ports
    else:
        refused = host in _wall.hosts or any(host in _resolved(name) for name in _wall.hosts)
    if refused:
        raise _refused(host, port)


def _resolved(name: str) -> frozenset[str]:
    """The addresses of a name, asked for once."""
    if name not in _wall.resolved:
        _wall.resolving.now = True
        try:
            found = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
        except OSError:
            found = set()
        finally:
            _wall.resolving.now = False
        _wall.resolved[name] = frozenset(found)
    return _wall.resolved[name]


class _Socket(socket.socket):
    """libcurl has a copy of it, and does not close this one."""

    def __del__(self) -> None:
        self.close()


def _around_libcurl() -> None:
    try:
        import pycurl
    except ImportError:
        return

    class Curl(pycurl.Curl):  # type: ignore[misc,unused-ignore]  # pycurl is untyped
        def __init__(self) -> None:
            super().__init__()
            self.setopt(pycurl.OPENSOCKETFUNCTION, opened)

    def opened(_: int, address: Any) -> Any:
        try:
            _connecting(*address.addr[:2])
        except Refused:
            return pycurl.SOCKET_BAD
        return _Socket(address.family, address.socktype, address.protocol)

    pycurl.Curl = Curl


def _starting() -> None:
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "chaoslib.provider.process":
            activity = frame.f_locals.get("activity") or {}
            if activity.get("type") not in _wall.processes:
                raise NotInRehearsal(
                    f"{activity.get('name')!r} was not run: nobody knows what the process "
                    "would do, and it is not part of a rehearsal"
                )
            return
        frame = frame.f_back  # type: ignore[assignment]


def _refused(host: str, port: Any) -> Refused:
    return Refused(
        f"{host}:{port} was not connected to: in a rehearsal nothing is sent to the servers "
        "that the experiment is configured for"
    )


def _text(host: Any) -> str:
    if isinstance(host, bytes | bytearray):
        host = host.decode("ascii", "replace")
    return str(host or "").rstrip(".").lower()
