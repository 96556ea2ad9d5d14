"""Bodies of requests: XML, or JSON in the same structure, as elements.

Source: the recordings ``vm-start-*`` and ``tag-add-no-name``.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from aiohttp import web

from chaosvm.lab.ovirt.answers import Failure

__all__ = ["flag", "mandatory", "merged", "of_json", "read_body", "set_value", "value"]

_INCOMPLETE = "Input validation failed."


async def read_body(request: web.Request, expected: str) -> Element:
    """The element of a request. Raises the engine's Failure for what is not ``expected``."""
    kind = request.content_type if "Content-Type" in request.headers else ""
    if kind not in ("application/xml", "application/json"):
        raise Failure(415)
    body = await request.read()
    root = _parsed(body, kind, expected)
    if root is None or root.tag != expected:
        usage = f"{request.scheme}://{request.host}/ovirt-engine/apidoc"
        reason = "Request syntactically incorrect."
        raise Failure(400, f"For correct usage, see: {usage}", reason)
    return root


def _parsed(body: bytes, kind: str, expected: str) -> Element | None:
    try:
        if kind == "application/json":
            return of_json(expected, json.loads(body or b"{}"))
        return ElementTree.fromstring(body)
    except (ValueError, ElementTree.ParseError):
        return None


def of_json(tag: str, value: object) -> Element:
    """The element that JSON stands for: members are children, or the attributes id and href."""
    element = Element(tag)
    if isinstance(value, dict):
        for name, member in value.items():
            if name in ("id", "href"):
                element.set(name, str(member))
            else:
                members = member if isinstance(member, list) else [member]
                element.extend(of_json(name, each) for each in members)
    elif value is not None:
        element.text = str(value).lower() if isinstance(value, bool) else str(value)
    return element


def value(element: Element, path: str) -> str | None:
    """The text at a path, or of the attribute ``id``; None if it is not there."""
    if path == "id":
        return element.get("id") or element.findtext("id")
    if path.endswith("/id"):
        parent = element.find(path[:-3])
        return None if parent is None else value(parent, "id")
    found = element.find(path)
    return None if found is None else (found.text or "").strip()


def flag(element: Element, path: str) -> bool | None:
    """A boolean; None if it is not there."""
    text = value(element, path)
    return None if text is None else text in ("true", "1")


def set_value(element: Element, tag: str, text: str) -> None:
    """Set the text of a child, which is added if it is missing."""
    child = element.find(tag)
    if child is None:
        child = SubElement(element, tag)
    child.text = text


def mandatory(element: Element, names: Sequence[str], parameter: str = "") -> None:
    """Raise the engine's Failure for the first member that is missing, such as network.id."""
    for name in names:
        if not any(_is_given(element, each.replace(".", "/")) for each in name.split("|")):
            detail = (
                f"Parameter '{parameter or element.tag}.{name}' is mandatory but was not provided."
            )
            raise Failure(400, detail, _INCOMPLETE)


def _is_given(element: Element, path: str) -> bool:
    if path.endswith("/id") and any(each.get("id") for each in element.findall(f"{path[:-3]}/*")):
        return True
    found = element.find(path)
    return bool(value(element, path)) or (found is not None and len(found) > 0)


def merged(old: Element, new: Element) -> Element:
    """An element after an update: parts that are in ``new`` replace those of ``old``."""
    result = Element(old.tag, {**old.attrib, **new.attrib})
    replaced = {child.tag: child for child in new}
    for child in old:
        update = replaced.pop(child.tag, None)
        result.append(child if update is None else _part(child, update))
    result.extend(replaced.values())
    return result


def _part(old: Element, new: Element) -> Element:
    """Structures are merged; lists, references and values are replaced."""
    tags = [child.tag for child in (*old, *new)]
    is_list = any(f"{tag}s" == old.tag for tag in tags)
    is_structure = len(old) > 0 and len(new) > 0 and not is_list
    return merged(old, new) if is_structure else new
