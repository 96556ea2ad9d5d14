"""Interfaces of the parts of the simulated vCenter, which keep their imports acyclic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from chaosvm.lab.simulation import Host, Machine, World

__all__ = ["Compute", "Inventory", "Service", "Session"]


class Session(Protocol):
    """One login, with the objects created in it."""

    alive: bool
    calls: int
    cookie: str
    user: str

    def find(self, moid: str) -> Any: ...

    def moids_of(self, kind: Any) -> list[str]: ...

    def new_moid(self) -> str: ...

    def add(self, managed_object: Any) -> None: ...

    def remove(self, moid: str) -> None: ...

    def user_session(self) -> Any: ...

    def end(self) -> None: ...


class Inventory(Protocol):
    """The inventory tree."""

    world: World
    tasks: Any
    fields: Any
    permissions: Any

    @property
    def tree(self) -> Any: ...

    @property
    def root(self) -> Any: ...

    def find(self, moid: str) -> Any: ...

    def options_of(self, host: Host) -> dict[str, Any]: ...

    def machines(self) -> dict[str, Machine]: ...

    def find_machines(self, predicate: Callable[[Machine], bool]) -> list[Machine]: ...

    def folder_of(self, vm: Machine) -> Any: ...

    def compute_of(self, vm: Machine) -> Any: ...

    def host_of(self, vm: Machine) -> Any: ...

    def machines_on_host(self, moid: str) -> list[Machine]: ...

    def datastore_of(self, vm: Machine) -> Any: ...

    def network_of(self, vm: Machine) -> Any: ...


class Compute(Protocol):
    """A cluster, or the compute resource of a standalone host."""

    datacenter: Any

    @property
    def reference(self) -> Any: ...

    def datastore(self, session: Any = None) -> Any: ...

    def network(self, session: Any = None) -> Any: ...


class Service(Protocol):
    """The inventory, the sessions and the subscribers to changes."""

    inventory: Any
    cache: Any

    @property
    def generation(self) -> tuple[int, int]: ...

    def find(self, moid: str, session: Any) -> Any: ...

    def follow(self, source: Any, path: str, session: Any) -> Sequence[Any]: ...

    def vm_by_id(self, vm_id: str | None) -> Machine | None: ...

    def ancestor_moids(self, vm: Machine) -> set[str]: ...

    def selection_changed(self, moids: Iterable[str]) -> None: ...

    def subscribe(self, collector: Any) -> None: ...

    def unsubscribe(self, collector: Any) -> None: ...

    def notify(self, moids: Iterable[str]) -> None: ...
