"""Parses the engine's XML lists as they arrive, so that no list is held whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from chaosvm.runtime.unpacking import MOST_ITEMS, MOST_STREAMED, Measure, too_large

__all__ = ["XmlListParser", "UnexpectedXml"]

T = TypeVar("T")

# Half of a long list is sections that are not used here. Cutting them out before
# parsing takes a tenth of the time of parsing them.
_UNUSED_SECTIONS = (b"actions", b"custom_properties")
_MAX_ITEM_BYTES = 4 * 1024 * 1024
# LookupError: an unknown encoding.
_XML_ERRORS = (ParseError, LookupError, ValueError)


class UnexpectedXml(Exception):
    """The answer is not a complete list of the expected items."""


class XmlListParser(Generic[T]):
    """Converts each item, a child of the root element, with ``convert``."""

    def __init__(
        self, collection: str, item: str, convert: Callable[[Element], T], requires_id: bool = True
    ) -> None:
        """``requires_id`` is false for the API's root, the only item without an id."""
        self.items: list[T] = []
        self._requires_id = requires_id
        self._collection, self._item, self._convert = collection, item, convert
        self._end_of_item = f"</{item}>".encode()
        # An outer element gives access to the items while the tree is being built.
        builder = TreeBuilder()
        self._outer = builder.start("outer", {})
        self._parser = XMLParser(target=builder)
        self._rest = b""
        self._has_markup = False  # comments or CDATA
        self._measure = Measure(MOST_STREAMED, "the engine")

    def feed(self, chunk: bytes) -> None:
        """Parse up to the last complete item and buffer the rest, so that sections are whole."""
        self._measure.add(chunk)
        self._rest += chunk
        end = self._rest.rfind(self._end_of_item)
        if end >= 0:
            self._parse(self._rest[:end])
            self._rest = self._rest[end:]
            self._take_items(complete=False)
        if len(self._rest) > _MAX_ITEM_BYTES:
            raise too_large("the engine", f"{_MAX_ITEM_BYTES // 1024 // 1024} MB in one item")
        if len(self.items) > MOST_ITEMS:
            raise too_large("the engine", f"{MOST_ITEMS:,} items")

    def close(self) -> list[T]:
        self._parse(self._rest)
        try:
            self._parser.close()
        except _XML_ERRORS as error:
            raise UnexpectedXml(str(error)) from None
        self._take_items(complete=True)
        return self.items

    def _parse(self, text: bytes) -> None:
        # Within a comment or CDATA, tags are plain text, and only the parser finds their ends.
        # Searching for one character is much faster than for two.
        self._has_markup = self._has_markup or (b"!" in text and b"<!" in text)
        if not self._has_markup:
            for name in _UNUSED_SECTIONS:
                text = self._without(name, text)
        try:
            self._parser.feed(text)
        except _XML_ERRORS as error:
            raise UnexpectedXml(str(error)) from None

    def _without(self, name: bytes, text: bytes) -> bytes:
        """The text without these sections. Safe, as plain text has &lt; in place of <."""
        first, *others = text.split(b"<%b>" % name)
        remaining = [first]
        for part in others:
            section, end, after = part.partition(b"</%b>" % name)
            if not end or self._end_of_item in section:
                raise UnexpectedXml(f"<{name.decode()}> without an end")
            remaining.append(after)
        return b"".join(remaining)

    def _take_items(self, complete: bool) -> None:
        """Convert the complete items; the last one is, once the document is ``complete``."""
        if len(self._outer) == 0:
            return
        root = self._outer[0]
        if root.tag == self._item:  # a single item was requested
            items = [root] if complete else []
        elif root.tag == self._collection:
            items = root[:] if complete else root[:-1]
            del root[: len(items)]
        else:
            raise UnexpectedXml(f"<{root.tag}> instead of <{self._collection}>")
        for item in items:
            if item.tag != self._item or (self._requires_id and not item.get("id")):
                raise UnexpectedXml(f"<{item.tag}> instead of <{self._item}> with an id")
            try:
                self.items.append(self._convert(item))
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise UnexpectedXml(f"in {item.tag} {item.get('id')}: {error}") from None
