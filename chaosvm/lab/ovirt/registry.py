"""Objects that only the engine has: networks, quotas, roles and so on.

Each is an XML element as clients send it, with what a new one has by itself. They are kept
by the path of their collection. The tables in ``kinds`` declare them.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import merged, of_json, value
from chaosvm.lab.ovirt.collection import Call
from chaosvm.lab.ovirt.hrefs import REFERENCES, filled
from chaosvm.lab.simulation import World

__all__ = ["Kind", "Registry", "Stored", "View"]

_WORLD: Mapping[str, Callable[[World], Sequence[Any]]] = {
    "vm": lambda world: world.vms,
    "host": lambda world: world.hosts,
    "cluster": lambda world: world.clusters,
    "data_center": lambda world: world.datacenters,
}


@dataclass(frozen=True, slots=True)
class Stored:
    """One object: its element, without links to its collections and actions."""

    element: Element

    @property
    def id(self) -> str:
        return self.element.get("id", "")

    @property
    def name(self) -> str:
        return value(self.element, "name") or ""


@dataclass(frozen=True, slots=True)
class View:
    """Another path of a kind, with those objects that refer to the parent."""

    path: str
    by: str


# The code and text of an event. Names of references may be in it: {cluster}.
Event = tuple[int, str]
Completes = Callable[[Call, "Registry", Element], Element]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Objects of one kind.

    path: their collection; ``parent`` is the element that refers to the object above.
    defaults: the members of a new one. links: its collections.
    """

    path: str
    element: str
    root: str = ""
    parent: str = ""
    views: Sequence[View] = ()
    links: str = ""
    actions: str = ""
    # Actions that only set a value.
    switches: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    mandatory: Sequence[str] = ("name",)
    # What the engine calls the body in faults about mandatory members.
    parameter: str = ""
    # References by name, which become references by id.
    refers: Sequence[str] = ()
    # The id is the client's, such as that of a network that is attached to a cluster.
    keeps_id: bool = False
    # The fault if the name is taken; empty if names may repeat.
    taken: str = ""
    taken_status: int = 409
    # Lists that must be empty before an object is removed, and the fault if they are not.
    in_use: tuple[Sequence[str], str] = ((), "")
    # A member, its value in objects that cannot be changed, and the fault.
    protected: tuple[str, str, str] = ("", "", "")
    # Links to collections that can be searched.
    searches: str = ""
    entity: str = ""
    added: Event | None = None
    updated: Event | None = None
    removed: Event | None = None
    read_only: bool = False
    # Completes or refuses an element that is added or updated.
    completes: Completes | None = None
    # Objects that exist from the beginning, also for what is added to the world later.
    seeds: Callable[[World], Iterable[tuple[str, Element]]] = lambda world: ()
    # Members that are only kept for searches and collections.
    hidden: frozenset[str] = frozenset()

    @property
    def plural(self) -> str:
        return self.root or f"{self.element}s"


class Registry:
    """The stored objects, by kind and by the ids of their parents."""

    def __init__(self, world: World, kinds: Sequence[Kind]) -> None:
        self.world = world
        self.kinds: Mapping[str, Kind] = {kind.path: kind for kind in kinds}
        self._objects: dict[str, dict[str, Stored]] = {}
        self._seeded: set[str] = set()
        self._generations: dict[str, int] = {}

    def all(self, kind: Kind, parents: Sequence[str] = ()) -> list[Stored]:
        self._seed(kind)
        return list(self._objects.get(filled(kind.path, parents), {}).values())

    def put(self, kind: Kind, parents: Sequence[str], element: Element) -> Stored:
        """Add or replace an object; a new one gets an id."""
        if not element.get("id"):
            element.set("id", str(uuid.uuid4()))
        stored = Stored(element)
        self._objects.setdefault(filled(kind.path, parents), {})[stored.id] = stored
        return stored

    def drop(self, kind: Kind, parents: Sequence[str], item_id: str) -> None:
        self._objects.get(filled(kind.path, parents), {}).pop(item_id, None)

    def find(self, path: str, id_or_name: str, parents: Sequence[str] = ()) -> Stored | None:
        """An object of a collection, by id or name."""
        for stored in self.all(self.kinds[path], parents):
            if id_or_name in (stored.id, stored.name):
                return stored
        return None

    def lookup(self, element: str, id_or_name: str) -> Any | None:
        """The object that this element refers to; None if it does not exist."""
        if element in _WORLD:
            items = _WORLD[element](self.world)
            return next((each for each in items if id_or_name in (each.id, each.name)), None)
        path = REFERENCES.get(element, "")
        return self.find(path, id_or_name) if path in self.kinds else None

    def name_of(self, reference: Element | None) -> str:
        """The name of the object that is referred to; empty without one."""
        if reference is None:
            return ""
        found = self.lookup(reference.tag, reference.get("id", ""))
        return str(found.name) if found is not None else ""

    def resolve(self, element: Element, *tags: str) -> None:
        """Let these references have the ids and names of their objects."""
        for tag in tags:
            for reference in element.findall(tag):
                self.resolve_reference(reference)

    def resolve_reference(self, reference: Element) -> Any:
        """The object that is referred to. Raises the engine's Failure if there is none."""
        wanted = reference.get("id") or value(reference, "name")
        if wanted is None:  # removes the reference, such as a profile's quality of service
            return None
        found = self.lookup(reference.tag, wanted)
        if found is None:
            kind = reference.tag.replace("_", "").capitalize()
            by = f"id={wanted}" if reference.get("id") else f"name={wanted}"
            raise Failure(404, f"Entity not found: {kind}: {by}")
        reference.clear()
        reference.set("id", found.id)
        SubElement(reference, "name").text = found.name
        return found

    def copied(self, path: str, element: Element) -> Element:
        """The object of another collection that an element refers to, with its members."""
        wanted = element.get("id") or value(element, "name") or ""
        original = self.find(path, wanted)
        if original is None:
            kind = self.kinds[path].element.replace("_", " ").capitalize()
            raise Failure(404, f"Entity not found: {kind}: name={wanted}")
        return merged(original.element, element)

    def _seed(self, kind: Kind) -> None:
        if self._generations.get(kind.path) == self.world.generation:
            return
        self._generations[kind.path] = self.world.generation
        for path, element in kind.seeds(self.world):
            key = f"{path}/{element.get('id')}"
            if key not in self._seeded:
                self._seeded.add(key)
                self._objects.setdefault(path, {})[element.get("id", "")] = Stored(element)


def new_element(kind: Kind, body: Element) -> Element:
    """The element of a new object: the defaults, with what the client sends."""
    element = merged(of_json(kind.element, kind.defaults), body)
    element.attrib.pop("href", None)
    if not kind.keeps_id:
        element.attrib.pop("id", None)
    return element
