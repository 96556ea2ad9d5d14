"""The parts of a service, and its connection."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from chaosvm.backend import Backend
from chaosvm.runtime import Clock, Deadline
from chaosvm.service.context import Context
from chaosvm.service.observer import VMObserver
from chaosvm.service.operations import Operations
from chaosvm.service.protection import Protection
from chaosvm.service.reader import InventoryReader
from chaosvm.service.server_observer import ServerObserver
from chaosvm.service.targets import TargetFinder
from chaosvm.settings import Safety, Settings, load

__all__ = ["ServiceBase"]

# A logout must not hold up the end of an experiment.
_LONGEST_LOGOUT = 10.0


class ServiceBase:
    """Has a backend, guards and a ledger; the operations are in ``service.py``."""

    # The platform's backend, which is made from its settings.
    backend_class: ClassVar[type[Any]]

    def __init__(self, backend: Backend, safety: Safety | None = None) -> None:
        """``safety`` is read from the environment by default."""
        self.backend = backend
        self._context = Context(backend, safety or load(Safety, None, None))
        self._reader = InventoryReader(backend)
        self._protection = Protection(self._context)
        self._targets = TargetFinder(self._context, self._reader, self._protection)
        self._operations = Operations(self._context, self._protection)
        self.vm_observer = VMObserver(self._context, self._reader)
        self.server_observer = ServerObserver(
            self.vm_observer, self._targets, self._reader, self._protection
        )

    @classmethod
    def from_settings(cls, settings: Settings, safety: Safety | None = None) -> Self:
        """A platform from settings that are already validated."""
        service = cls.__new__(cls)
        ServiceBase.__init__(service, cls.backend_class(settings), safety)
        return service

    @property
    def safety(self) -> Safety:
        return self._context.safety

    @safety.setter
    def safety(self, value: Safety) -> None:
        self._context.safety = value

    @property
    def name(self) -> str:
        """The platform's name, such as ``vsphere``."""
        return self.backend.name

    @property
    def address(self) -> str:
        """The server, as the ledger names it."""
        return self.backend.address

    @property
    def timeout(self) -> float:
        """Seconds for each reading, and for each single request of an action."""
        return self.backend.timeout

    @property
    def clock(self) -> Clock:
        return self.backend.clock

    @property
    def max_parallel(self) -> int:
        return self.backend.max_parallel

    # Connecting, for Python ------------------------------------------------------

    def connect(self) -> Self:
        """Log in now; without it, the first call does."""
        self.backend.open(self._reading())
        return self

    def disconnect(self) -> None:
        """Log out, in at most ten seconds."""
        self.close(Deadline(min(self.timeout, _LONGEST_LOGOUT), self.clock))

    def close(self, deadline: Deadline) -> None:
        """Log out by the deadline; never raises for what the server does."""
        self.backend.close(deadline)

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def _reading(self) -> Deadline:
        return Deadline(self.timeout, self.clock)
