"""What the contract asks of each system that it holds for.

A backend here is the other side of :class:`chaosvm.backend.Backend`. It starts its
system with the estate, gives platforms that are connected to it, and knows what is true
of its VMs without asking chaosvm.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, ClassVar, Self

from chaosvm.service import VMService
from chaosvm.vsphere import VSpherePlatform
from tests.contract.estate import EVERYWHERE, ON_VCENTERS, Entry, Power

__all__ = ["Backend", "VCenter"]

_SOAP_VERBS = {
    "power_on": "PowerOnVM_Task",
    "power_off": "PowerOffVM_Task",
    "suspend": "SuspendVM_Task",
    "reset": "ResetVM_Task",
    "shutdown": "ShutdownGuest",
    "reboot": "RebootGuest",
}


class Backend(ABC):
    name: ClassVar[str]
    entries: ClassVar[Sequence[Entry]] = EVERYWHERE
    # What each kind of chaosvm.backend.PowerCommand is called on the wire.
    verbs: ClassVar[Mapping[str, str]]
    # What makes the system's rules of trouble.
    rule: ClassVar[Callable[..., Any]]

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self._open = ExitStack()
        self._platforms = ExitStack()
        self._troubles: list[Any] = []

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self.start(opened)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @abstractmethod
    def start(self, opened: ExitStack) -> None:
        """Start the system and fill it; ``opened`` ends it."""

    def reset(self) -> None:
        """Close what the last test opened, and put everything back."""
        self.calm()
        self._platforms.close()
        self.restore()

    @abstractmethod
    def restore(self) -> None:
        """Every VM as it was made, and no other VM."""

    # Connecting --------------------------------------------------------------------------

    def platform(self, **replaced: Any) -> VMService:
        """A platform, with some of its arguments replaced; closed at the end of the test."""
        made = self.made(**({"timeout": 60} | replaced))
        self._platforms.callback(made.disconnect)
        return made

    @abstractmethod
    def made(self, **replaced: Any) -> VMService: ...

    # What is true ------------------------------------------------------------------------

    @abstractmethod
    def power(self, known_as: str) -> Power:
        """Of a VM, by its key in the estate."""

    @abstractmethod
    def sent(self) -> dict[str, int]:
        """How often each step was asked for since the last test, by its name in ``verbs``."""

    @abstractmethod
    def sessions(self) -> dict[str, int]:
        """At least {"logins": n, "logouts": n}, since the start."""

    # What an administrator can do --------------------------------------------------------

    @abstractmethod
    def add(self, entry: Entry) -> None:
        """One more VM, until the end of the test."""

    @abstractmethod
    def remove(self, known_as: str) -> None:
        """One that was added."""

    @abstractmethod
    def switch_off(self, known_as: str) -> None: ...

    @abstractmethod
    def guest(self, known_as: str, *, obeys: bool = True, seconds: float = 0.0) -> None:
        """How the guest takes requests from now on."""

    def trouble(self, verb: str, action: str, vm: str = "", **options: Any) -> None:
        """What happens to a step of ``verbs`` from now on, until the end of the test."""
        about = self.ids[vm] if vm else ""
        self._troubles.append(self.rule(self.verbs[verb], action, vm=about, **options))
        self.set_rules(self._troubles)

    def calm(self) -> None:
        self._troubles.clear()
        self.set_rules([])

    @abstractmethod
    def set_rules(self, rules: Sequence[Any]) -> None: ...

    @abstractmethod
    def expire_sessions(self) -> None: ...

    @abstractmethod
    def drop_connections(self) -> None: ...


class VCenter(Backend):
    """What plain pyvmomi can talk to."""

    entries = (*EVERYWHERE, *ON_VCENTERS)
    verbs = _SOAP_VERBS

    @property
    @abstractmethod
    def address(self) -> dict[str, Any]:
        """Server, port, user name, password and CA file, as VSpherePlatform wants them."""

    def made(self, **replaced: Any) -> VMService:
        return VSpherePlatform(**(self.address | replaced))
