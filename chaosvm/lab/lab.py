"""A lab: a simulation, its protocol servers, and what clients need to reach them."""

from __future__ import annotations

import importlib
import importlib.util
import secrets
import ssl
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Self

import trustme

from chaosvm.errors import InvalidValue, MissingExtra
from chaosvm.lab.fault_rules import Faults, Rule
from chaosvm.lab.guest_services import GuestServices
from chaosvm.lab.http_server import ProtocolServer, Server, Sessions
from chaosvm.lab.options import Options
from chaosvm.lab.run_directory import RunDirectory
from chaosvm.lab.simulation import World
from chaosvm.lab.state_directory import StateDirectory
from chaosvm.lab.world_files import Described, Source, load
from chaosvm.settings import values

__all__ = ["Lab", "installed", "is_simulated"]

# Module, required packages and extras of each platform. Fixed ports are numbered in this order,
# and only the last platform may have several.
_PLATFORMS = {
    "vsphere": ("chaosvm.lab.vcenter", ("pyVmomi",), "lab,vsphere"),
    "olvm": ("chaosvm.lab.ovirt", ("ovirtsdk4", "pycurl"), "lab,olvm"),
    "dora": ("chaosvm.lab.dora", (), "lab"),
}


def installed() -> tuple[str, ...]:
    """The platforms whose required packages are installed."""
    return tuple(
        platform
        for platform, (_, packages, _) in _PLATFORMS.items()
        if all(importlib.util.find_spec(package) for package in packages)
    )


def is_simulated(platform: str) -> bool:
    """True if the lab has a server for it, installed or not."""
    return platform in _PLATFORMS


