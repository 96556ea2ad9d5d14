"""What clients set on VMs, hosts, clusters and templates beyond what the lab simulates.

It is kept beside the object, and shown in place of what the lab shows by itself.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Collection
from xml.etree.ElementTree import Element

from chaosvm.lab.ovirt.bodies import merged, value
from chaosvm.lab.ovirt.hrefs import REFERENCES
from chaosvm.lab.ovirt.markup import Node, from_element

__all__ = ["Overlay", "inserted"]


class Overlay:
    """The additional members of objects, by their ids."""

    def __init__(self) -> None:
        self._members: dict[str, Element] = {}

    def keep(self, item_id: str, body: Element, simulated: Collection[str]) -> None:
        """Keep the members of a body that the lab does not simulate."""
        kept = Element(body.tag)
        kept.extend(
            child for child in body if child.tag not in simulated and child.tag not in REFERENCES
        )
        if len(kept):
            self._members[item_id] = merged(self._members.get(item_id, Element(body.tag)), kept)

    def copy(self, item_id: str, copy_id: str) -> None:
        if item_id in self._members:
            self._members[copy_id] = self._members[item_id]

    def drop(self, item_id: str) -> None:
        self._members.pop(item_id, None)

    def text(self, item_id: str, path: str) -> str | None:
        members = self._members.get(item_id)
        return None if members is None else value(members, path)

    def has(self, item_id: str) -> bool:
        return item_id in self._members

    def applied(self, item_id: str, shown: Node) -> Node:
        """An object with its additional members."""
        members = self._members.get(item_id)
        return shown if members is None else inserted(shown, members)


def inserted(shown: Node, members: Element) -> Node:
    """An object with more members, in the order of the alphabet after its links."""
    element = ElementTree.fromstring(shown.written())
    for member in members:
        old = element.find(member.tag)
        if old is not None:
            index = list(element).index(old)
            wrapped = Element("both")
            wrapped.append(old)
            new = Element("both")
            new.append(member)
            element[index] = merged(wrapped, new)[0]
        else:
            element.insert(_position(element, member.tag), member)
    return from_element(element)


def _position(element: Element, tag: str) -> int:
    tags = [child.tag for child in element]
    first = next((i + 1 for i in range(len(tags) - 1, -1, -1) if tags[i] in _HEAD), 0)
    position = first
    while position < len(tags) and tags[position] < tag and tags[position] not in _ENDS:
        position += 1
    return position


# The first references after the values; icons are among the values.
_ENDS = REFERENCES.keys() - {"large_icon", "small_icon"}
_HEAD = ("link", "name", "description", "comment", "actions")
