"""The property collector's answers, read while they arrive.

pyvmomi makes an object of every value, which takes many times as long as the
answer itself. But an answer is one simple form, repeated for each value of
each object. So expat only makes sure that all of it is well-formed XML, and
what is in that form is taken apart as text. Every character has to be
accounted for: an object that is not just so (because it holds references to
characters, or names what is missing) goes through ElementTree, and an answer
that is not just so raises NotUnderstood. Nothing is skipped or guessed.
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

__all__ = ["NotUnderstood", "ResponseParser", "read_page"]

_ATTRIBUTES = r"""(?:\s+[\w:.-]+="[^"<>&]*")*"""
# The beginning of an answer up to its first object; %s is the method.
_BEFORE = (
    rf"(?:<\?xml[^<>]*\?>\s*)?<(?P<soap>[\w.-]+:)?Envelope(?P<spaces>{_ATTRIBUTES})>\s*"
    r"<(?P=soap)Body>\s*"
    r'<%sResponse xmlns="urn:vim25"><returnval>(?:<token>(?P<token>[^<>&]*)</token>)?'
)
_AFTER = r"</returnval></%sResponse>\s*</%sBody>\s*</%sEnvelope>\s*"
_OBJECT_ENDS = "</objects>"
_OBJECT = re.compile(
    r'<objects><obj type="(\w+)">([^<>]+)</obj><propSet><name>(.*)</val></propSet>', re.S
)
_BETWEEN = "</val></propSet><propSet><name>"
_VALUE_BEGINS = '">'
# What stands before a value: there are few different ones, so each is looked at once.
_HEAD = re.compile(rf"""([\w.]+)</name><val{_ATTRIBUTES}>""")
_TAG = "{urn:vim25}"
_LONGEST_OBJECT = 4 * 1024 * 1024


class NotUnderstood(Exception):
    """Well-formed XML that may well be right, but not in the form known here."""


def read_page(pieces: Iterable[bytes], method: str) -> ResponseParser:
    """The whole answer of a method that retrieves properties.

    Raises NotUnderstood, and ExpatError for what is not SOAP, or not all of it.
    """
    page = ResponseParser(method)
    for piece in pieces:
        page.feed(piece)
    page.close()
    return page


