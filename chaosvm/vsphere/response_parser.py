"""Parses responses of the property collector while they arrive.

pyvmomi creates an object for every value, which takes many times as long as the
server needs to respond. A response repeats one simple form for each value of
each object. So expat only verifies that all of it is well-formed XML, and
objects in that form are split as text. Every character must match: an object in
any other form (with character references, or a missingSet) is parsed with
ElementTree, and a response in any other form raises UnknownForm. Nothing is
skipped or guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from sys import intern
from typing import Any
from xml.etree.ElementTree import XML, Element, ParseError
from xml.parsers.expat import ExpatError, ParserCreate

from chaosvm.runtime.unpacking import MOST_ITEMS, too_large
from chaosvm.vsphere.properties import FROM_TEXT, FROM_TREE, ObjectProperties

__all__ = ["ResponseParser", "UnknownForm", "read_page"]

_ATTRIBUTES = r"""(?:\s+[\w:.-]+="[^"<>&]*")*"""
# A response up to its first object; %s is the method.
_BEFORE = (
    rf"(?:<\?xml[^<>]*\?>\s*)?<(?P<soap>[\w.-]+:)?Envelope(?P<spaces>{_ATTRIBUTES})>\s*"
    r"<(?P=soap)Body>\s*"
    r'<%sResponse xmlns="urn:vim25"><returnval>(?:<token>(?P<token>[^<>&]*)</token>)?'
)
_AFTER = r"</returnval></%sResponse>\s*</%sBody>\s*</%sEnvelope>\s*"
_OBJECT_END = "</objects>"
_OBJECT = re.compile(
    r'<objects><obj type="(\w+)">([^<>]+)</obj><propSet><name>(.*)</val></propSet>', re.S
)
_BETWEEN = "</val></propSet><propSet><name>"
_VALUE_START = '">'
# What precedes a value. Few variants exist, so each is matched only once.
_HEAD = re.compile(rf"""([\w.]+)</name><val{_ATTRIBUTES}>""")
_TAG = "{urn:vim25}"
_MAX_OBJECT_SIZE = 4 * 1024 * 1024


class UnknownForm(Exception):
    """Well-formed XML that may be a valid response, but not in the form known here."""


def read_page(chunks: Iterable[bytes], method: str) -> ResponseParser:
    """Parses the response to a method that retrieves properties.

    Raises UnknownForm, and ExpatError if it is not SOAP or incomplete.
    """
    page = ResponseParser(method)
    for chunk in chunks:
        page.feed(chunk)
    page.close()
    return page


