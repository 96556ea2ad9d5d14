"""Representations as XML in the engine's layout, and as its JSON.

Objects are trees of nodes in the order of the engine; the JSON is converted from the XML.
Source: the recordings ``list-*``, ``vm-get*`` and ``api-root*``.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from chaosvm.lab.ovirt.hrefs import href

__all__ = [
    "DECLARATION",
    "Node",
    "actions",
    "from_element",
    "leaf_text",
    "linked",
    "links",
    "moment",
    "node",
    "node_id",
    "parsed",
    "text",
    "to_json",
]

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_INDENT = "    "
# Elements that are lists in JSON, by their parents.
_LISTS = {
    "vms": "vm",
    "hosts": "host",
    "clusters": "cluster",
    "data_centers": "data_center",
    "tags": "tag",
    "events": "event",
    "templates": "template",
    "statistics": "statistic",
    "values": "value",
    "devices": "device",
    "methods": "method",
    "nics": "nic",
    "snapshots": "snapshot",
    "ips": "ip",
    "reported_devices": "reported_device",
    "disk_attachments": "disk_attachment",
    "supported_versions": "version",
    "supported_rng_sources": "supported_rng_source",
    "required_rng_sources": "required_rng_source",
    "custom_scheduling_policy_properties": "property",
    "permissions": "permission",
    "jobs": "job",
    "users": "user",
}
# Elements that are objects in JSON even if they are empty.
_OBJECTS = frozenset(("engine_backup", "pm_proxies"))
# Elements whose values are strings, even if they are empty.
_TEXTS = frozenset(
    (
        *("comment", "custom_kernel_cmdline", "data", "department", "description", "email"),
        *("last_name", "name", "reported_kernel_cmdline", "value", "version_name"),
    )
)
_TIMES = re.compile(r"(.*_)?(time|date)$")


@dataclass(frozen=True, slots=True)
class Node:
    """An XML element with children, with text, or empty."""

    tag: str
    attributes: str = ""
    children: Sequence[Node] = ()
    content: str | None = None

    def __str__(self) -> str:
        return self.written()

    def written(self, depth: int = 0) -> str:
        start = f"{_INDENT * depth}<{self.tag}{self.attributes}"
        if self.children:
            inner = "".join(child.written(depth + 1) for child in self.children)
            return f"{start}>\n{inner}{_INDENT * depth}</{self.tag}>\n"
        if self.content is not None:
            return f"{start}>{escape(self.content)}</{self.tag}>\n"
        return f"{start}/>\n"


def node(tag: str, *children: Node | None, **attributes: str) -> Node:
    """An element. Children that are None are omitted."""
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return Node(tag, written, [child for child in children if child is not None])


def node_id(item: Node) -> str:
    """The id of an object."""
    found = re.search(r' id="([^"]*)"', item.attributes)
    return found.group(1) if found else ""


def text(tag: str, value: object) -> Node:
    """An element with text, which may be empty."""
    if isinstance(value, bool):
        value = str(value).lower()
    return Node(tag, content=str(value))


def moment(tag: str, value: dt.datetime | None) -> Node | None:
    """A time in the engine's format."""
    if value is None:
        return None
    utc = value.astimezone(dt.UTC)
    return text(tag, f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z")


def linked(tag: str, collection: str, item_id: str | None) -> Node | None:
    """A reference to an object; None without an id."""
    return node(tag, href=href(collection, item_id), id=item_id) if item_id else None


def parsed(xml: str) -> list[Node]:
    """Nodes from a sequence of XML elements."""
    return [from_element(element) for element in ElementTree.fromstring(f"<all>{xml}</all>")]


def from_element(element: ElementTree.Element) -> Node:
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in element.attrib.items())
    children = [from_element(child) for child in element]
    return Node(element.tag, attributes, children, None if children else leaf_text(element))


def leaf_text(element: ElementTree.Element) -> str | None:
    """The text of an element without children; None if it is a structure that is empty.

    Clients tell an empty text, ``<a></a>``, from no value, ``<a/>``.
    """
    if element.text is None and element.tag in _TEXTS:
        return ""
    return element.text


def actions(path: str, names: Sequence[str]) -> Node:
    return node("actions", *links(path, names))


def links(path: str, names: Sequence[str]) -> list[Node]:
    return [node("link", href=f"{path}/{name}", rel=name) for name in names]


def to_json(xml: bytes) -> bytes:
    """The engine's JSON, in which values are strings, except times in milliseconds."""
    value = _value(ElementTree.fromstring(xml))
    return json.dumps(value, indent=2, separators=(",", " : "), ensure_ascii=False).encode()


def _value(element: ElementTree.Element) -> Any:
    children = list(element)
    if not children and not element.attrib:
        if element.tag in _LISTS or element.tag in _OBJECTS:
            return {}
        return _scalar(element.tag, element.text or "")
    members: dict[str, Any] = {}
    for child in children:
        value = _value(child)
        if child.tag == "link" or _LISTS.get(element.tag) == child.tag:
            members.setdefault(child.tag, []).append(value)
        else:
            members[child.tag] = value
    return members | dict(element.attrib)


def _scalar(tag: str, value: str) -> Any:
    if _TIMES.fullmatch(tag) and value.endswith("Z"):
        when = dt.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.UTC)
        return round(when.timestamp() * 1000)
    return value