class ResponseParser:
    """The objects in one answer, and the token for the next if there is one."""

    def __init__(self, method: str) -> None:
        self.objects: list[ObjectProperties] = []
        self.token: str | None = None
        # The server said that nobody is logged in.
        self.unauthenticated = False
        self._method = method
        self._begin: re.Match[str] | None = None
        self._rest = b""
        self._names: dict[str, str] = {}
        self._parser = parser = ParserCreate()
        parser.StartElementHandler = self._start_document
        parser.StartDoctypeDeclHandler = _not_soap
        parser.XmlDeclHandler = _only_utf8
        # These could hide what looks like elements.
        parser.CommentHandler = _refuse
        parser.ProcessingInstructionHandler = _refuse
        parser.StartCdataSectionHandler = _refuse

    def feed(self, piece: bytes) -> None:
        self._parser.Parse(piece)
        self._rest += piece
        end = self._rest.rfind(b"</objects>")
        if end >= 0:
            self._take(self._rest[:end].decode())
            self._rest = self._rest[end + len(_OBJECT_ENDS) :]
        if len(self._rest) > _LONGEST_OBJECT:
            raise too_large("the vCenter", f"{_LONGEST_OBJECT // 1024 // 1024} MB in one object")
        if len(self.objects) > MOST_ITEMS:
            raise too_large("the vCenter", f"{MOST_ITEMS:,} objects")

    def close(self) -> None:
        """All that arrived is all there is."""
        self._parser.Parse(b"", True)
        soap = re.escape((self._begin and self._begin["soap"]) or "")
        after = _AFTER % (self._method, soap, soap)
        if self._begin is None or not re.fullmatch(after, self._rest.decode()):
            raise NotUnderstood("an answer without objects, or with something behind them")

    def _start_document(self, tag: str, _: dict[str, str]) -> None:
        self._parser.StartElementHandler = None
        if tag.rpartition(":")[2] != "Envelope":
            _not_soap()

    def _take(self, text: str) -> None:
        """So many objects, all but the last with their end."""
        if self._begin is None:
            self._begin = re.match(_BEFORE % self._method, text)
            if self._begin is None:
                raise NotUnderstood("an unknown beginning")
            self.token = self._begin["token"]
            text = text[self._begin.end() :]
        try:
            self.objects += map(self._object, text.split(_OBJECT_ENDS))
        except (LookupError, TypeError, ValueError, ParseError) as error:
            raise NotUnderstood(f"something is not what it seemed: {error!r}") from error

    def _object(self, text: str) -> ObjectProperties:
        whole = _OBJECT.fullmatch(text)
        # References and line ends are not what they look like.
        if whole is None or "&" in text or "\r" in text:
            return self._from_tree(text)
        properties: dict[str, Any] = {}
        for item in whole[3].split(_BETWEEN):
            head, begins, value = item.partition(_VALUE_BEGINS)
            name = self._names.get(head) or self._name(head + begins)
            if name is None:
                return self._from_tree(text)
            if "<" in value:
                properties[name] = self._list(name, head, value)
            else:
                properties[name] = FROM_TEXT[name](value)
        return ObjectProperties(intern(whole[1]), whole[2], properties)

    def _name(self, head: str) -> str | None:
        """The property that a value belongs to; None if something else precedes it."""
        known = _HEAD.fullmatch(head)
        if known is None:
            return None
        return self._names.setdefault(head.removesuffix(_VALUE_BEGINS), intern(known[1]))

    def _list(self, name: str, head: str, items: str) -> Any:
        read, needed = FROM_TREE[name]
        if needed not in items:
            return read(())
        # Within its own start tag, which may say what prefixes mean.
        told = self._tree(f"<propSet><name>{head}{_VALUE_BEGINS}{items}</val></propSet>")
        return _property(told[0])[name]

    def _tree(self, text: str) -> Element:
        """What these elements of the answer are, within an element of no meaning."""
        assert self._begin is not None
        tree = XML(f'<in xmlns="urn:vim25"{self._begin["spaces"]}>{text}</in>')
        for each in tree.iter():
            around = (each.text if len(each) else "", each.tail)
            if "".join(part or "" for part in around).strip():
                raise NotUnderstood(f"text beside {each.tag}")
        return tree

    # Anything that is not plain ----------------------------------------------------------

    def _from_tree(self, text: str) -> ObjectProperties:
        told, *others = self._tree(text + _OBJECT_ENDS)
        obj, *parts = told
        if others or told.tag != f"{_TAG}objects" or obj.tag != f"{_TAG}obj" or not obj.text:
            raise NotUnderstood(f"{told.tag} instead of an object")
        properties: dict[str, Any] = {}
        for part in parts:
            if part.tag == f"{_TAG}propSet":
                properties |= _property(part)
            elif part.tag == f"{_TAG}missingSet":
                self._missing(part)
            else:
                raise NotUnderstood(f"{part.tag} in an object")
        return ObjectProperties(obj.attrib["type"], obj.text, properties)

    def _missing(self, part: Element) -> None:
        """Why a property is missing is of no interest, unless it is the whole session."""
        kinds = [kind for fault in part.iter(f"{_TAG}fault") for kind in fault.attrib.values()]
        if any(kind.rpartition(":")[2] == "NotAuthenticated" for kind in kinds):
            self.unauthenticated = True


def _property(part: Element) -> dict[str, Any]:
    """Nothing where a page that continues another has a property without a value."""
    name, *values = part
    if name.tag != f"{_TAG}name" or [value.tag for value in values] not in ([], [f"{_TAG}val"]):
        raise NotUnderstood("a property that is something else")
    if not values:
        return {}
    (value,) = values
    known = name.text or ""
    if known in FROM_TREE:
        return {known: FROM_TREE[known][0](value)}
    if len(value):
        raise NotUnderstood(f"{known} has elements")
    return {known: FROM_TEXT[known](value.text or "")}


def _only_utf8(version: str, encoding: str | None, standalone: int) -> None:
    if (encoding or "utf-8").lower() != "utf-8":
        raise NotUnderstood(f"the encoding {encoding}")


def _refuse(*_: Any) -> None:
    raise NotUnderstood("a comment, an instruction or CDATA")


def _not_soap(*_: Any) -> None:
    """SOAP begins with an envelope, and has no DOCTYPE: this is some page for people."""
    raise ExpatError("not SOAP")
