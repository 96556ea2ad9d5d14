"""Blocks connections of this process to the servers that an experiment is configured for.

``chaosvm.runtime.rehearsal`` controls what chaosvm itself sends. This module is for other
code, such as HTTP probes and custom probes that use an SDK. A Python audit hook sees
each connection before it is made. It does not see libraries that bypass Python's
sockets: of these, libcurl (which oVirt's SDK uses) is patched. Nor does it see other
processes, so Chaos Toolkit may not start any unless the rehearsal allows it.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from chaosvm.dora.environments import read_raw
from chaosvm.errors import ConnectionBlocked, InvalidValue, NotInRehearsal
from chaosvm.platforms import PLATFORMS
from chaosvm.runtime import rehearsal
from chaosvm.settings import Settings, addresses

__all__ = ["install", "hosts", "block_servers", "allow_processes", "describe"]

_CONNECT_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg")


def _defaults(settings: type[Settings], convert: Any) -> dict[str, Any]:
    """The default of each setting with this converter, by its key."""
    fields = dataclasses.fields(settings)
    return {
        f"{settings.prefix}_{field.name}": field.default
        for field in fields
        if field.metadata["convert"] is convert
    }


_SETTINGS = tuple(platform.load_settings() for platform in PLATFORMS)
_PORT_KEYS = frozenset(key for each in _SETTINGS for key in _defaults(each, addresses.port))
_URL_KEYS = frozenset(f"{each.prefix}_url" for each in _SETTINGS)
# Settings that name a host, and the default ports there.
_HOST_KEYS = {
    key: tuple(_defaults(each, addresses.port).values())
    for each in _SETTINGS
    for key in _defaults(each, addresses.host_name)
}


class _Block:
    def __init__(self) -> None:
        self.installed = False
        self.hosts: frozenset[str] = frozenset()
        # On this machine only these ports are blocked, such as those of a tunnel.
        self.local_ports: frozenset[int] = frozenset()
        self.processes: Collection[str] = ()
        self.resolved: dict[str, frozenset[str]] = {}
        self.resolving = threading.local()


_block = _Block()


def install() -> None:
    """Install the block for the lifetime of the process; it is inactive outside rehearsals."""
    block_servers(os.environ)
    if not _block.installed:
        _block.installed = True
        sys.addaudithook(_audit_hook)
        _patch_pycurl()


def block_servers(*settings: Mapping[str, Any] | None) -> None:
    """Block the servers that these configurations and secrets name."""
    servers = [each for settings in settings for each in _servers_in(settings or {})]
    _block.hosts |= {host for host, _ in servers if host and not _is_local(host)}
    if any(_is_local(host) for host, _ in servers):
        _block.local_ports |= {port for _, port in servers}


def hosts() -> list[str]:
    """The blocked hosts, without this machine."""
    return sorted(_block.hosts)


def describe() -> list[str]:
    """The blocked hosts and local ports, for messages."""
    local = [f"port {port} of this machine" for port in sorted(_block.local_ports)]
    return [*hosts(), *local]


def allow_processes(kinds: Collection[str]) -> None:
    """Allow Chaos Toolkit to start processes for activities of these kinds only."""
    _block.processes = frozenset(kinds)


# Servers in settings -----------------------------------------------------------------------


def _servers_in(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    """Pairs of host and port; the host is empty for a setting that only names a port."""
    for key, value in settings.items():
        name = f"{prefix}{key}".lower()
        if isinstance(value, Mapping) and value.get("type") == "env":
            value = os.environ.get(str(value.get("key")), value.get("default"))
        if name == "dora_environments" and isinstance(value, str):
            value = _environments(value)
        if isinstance(value, Mapping):
            yield from _servers_in(value, "vsphere_" if name == "vsphere" else "")
        elif name in _HOST_KEYS:
            host = str(value).strip().strip("[]").rstrip(".").lower()
            yield from ((host, port) for port in _HOST_KEYS[name])
        elif name in _URL_KEYS:
            yield from _server_of_url(str(value))
        elif name in _PORT_KEYS and str(value).isdecimal():
            yield "", int(value)


def _server_of_url(url: str) -> Iterator[tuple[str, int]]:
    try:
        host, port = addresses.address_of(url.strip())
    except ValueError:  # an invalid port: the platform reports it
        return
    yield host.rstrip("."), port


def _environments(value: str) -> Mapping[str, Any] | None:
    try:
        environments = read_raw("dora_environments", value)
    except InvalidValue:  # Dora's activities report it
        return None
    return environments if isinstance(environments, Mapping) else None


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


# Blocking ----------------------------------------------------------------------------------


def _audit_hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Called by Python before each audited operation; an exception prevents it."""
    if event in _CONNECT_EVENTS:
        if isinstance(arguments[1], tuple):
            _check_connection(*arguments[1][:2])
    elif event == "socket.getaddrinfo":
        if rehearsal.is_requested() and not getattr(_block.resolving, "active", False):
            host = _normalize(arguments[0])
            if host in _block.hosts:
                raise _blocked_error(host, arguments[1])
    elif event == "subprocess.Popen" and rehearsal.is_requested():
        _check_process()


def _check_connection(host: Any, port: Any) -> None:
    host = _normalize(host)
    if not rehearsal.is_requested() or rehearsal.is_allowed(host, port):
        return
    if _is_local(host):
        is_blocked = port in _block.local_ports
    else:
        is_blocked = host in _block.hosts or any(host in _resolve(name) for name in _block.hosts)
    if is_blocked:
        raise _blocked_error(host, port)


def _resolve(name: str) -> frozenset[str]:
    """The addresses of a name, cached."""
    if name not in _block.resolved:
        _block.resolving.active = True
        try:
            addresses = {str(info[4][0]) for info in socket.getaddrinfo(name, None)}
        except OSError:
            addresses = set()
        finally:
            _block.resolving.active = False
        _block.resolved[name] = frozenset(addresses)
    return _block.resolved[name]


class _Socket(socket.socket):
    """Closes itself: libcurl duplicates the socket and does not close the original."""

    def __del__(self) -> None:
        self.close()


def _patch_pycurl() -> None:
    try:
        import pycurl
    except ImportError:
        return

    class Curl(pycurl.Curl):  # type: ignore[misc,unused-ignore]  # pycurl is untyped
        def __init__(self) -> None:
            super().__init__()
            self.setopt(pycurl.OPENSOCKETFUNCTION, open_socket)

    def open_socket(_: int, address: Any) -> Any:
        try:
            _check_connection(*address.addr[:2])
        except ConnectionBlocked:
            return pycurl.SOCKET_BAD
        return _Socket(address.family, address.socktype, address.protocol)

    pycurl.Curl = Curl


def _check_process() -> None:
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "chaoslib.provider.process":
            activity = frame.f_locals.get("activity") or {}
            if activity.get("type") not in _block.processes:
                raise NotInRehearsal(
                    f"{activity.get('name')!r} was not run: a rehearsal starts no processes, "
                    "because their connections cannot be controlled"
                )
            return
        frame = frame.f_back  # type: ignore[assignment]


def _blocked_error(host: str, port: Any) -> ConnectionBlocked:
    return ConnectionBlocked(
        f"no connection to {host}:{port}: a rehearsal sends nothing to the servers that "
        "the experiment is configured for"
    )


def _normalize(host: Any) -> str:
    if isinstance(host, bytes | bytearray):
        host = host.decode("ascii", "replace")
    return str(host or "").rstrip(".").lower()
