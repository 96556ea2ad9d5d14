"""What the parts of the simulated vCenter need of each other, so that none imports the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from chaosvm.lab.world import Machine, World

__all__ = ["Compute", "Estate", "Service", "Session"]


class Session(Protocol):
    """One login, with the objects that were made in it."""

    alive: bool
    calls: int
    cookie: str
    user: str

    def find(self, moid: str) -> Any: ...

    def moids_of(self, kind: Any) -> list[str]: ...

    def new_moid(self) -> str: ...

    def keep(self, thing: Any) -> None: ...

    def drop(self, moid: str) -> None: ...

    def told(self) -> Any: ...

    def end(self) -> None: ...


class Estate(Protocol):
    """The inventory tree."""

    world: World
    tasks: Any
    fields: Any

    @property
    def tree(self) -> Any: ...

    @property
    def root(self) -> Any: ...

    def find(self, moid: str) -> Any: ...

    def machines(self) -> dict[str, Machine]: ...

    def machines_where(self, holds: Callable[[Machine], bool]) -> list[Machine]: ...

    def folder_of(self, vm: Machine) -> Any: ...

    def compute_of(self, vm: Machine) -> Any: ...

    def host_of(self, vm: Machine) -> Any: ...

    def on_host(self, moid: str) -> list[Machine]: ...

    def datastore_of(self, vm: Machine) -> Any: ...

    def network_of(self, vm: Machine) -> Any: ...


class Compute(Protocol):
    """A cluster, or what is around a host in none."""

    datacenter: Any

    @property
    def reference(self) -> Any: ...

    def datastore(self, session: Any = None) -> Any: ...

    def network(self, session: Any = None) -> Any: ...


class Service(Protocol):
    """The estate with its sessions, and whoever wants to hear of changes."""

    estate: Any
    pages: Any

    @property
    def shape(self) -> tuple[int, int]: ...

    def find(self, moid: str, session: Any) -> Any: ...

    def linked(self, thing: Any, path: str, session: Any) -> Sequence[Any]: ...

    def vm_by_id(self, vm_id: str | None) -> Machine | None: ...

    def moids_around(self, vm: Machine) -> set[str]: ...

    def reshaped(self, moids: Iterable[str]) -> None: ...

    def attend(self, collector: Any) -> None: ...

    def forget(self, collector: Any) -> None: ...

    def changed(self, moids: Iterable[str]) -> None: ...
