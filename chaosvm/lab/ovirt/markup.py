"""What the API shows, as XML in the engine's layout and as its JSON.

Things are described once, as nodes in the order of the engine's model; the JSON
is made of the XML. Source: the recordings ``list-*``, ``vm-get*`` and ``api-root*``.
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
    "linked",
    "links",
    "moment",
    "node",
    "parsed",
    "text",
    "to_json",
]

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_INDENT = "    "
# In JSON these are lists, by the element around them.
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
# These are objects though there is nothing in them.
_OBJECTS = frozenset(("engine_backup", "pm_proxies"))
_TIMES = re.compile(r"(.*_)?(time|date)$")


@dataclass(frozen=True, slots=True)
class Node:
    """An element: children or a text, or neither."""

    tag: str
    attributes: str = ""
    children: Sequence[Node] = ()
    content: str | None = None

    def __str__(self) -> str:
        return self.written()

    def written(self, depth: int = 0) -> str:
        begins = f"{_INDENT * depth}<{self.tag}{self.attributes}"
        if self.children:
            inner = "".join(child.written(depth + 1) for child in self.children)
            return f"{begins}>\n{inner}{_INDENT * depth}</{self.tag}>\n"
        if self.content is not None:
            return f"{begins}>{escape(self.content)}</{self.tag}>\n"
        return f"{begins}/>\n"


def node(tag: str, *children: Node | None, **attributes: str) -> Node:
    """Without the children that are None."""
    given = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return Node(tag, given, [child for child in children if child is not None])


def text(tag: str, value: object) -> Node:
    """An element with a text, which may be empty."""
    if isinstance(value, bool):
        value = str(value).lower()
    return Node(tag, content=str(value))


def moment(tag: str, value: dt.datetime | None) -> Node | None:
    """A time as the engine writes it."""
    if value is None:
        return None
    utc = value.astimezone(dt.UTC)
    return text(tag, f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03}Z")


def linked(tag: str, collection: str, number: str | None) -> Node | None:
    """Where a thing is, without its name; None without an id."""
    return node(tag, href=href(collection, number), id=number) if number else None


def parsed(xml: str) -> list[Node]:
    """Nodes of what is always the same, written as XML; between them nothing but blanks."""
    return [_parsed(element) for element in ElementTree.fromstring(f"<all>{xml}</all>")]


def _parsed(element: ElementTree.Element) -> Node:
    given = "".join(f" {name}={quoteattr(value)}" for name, value in element.attrib.items())
    children = [_parsed(child) for child in element]
    content = None if children or element.text is None else element.text
    return Node(element.tag, given, children, content)


def actions(where: str, names: Sequence[str]) -> Node:
    return node("actions", *links(where, names))


def links(where: str, names: Sequence[str]) -> list[Node]:
    return [node("link", href=f"{where}/{name}", rel=name) for name in names]


def to_json(xml: bytes) -> bytes:
    """The same as the engine's JSON: texts, but for moments, which are milliseconds."""
    shown = _value(ElementTree.fromstring(xml))
    return json.dumps(shown, indent=2, separators=(",", " : "), ensure_ascii=False).encode()


def _value(element: ElementTree.Element) -> Any:
    children = list(element)
    if not children and not element.attrib:
        if element.tag in _LISTS or element.tag in _OBJECTS:
            return {}
        return _scalar(element.tag, element.text or "")
    shown: dict[str, Any] = {}
    for child in children:
        value = _value(child)
        if child.tag == "link" or _LISTS.get(element.tag) == child.tag:
            shown.setdefault(child.tag, []).append(value)
        else:
            shown[child.tag] = value
    return shown | dict(element.attrib)


def _scalar(tag: str, value: str) -> Any:
    if _TIMES.fullmatch(tag) and value.endswith("Z"):
        when = dt.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=dt.UTC)
        return round(when.timestamp() * 1000)
    return value
