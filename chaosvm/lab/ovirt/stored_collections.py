"""Collections of stored objects: how they are shown, added, updated and removed.

Elements are in the order of the engine's schema: name and description, links to
collections, values, and references to other objects, each by the alphabet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import deepcopy
from xml.etree.ElementTree import Element, SubElement

from chaosvm.lab.ovirt import bodies
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.bodies import value
from chaosvm.lab.ovirt.collection import Action, Call, Collection
from chaosvm.lab.ovirt.hrefs import API, REFERENCES
from chaosvm.lab.ovirt.kinds import KINDS
from chaosvm.lab.ovirt.markup import Node, actions, leaf_text, links, node, text
from chaosvm.lab.ovirt.registry import Event, Kind, Registry, Stored, View, new_element

__all__ = ["described", "referenced", "stored_collections"]

_HEAD = ("name", "description", "comment")
# References that show more than an id.
_NAMED = frozenset(("domain",))


def stored_collections(registry: Registry) -> Sequence[Collection]:
    return [
        collection
        for kind in KINDS
        for collection in (
            _collection(registry, kind, None),
            *(_collection(registry, kind, view) for view in kind.views),
        )
    ]


def _collection(registry: Registry, kind: Kind, view: View | None) -> Collection:
    store = _Store(registry, kind, view)
    writable = not kind.read_only
    return Collection(
        path=view.path if view else kind.path,
        root=kind.plural,
        element=kind.element,
        items=store.items,
        described=lambda call, stored: described(kind, call.path, stored.element),
        entity=kind.entity if view is None else "",
        add=store.add if writable else None,
        update=store.update if writable else None,
        remove=store.remove if writable else None,
        actions={name: store.switch(*change) for name, change in kind.switches.items()},
    )


class _Store:
    """The objects of one kind, or those of them in a view."""

    def __init__(self, registry: Registry, kind: Kind, view: View | None) -> None:
        self._registry = registry
        self._kind = kind
        self._view = view

    def items(self, call: Call) -> Sequence[Stored]:
        stored = self._registry.all(self._kind, self._parents(call))
        if self._view is None:
            return stored
        wanted = f"{self._view.by}/id"
        return [each for each in stored if value(each.element, wanted) == call.parent]

    def add(self, call: Call, body: Element) -> Stored:
        bodies.mandatory(body, self._kind.mandatory, self._kind.parameter)
        element = new_element(self._kind, body)
        above = self._view.by if self._view else self._kind.parent
        if above and call.parents:
            _replace(element, referenced(above, call.parent))
        element = self._completed(call, element)
        self._refuse_taken(call, element)
        stored = self._registry.put(self._kind, self._parents(call), element)
        self._record(call, self._kind.added, stored)
        return stored

    def update(self, call: Call, stored: Stored, body: Element) -> Stored:
        self._refuse_protected(stored, "edit")
        body.attrib.clear()
        element = bodies.merged(stored.element, body)
        element = self._completed(call, element)
        self._refuse_taken(call, element)
        updated = self._registry.put(self._kind, self._parents(call), element)
        self._record(call, self._kind.updated, updated)
        return updated

    def remove(self, call: Call, stored: Stored) -> None:
        self._refuse_protected(stored, "remove")
        lists, fault = self._kind.in_use
        if any(stored.element.find(f"{each}/*") is not None for each in lists):
            raise Failure(409, f"[{fault}]")
        self._registry.drop(self._kind, self._parents(call), stored.id)
        self._record(call, self._kind.removed, stored)

    def _parents(self, call: Call) -> Sequence[str]:
        return () if self._view else call.parents

    def switch(self, tag: str, text: str) -> Action:
        """An action that sets a value."""

        def action(call: Call, stored: Stored, body: Element) -> None:
            element = deepcopy(stored.element)
            bodies.set_value(element, tag, text)
            self._registry.put(self._kind, self._parents(call), element)

        return action

    def _completed(self, call: Call, element: Element) -> Element:
        self._registry.resolve(element, *self._kind.refers)
        completes = self._kind.completes
        return element if completes is None else completes(call, self._registry, element)

    def _refuse_taken(self, call: Call, element: Element) -> None:
        name = value(element, "name")
        others = self._registry.all(self._kind, self._parents(call))
        taken = any(each.name == name and each.id != element.get("id") for each in others)
        if self._kind.taken and taken:
            raise Failure(self._kind.taken_status, f"[{self._kind.taken.format(name=name)}]")

    def _refuse_protected(self, stored: Stored, action: str) -> None:
        tag, text, fault = self._kind.protected
        if tag and value(stored.element, tag) == text:
            raise Failure(409, f"[{fault.format(action=action)}]")

    def _record(self, call: Call, event: Event | None, stored: Stored) -> None:
        if event is None:
            return
        code, text = event
        names = {"name": stored.name, "id": stored.id, "user": "{user}"}
        for tag in re.findall(r"{(\w+)}", text):
            if tag not in names:
                names[tag] = self._registry.name_of(stored.element.find(tag))
        call.note(code, text.format(**names))


def referenced(element: str, item_id: str, name: str = "") -> Element:
    """A reference to another object."""
    reference = Element(element, id=item_id)
    if name:
        SubElement(reference, "name").text = name
    return reference


def _replace(element: Element, child: Element) -> None:
    for old in element.findall(child.tag):
        element.remove(old)
    element.append(child)


def described(kind: Kind, path: str, element: Element) -> Node:
    """An object in the collection with this path."""
    own = f"{path}/{element.get('id')}"
    children = [child for child in element if child.tag not in kind.hidden]
    head = [child for tag in _HEAD for child in children if child.tag == tag]
    rest = sorted((c for c in children if c.tag not in _HEAD), key=lambda child: child.tag)
    values = [child for child in rest if not _is_link(child)]
    references = [child for child in rest if _is_link(child)]
    return node(
        kind.element,
        actions(own, kind.actions.split()) if kind.actions else None,
        *map(_node, head),
        *links(own, kind.links.split()),
        *_searches(own, kind.searches.split()),
        *map(_node, values),
        *map(_node, references),
        href=own,
        id=element.get("id", ""),
    )


def _searches(own: str, names: Sequence[str]) -> list[Node]:
    return [
        node("link", href=f"{own}/{name}?search={{query}}", rel=f"{name}/search") for name in names
    ]


def _is_link(child: Element) -> bool:
    is_list = child.tag.removesuffix("s") in REFERENCES or child.tag.endswith("_labels")
    return child.tag in REFERENCES or is_list


def _node(element: Element) -> Node:
    attributes = dict(element.attrib)
    collection = REFERENCES.get(element.tag)
    if collection and "id" in attributes:
        attributes = {"href": f"{API}/{collection}/{attributes['id']}", "id": attributes["id"]}
        if element.tag not in _NAMED:
            return node(element.tag, **attributes)
    head = _HEAD if "id" in attributes else ()
    ordered = sorted(element, key=lambda child: (child.tag not in head, child.tag))
    children = list(map(_node, ordered))
    content = leaf_text(element)
    if children or attributes or content is None:
        return node(element.tag, *children, **attributes)
    return text(element.tag, content)
