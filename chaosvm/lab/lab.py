"""A lab: a world, the servers that show it, and all that a client needs to reach them."""

from __future__ import annotations

import secrets
import shutil
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from chaosvm.errors import MissingExtra
from chaosvm.lab.faults import Faults, Rule
from chaosvm.lab.server import Server
from chaosvm.lab.world import World

try:
    from chaosvm.lab.ovirt.face import OVirtFace
except ImportError as error:
    if (error.name or "").partition(".")[0] not in ("ovirtsdk4", "pycurl"):
        raise
    raise MissingExtra(
        "the lab's oVirt engine needs ovirtsdk4, which is not installed: "
        "pip install 'chaostoolkit-vm[lab,olvm]'"
    ) from None

__all__ = ["Lab"]


class Lab:
    """An oVirt engine to rehearse against, on a free port of 127.0.0.1, over TLS.

        world = World()
        world.add_vm("web-01", guest=Guest.ignores())
        with Lab(world) as lab:
            connection = ovirtsdk4.Connection(
                url=lab.olvm_url, username=lab.username, password=lab.password, ca_file=lab.ca_file
            )

    It is modelled on the engine's public source and on recordings of real
    engines. It is not the engine: there is no storage, no network, no scheduler
    and no permission but "all", and things take fractions of a second unless
    the world's durations say otherwise.

    username: the one account, in the form of the engine to be imitated:
        admin@internal, or admin@ovirt@internalsso with Keycloak.
    password: by default made at random.
    real_size: VMs as long as real ones (9 KB each) instead of half of that.
    token_seconds: how long a login is good; for ever by default.
    latency: seconds before each request is looked at.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        username: str = "admin@internal",
        password: str | None = None,
        real_size: bool = False,
        token_seconds: float | None = None,
        latency: float = 0.0,
        ca: trustme.CA | None = None,
        names: Sequence[str] = ("localhost", "127.0.0.1"),
    ) -> None:
        self.world = world if world is not None else World.generated()
        self.username = username
        self.password = password or secrets.token_urlsafe(12)
        self.faults = Faults()
        self._latency = latency
        self._ca = ca or trustme.CA()
        self._names = names
        self._home: Path | None = None
        self._server: Server | None = None
        self._face = OVirtFace(
            self.world,
            self.username,
            self.password,
            real_size=real_size,
            token_seconds=token_seconds,
        )

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
        self._home = Path(tempfile.mkdtemp(prefix="chaosvm-lab-"))
        try:
            self._ca.cert_pem.write_to_path(str(self._home / "ca.pem"))
            self._server = Server(self._face, self.faults, self._tls())
            self._server.latency = self._latency
            self._server.start()
        except BaseException:
            self.stop()
            raise
        self.world.start()
        return self

    def stop(self) -> None:
        """Close the port and remove all files. Twice does no harm."""
        if self._server is not None:
            self._server.stop()
        self.world.stop()
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)

    def _tls(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*self._names).configure_cert(context)
        return context

    # Where it is -----------------------------------------------------------------------

    @property
    def port(self) -> int:
        return self._running.port

    @property
    def olvm_url(self) -> str:
        return f"https://{Server.host}:{self.port}/ovirt-engine/api"

    @property
    def ca_file(self) -> str:
        """PEM file of the authority that issued its certificate."""
        if self._home is None:
            raise RuntimeError("the lab was not started")
        return str(self._home / "ca.pem")

    def environment(self) -> dict[str, str]:
        """The environment variables with which chaosvm finds it."""
        return {
            "OLVM_URL": self.olvm_url,
            "OLVM_USERNAME": self.username,
            "OLVM_PASSWORD": self.password,
            "OLVM_CA_FILE": self.ca_file,
        }

    # What was asked of it ----------------------------------------------------------------

    def requests(self) -> dict[str, int]:
        """How many of each, as {"GET /api/vms": 2, "POST /api/vms/{id}/stop": 1}."""
        return self._running.requests()

    @property
    def connections(self) -> int:
        """How many TCP connections were opened."""
        return self._running.connections

    def reset_requests(self) -> None:
        """Count requests and connections from zero."""
        self._running.reset_requests()

    def sessions(self) -> dict[str, int]:
        """{"logins": n, "logouts": n, "alive": n}, since the start."""
        sessions = self._face.sessions
        return {
            "logins": sessions.logins,
            "logouts": sessions.logouts,
            "alive": sessions.alive,
        }

    # Trouble -----------------------------------------------------------------------------

    def rules(self, *rules: Rule) -> None:
        """Replace all rules; without any, none are left."""
        self.faults.set(rules)

    def applied(self) -> list[int]:
        """How often each of the present rules was applied, in their order."""
        return self.faults.applied()

    def expire_tokens(self) -> None:
        """Every token handed out so far is dead from now on."""
        self._face.sessions.expire()

    def drop_connections(self) -> None:
        """Close every open TCP connection."""
        self._running.drop_connections()

    @property
    def latency(self) -> float:
        """Seconds before each request is looked at."""
        return self._running.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._running.latency = seconds

    @property
    def _running(self) -> Server:
        if self._server is None:
            raise RuntimeError("the lab was not started")
        return self._server