class ResponseParser:
    """The objects in one response, and the token for the next page if there is one."""

    def __init__(self, method: str) -> None:
        self.objects: list[ObjectProperties] = []
        self.token: str | None = None
        # True if the server returned NotAuthenticated for a property.
        self.unauthenticated = False
        self._method = method
        self._header: re.Match[str] | None = None
        self._buffer = b""
        self._known_heads: dict[str, str] = {}
        self._parser = parser = ParserCreate()
        parser.StartElementHandler = self._start_document
        parser.StartDoctypeDeclHandler = _not_soap
        parser.XmlDeclHandler = _require_utf8
        # These could contain text that looks like elements.
        parser.CommentHandler = _refuse
        parser.ProcessingInstructionHandler = _refuse
        parser.StartCdataSectionHandler = _refuse

    def feed(self, chunk: bytes) -> None:
        self._parser.Parse(chunk)
        self._buffer += chunk
        end = self._buffer.rfind(b"</objects>")
        if end >= 0:
            self._parse_objects(self._buffer[:end].decode())
            self._buffer = self._buffer[end + len(_OBJECT_END) :]
        if len(self._buffer) > _MAX_OBJECT_SIZE:
            raise too_large("the vCenter", f"{_MAX_OBJECT_SIZE // 1024 // 1024} MB in one object")
        if len(self.objects) > MOST_ITEMS:
            raise too_large("the vCenter", f"{MOST_ITEMS:,} objects")

    def close(self) -> None:
        """The response is complete."""
        self._parser.Parse(b"", True)
        soap = re.escape((self._header and self._header["soap"]) or "")
        after = _AFTER % (self._method, soap, soap)
        if self._header is None or not re.fullmatch(after, self._buffer.decode()):
            raise UnknownForm("a response without objects, or with something after them")

    def _start_document(self, tag: str, _: dict[str, str]) -> None:
        self._parser.StartElementHandler = None
        if tag.rpartition(":")[2] != "Envelope":
            _not_soap()

    def _parse_objects(self, text: str) -> None:
        """Parses complete objects; the end tag of the last is left out."""
        if self._header is None:
            self._header = re.match(_BEFORE % self._method, text)
            if self._header is None:
                raise UnknownForm("an unknown start")
            self.token = self._header["token"]
            text = text[self._header.end() :]
        try:
            self.objects += map(self._parse_object, text.split(_OBJECT_END))
        except (LookupError, TypeError, ValueError, ParseError) as error:
            raise UnknownForm(f"an object in an unknown form: {error!r}") from error

    def _parse_object(self, text: str) -> ObjectProperties:
        match = _OBJECT.fullmatch(text)
        # XML parsers replace character references and line ends.
        if match is None or "&" in text or "\r" in text:
            return self._from_tree(text)
        properties: dict[str, Any] = {}
        for item in match[3].split(_BETWEEN):
            head, separator, value = item.partition(_VALUE_START)
            name = self._known_heads.get(head) or self._property_name(head + separator)
            if name is None:
                return self._from_tree(text)
            if "<" in value:
                properties[name] = self._parse_list(name, head, value)
            else:
                properties[name] = FROM_TEXT[name](value)
        return ObjectProperties(intern(match[1]), match[2], properties)

    def _property_name(self, head: str) -> str | None:
        """The name of the property that a value belongs to; None if the form is unknown."""
        match = _HEAD.fullmatch(head)
        if match is None:
            return None
        return self._known_heads.setdefault(head.removesuffix(_VALUE_START), intern(match[1]))

    def _parse_list(self, name: str, head: str, items: str) -> Any:
        parse, required = FROM_TREE[name]
        if required not in items:
            return parse(())
        # With its own start tag, which may declare namespaces.
        tree = self._tree(f"<propSet><name>{head}{_VALUE_START}{items}</val></propSet>")
        return _parse_property(tree[0])[name]

    def _tree(self, text: str) -> Element:
        """Parses elements of the response, inside an element with the envelope's namespaces."""
        assert self._header is not None
        tree = XML(f'<in xmlns="urn:vim25"{self._header["spaces"]}>{text}</in>')
        for element in tree.iter():
            texts = (element.text if len(element) else "", element.tail)
            if "".join(text or "" for text in texts).strip():
                raise UnknownForm(f"text next to {element.tag}")
        return tree

    # Any other form ----------------------------------------------------------------------

    def _from_tree(self, text: str) -> ObjectProperties:
        tree, *others = self._tree(text + _OBJECT_END)
        obj, *parts = tree
        if others or tree.tag != f"{_TAG}objects" or obj.tag != f"{_TAG}obj" or not obj.text:
            raise UnknownForm(f"{tree.tag} instead of an object")
        properties: dict[str, Any] = {}
        for part in parts:
            if part.tag == f"{_TAG}propSet":
                properties |= _parse_property(part)
            elif part.tag == f"{_TAG}missingSet":
                self._parse_missing(part)
            else:
                raise UnknownForm(f"{part.tag} in an object")
        return ObjectProperties(obj.attrib["type"], obj.text, properties)

    def _parse_missing(self, part: Element) -> None:
        """The reason for a missing property does not matter, unless the session has ended."""
        kinds = [kind for fault in part.iter(f"{_TAG}fault") for kind in fault.attrib.values()]
        if any(kind.rpartition(":")[2] == "NotAuthenticated" for kind in kinds):
            self.unauthenticated = True


def _parse_property(part: Element) -> dict[str, Any]:
    """Empty if the property has no value, as in a page that continues another."""
    name, *values = part
    if name.tag != f"{_TAG}name" or [value.tag for value in values] not in ([], [f"{_TAG}val"]):
        raise UnknownForm("an unknown form of property")
    if not values:
        return {}
    (value,) = values
    key = name.text or ""
    if key in FROM_TREE:
        return {key: FROM_TREE[key][0](value)}
    if len(value):
        raise UnknownForm(f"{key} has elements")
    return {key: FROM_TEXT[key](value.text or "")}


def _require_utf8(version: str, encoding: str | None, standalone: int) -> None:
    if (encoding or "utf-8").lower() != "utf-8":
        raise UnknownForm(f"the encoding {encoding}")


def _refuse(*_: Any) -> None:
    raise UnknownForm("a comment, a processing instruction or CDATA")


def _not_soap(*_: Any) -> None:
    """SOAP starts with an envelope and has no DOCTYPE: this is some web page."""
    raise ExpatError("not SOAP")