class Lab:
    """Simulated platforms, each on a port of 127.0.0.1, by default a free one.

        world = World()
        world.add_vm("web-01", guest=Guest.ignores())
        with Lab(world) as lab:
            connection = ovirtsdk4.Connection(
                url=lab.olvm_url, username=lab.username, password=lab.password, ca_file=lab.ca_file
            )

    They are simulated from public source, documentation and recordings. There is no
    storage, network or scheduler. Operations take fractions of a second unless the
    world's durations say otherwise.

    world: a World, or a source for chaosvm.lab.load, such as "small" or the path of a
        file, whose fault rules are then set as well. Default: twelve generated VMs.
    platforms: the platforms to serve. Default: all.
    username: the account that may do everything, in the engine's form: admin@internal, or
        admin@ovirt@internalsso with Keycloak.
    password: random by default.
    port: vSphere's; OLVM's is the next, then Dora's login and inventory. Default: free ones.
    state_dir: a directory that keeps the CA and the password, so that they stay the same.
        It is made if it is missing, and only its owner may enter it.
    guest_network: the second byte of the addresses 127.N.x.y of guests with services.
        Default: a random one that no other lab on this machine has.
    speed: simulated seconds per real second.
    clock_offset: seconds by which the servers' clocks are ahead of ours.
    event_retention: seconds after which events are deleted. Default: never.
    token_seconds: lifetime of a login. Default: unlimited.
    latency: seconds before each request is processed.
    dora_tls: serve Dora over HTTPS. Default: HTTP, like real ones.
    dora_lag: seconds between Dora's reads of the simulation.
    dora_estates: {vcenter: {path: [data centers]}}, the data centers that Dora's
        coordinates select; host_filter is then a substring of a host name. By default
        all coordinates select everything, so that unchanged experiments run.
    dora_bare: Dora answers with bare lists, without {"items": ...} around them.

    Raises MissingExtra if a platform needs a package that is not installed.
    """

    def __init__(
        self,
        world: World | Source | None = None,
        *,
        platforms: Sequence[str] = tuple(_PLATFORMS),
        username: str = "admin@internal",
        password: str | None = None,
        token_seconds: float | None = None,
        latency: float = 0.0,
        dora_tls: bool = False,
        dora_lag: float = 0.0,
        dora_estates: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        dora_bare: bool = False,
        port: int | None = None,
        state_dir: str | Path | None = None,
        guest_network: int | None = None,
        speed: float | None = None,
        clock_offset: float | None = None,
        event_retention: float | None = None,
        ca: trustme.CA | None = None,
        names: Sequence[str] = ("localhost", "127.0.0.1"),
    ) -> None:
        source = _load(world)
        self.world = source.world
        self.platforms = tuple(platforms)
        self.username = username
        state = None if state_dir is None else StateDirectory(state_dir)
        self.password = password or (state.password() if state else secrets.token_urlsafe(12))
        _set_time(self.world, speed, clock_offset, event_retention)
        self._guests = GuestServices(self.world, guest_network)
        self.faults = Faults()
        self.faults.set(source.rules)
        self._latency = latency
        self._ca = ca or (state.ca() if state else trustme.CA())
        self._ca_file = state.ca_file if state and not ca else None
        self._port = port
        self._names = names
        self._run_directory: RunDirectory | None = None
        self._servers: list[Server] = []
        options = Options(
            username=self.username,
            password=self.password,
            token_seconds=token_seconds,
            dora_tls=dora_tls,
            dora_lag=dora_lag,
            dora_estates=dora_estates,
            dora_bare=dora_bare,
            ca_certificate=self._ca.cert_pem.bytes().decode(),
        )
        self._protocol_servers: dict[str, Sequence[ProtocolServer]] = {
            platform: _protocol_servers(platform, self.world, options) for platform in platforms
        }

    # Starting and stopping -------------------------------------------------------------

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Serve until :meth:`stop`. A lab can only be started once."""
        self._run_directory = RunDirectory()
        try:
            if self._ca_file is None:
                self._ca.cert_pem.write_to_path(self.ca_file)
            for platform, protocols in self._protocol_servers.items():
                for number, protocol in enumerate(protocols):
                    self._serve(protocol, self._port_of(platform, number))
            self.world.start()
            self._guests.start()
        except BaseException:
            self.stop()
            raise
        return self

    def _serve(self, protocol: ProtocolServer, port: int) -> None:
        tls = self._tls() if protocol.tls else None
        server = Server(protocol, self.faults, tls, port=port, date=lambda: self.world.date)
        self._servers.append(server)
        server.latency = self._latency
        server.start()

    def _port_of(self, platform: str, number: int) -> int:
        """The same for a platform, whichever others are served; 0 for a free one."""
        return self._port + tuple(_PLATFORMS).index(platform) + number if self._port else 0

    def stop(self) -> None:
        """Close the ports and remove all files but those of ``state_dir``. Idempotent."""
        for server in self._servers:
            server.stop()
        self._guests.stop()
        self.world.stop()
        if self._run_directory is not None:
            self._run_directory.remove()

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*self._names).configure_cert(context)
        return context

    # Addresses -------------------------------------------------------------------------

    @property
    def vsphere_server(self) -> str:
        return self.environment()["VSPHERE_SERVER"]

    @property
    def vsphere_port(self) -> int:
        return int(self.environment()["VSPHERE_PORT"])

    @property
    def olvm_url(self) -> str:
        return self.environment()["OLVM_URL"]

    @property
    def ca_file(self) -> str:
        """PEM file of the CA that issued the certificate."""
        if self._run_directory is None:
            raise RuntimeError("the lab has not been started")
        return str(self._ca_file or self._run_directory.path / "ca.pem")

    @property
    def addresses(self) -> frozenset[tuple[str, int]]:
        """The hosts and ports on which the lab listens."""
        return frozenset((server.host, server.port) for server in self._started_servers)

    @property
    def guest_networks(self) -> tuple[str, ...]:
        """What the addresses of guests with services begin with."""
        return self._guests.prefixes

    def environment(self) -> dict[str, str]:
        """The environment variables that configure chaosvm for this lab."""
        variables: dict[str, str] = {}
        for server in self._started_servers:
            variables |= server.protocol.environment(f"{Server.host}:{server.port}", self.ca_file)
        return variables

    # Statistics ------------------------------------------------------------------------

    def requests(self) -> dict[str, int]:
        """Number of requests by name: {"GET /api/vms": 2, "POST /api/vms/{id}/stop": 1}."""
        counts: dict[str, int] = {}
        for server in self._started_servers:
            for name, count in server.requests().items():
                counts[name] = counts.get(name, 0) + count
        return counts

    @property
    def connections(self) -> int:
        """Number of TCP connections opened."""
        return sum(server.connections for server in self._started_servers)

    def reset_requests(self) -> None:
        """Reset the counts of requests and connections."""
        for server in self._started_servers:
            server.reset_requests()

    def sessions(self) -> dict[str, int]:
        """{"logins": n, "logouts": n, "alive": n}, since the start."""
        all_sessions = self._sessions()
        return {
            "logins": sum(sessions.logins for sessions in all_sessions),
            "logouts": sum(sessions.logouts for sessions in all_sessions),
            "alive": sum(sessions.alive for sessions in all_sessions),
        }

    # Faults ----------------------------------------------------------------------------

    def rules(self, *rules: Rule) -> None:
        """Replace all fault rules; without arguments, remove them."""
        self.faults.set(rules)

    def applied(self) -> list[int]:
        """How often each current rule was applied, in order."""
        return self.faults.applied()

    def expire_tokens(self) -> None:
        """Invalidate all logins."""
        for sessions in self._sessions():
            sessions.expire()

    def drop_connections(self) -> None:
        """Close every open TCP connection."""
        for server in self._started_servers:
            server.drop_connections()

    @property
    def latency(self) -> float:
        """Seconds before each request is processed."""
        return self._latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._latency = seconds
        for server in self._servers:
            server.latency = seconds

    def _sessions(self) -> list[Sessions]:
        protocols = chain.from_iterable(self._protocol_servers.values())
        return [each.sessions for each in protocols if each.sessions is not None]

    @property
    def _started_servers(self) -> list[Server]:
        if self._run_directory is None:
            raise RuntimeError("the lab has not been started")
        return self._servers


def _load(world: World | Source | None) -> Described:
    if world is None:
        return Described(World.generated())
    return Described(world) if isinstance(world, World) else load(world)


def _set_time(
    world: World, speed: float | None, clock_offset: float | None, event_retention: float | None
) -> None:
    """Set what is given."""
    if speed is not None:
        world.speed = values.number("speed", speed, 0.001, 100_000, "times")
    if clock_offset is not None:
        world.clock_offset = values.number("clock_offset", clock_offset, -(10**9), 10**9, "seconds")
    if event_retention is not None:
        world.event_retention = values.number(
            "event_retention", event_retention, 0, 10**9, "seconds"
        )


def _protocol_servers(platform: str, world: World, options: Options) -> Sequence[ProtocolServer]:
    if platform not in _PLATFORMS:
        raise InvalidValue(
            f"the lab has no platform {platform!r}: expected one of {', '.join(_PLATFORMS)}"
        )
    module, packages, extras = _PLATFORMS[platform]
    try:
        servers: Sequence[ProtocolServer] = importlib.import_module(module).protocol_servers(
            world, options
        )
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in packages:
            raise
        raise MissingExtra(
            f"the lab's {platform} needs {package}, which is not installed: "
            f"pip install 'chaostoolkit-vm[{extras}]'"
        ) from None
    return servers
