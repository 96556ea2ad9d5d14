"""A lab: a world, the servers that show it, and all that a client needs to reach them."""

from __future__ import annotations

import importlib
import importlib.util
import secrets
import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import trustme

from chaosvm.errors import InvalidValue, MissingExtra
from chaosvm.lab.faults import Faults, Rule
from chaosvm.lab.home import Home
from chaosvm.lab.options import Options
from chaosvm.lab.server import Face, Server, Sessions
from chaosvm.lab.world import World
from chaosvm.lab.worlds import Described, Source, load

__all__ = ["Lab", "installed"]

# Where the faces of each platform are made, and what has to be installed for them.
_FACES = {
    "vsphere": ("chaosvm.lab.vcenter", ("pyVmomi",), "lab,vsphere"),
    "olvm": ("chaosvm.lab.ovirt", ("ovirtsdk4", "pycurl"), "lab,olvm"),
    "dora": ("chaosvm.lab.dora", (), "lab"),
}


def installed() -> tuple[str, ...]:
    """The platforms whose packages are there."""
    return tuple(
        platform
        for platform, (_, packages, _) in _FACES.items()
        if all(importlib.util.find_spec(package) for package in packages)
    )


class Lab:
    """Platforms to rehearse against, each on a free port of 127.0.0.1.

        world = World()
        world.add_vm("web-01", guest=Guest.ignores())
        with Lab(world) as lab:
            connection = ovirtsdk4.Connection(
                url=lab.olvm_url, username=lab.username, password=lab.password, ca_file=lab.ca_file
            )

    They are modelled on public source, documentation and recordings, and are not
    the real ones: there is no storage, no network and no scheduler, and things take
    fractions of a second unless the world's durations say otherwise.

    world: a World; or what chaosvm.lab.load takes, such as "small" or the path of
        a file, whose rules are then set as well. By default twelve VMs are made up.
    platforms: which of them to serve; all by default.
    username: the account that may do everything, in the form of the engine to be imitated:
        admin@internal, or admin@ovirt@internalsso with Keycloak.
    password: by default made at random.
    real_size: makes no difference any more: VMs are as long as real ones (9 KB each).
    token_seconds: how long a login is good; for ever by default.
    latency: seconds before each request is looked at.
    dora_tls: Dora over HTTPS; plain HTTP by default, as real ones.
    dora_lag: for so many seconds Dora tells what it saw before.
    dora_estates: {vcenter: {path: [data centres]}}, what Dora's coordinates mean;
        then host_filter is a part of a host's name. By default any coordinates
        mean the whole world, so that experiments made for another one run.
    dora_bare: Dora answers with bare lists, without {"items": ...} around them.

    Raises MissingExtra where a platform needs a package that is not installed.
    """

    def __init__(
        self,
        world: World | Source | None = None,
        *,
        platforms: Sequence[str] = tuple(_FACES),
        username: str = "admin@internal",
        password: str | None = None,
        real_size: bool = False,
        token_seconds: float | None = None,
        latency: float = 0.0,
        dora_tls: bool = False,
        dora_lag: float = 0.0,
        dora_estates: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        dora_bare: bool = False,
        ca: trustme.CA | None = None,
        names: Sequence[str] = ("localhost", "127.0.0.1"),
    ) -> None:
        described = _described(world)
        self.world = described.world
        self.platforms = tuple(platforms)
        self.username = username
        self.password = password or secrets.token_urlsafe(12)
        self.faults = Faults()
        self.faults.set(described.rules)
        self._latency = latency
        self._ca = ca or trustme.CA()
        self._names = names
        self._home: Home | None = None
        self._servers: list[Server] = []
        options = Options(
            username=self.username,
            password=self.password,
            real_size=real_size,
            token_seconds=token_seconds,
            dora_tls=dora_tls,
            dora_lag=dora_lag,
            dora_estates=dora_estates,
            dora_bare=dora_bare,
        )
        self._faces: list[Face] = [
            face for platform in platforms for face in self._made(platform, options)
        ]

    def _made(self, platform: str, options: Options) -> Sequence[Face]:
        if platform not in _FACES:
            raise InvalidValue(
                f"the lab has no platform {platform!r}: known are {', '.join(_FACES)}"
            )
        module, packages, extras = _FACES[platform]
        try:
            made: Sequence[Face] = importlib.import_module(module).faces(self.world, options)
        except ImportError as error:
            package = (error.name or "").partition(".")[0]
            if package not in packages:
                raise
            raise MissingExtra(
                f"the lab's {platform} needs {package}, which is not installed: "
                f"pip install 'chaostoolkit-vm[{extras}]'"
            ) from None
        return made

    # Starting and stopping -------------------------------------------------------------

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> Self:
        """Serve until :meth:`stop`. A lab can be started once."""
        self._home = Home()
        try:
            self._ca.cert_pem.write_to_path(self.ca_file)
            for face in self._faces:
                server = Server(face, self.faults, self._tls() if face.tls else None)
                self._servers.append(server)
                server.latency = self._latency
                server.start()
        except BaseException:
            self.stop()
            raise
        self.world.start()
        return self

    def stop(self) -> None:
        """Close the ports and remove all files. Twice does no harm."""
        for server in self._servers:
            server.stop()
        self.world.stop()
        if self._home is not None:
            self._home.remove()

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*self._names).configure_cert(context)
        return context

    # Where it is -----------------------------------------------------------------------

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
        """PEM file of the authority that issued its certificate."""
        if self._home is None:
            raise RuntimeError("the lab was not started")
        return str(self._home.path / "ca.pem")

    @property
    def addresses(self) -> frozenset[tuple[str, int]]:
        """Each host and port where it listens."""
        return frozenset((server.host, server.port) for server in self._running)

    def environment(self) -> dict[str, str]:
        """The environment variables with which chaosvm finds it."""
        found: dict[str, str] = {}
        for server in self._running:
            found |= server.face.environment(f"{Server.host}:{server.port}", self.ca_file)
        return found

    # What was asked of it ----------------------------------------------------------------

    def requests(self) -> dict[str, int]:
        """How many of each, as {"GET /api/vms": 2, "POST /api/vms/{id}/stop": 1}."""
        found: dict[str, int] = {}
        for server in self._running:
            for name, count in server.requests().items():
                found[name] = found.get(name, 0) + count
        return found

    @property
    def connections(self) -> int:
        """How many TCP connections were opened."""
        return sum(server.connections for server in self._running)

    def reset_requests(self) -> None:
        """Count requests and connections from zero."""
        for server in self._running:
            server.reset_requests()

    def sessions(self) -> dict[str, int]:
        """{"logins": n, "logouts": n, "alive": n}, since the start."""
        kept = self._sessions()
        return {
            "logins": sum(sessions.logins for sessions in kept),
            "logouts": sum(sessions.logouts for sessions in kept),
            "alive": sum(sessions.alive for sessions in kept),
        }

    # Trouble -----------------------------------------------------------------------------

    def rules(self, *rules: Rule) -> None:
        """Replace all rules; without any, none are left."""
        self.faults.set(rules)

    def applied(self) -> list[int]:
        """How often each of the present rules was applied, in their order."""
        return self.faults.applied()

    def expire_tokens(self) -> None:
        """Every login so far is worth nothing from now on."""
        for sessions in self._sessions():
            sessions.expire()

    def drop_connections(self) -> None:
        """Close every open TCP connection."""
        for server in self._running:
            server.drop_connections()

    @property
    def latency(self) -> float:
        """Seconds before each request is looked at."""
        return self._latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._latency = seconds
        for server in self._servers:
            server.latency = seconds

    def _sessions(self) -> list[Sessions]:
        return [face.sessions for face in self._faces if face.sessions is not None]

    @property
    def _running(self) -> list[Server]:
        if self._home is None:
            raise RuntimeError("the lab was not started")
        return self._servers


def _described(world: World | Source | None) -> Described:
    if world is None:
        return Described(World.generated())
    return Described(world) if isinstance(world, World) else load(world)
