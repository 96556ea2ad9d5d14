"""Lists of the engine's, read while they arrive: each item is used, and let go of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from chaosvm.runtime.unpacking import MOST_ITEMS, MOST_STREAMED, Measure, too_large

__all__ = ["XmlListParser", "NotExpected"]

T = TypeVar("T")

# Half of a long list is in sections that nobody here reads. Leaving these out
# before the parser sees them takes a tenth of the time that building them takes.
_LEFT_OUT = (b"actions", b"custom_properties")
_LONGEST_ITEM = 4 * 1024 * 1024
# Also for an encoding that nobody knows.
_NOT_XML = (ParseError, LookupError, ValueError)


class NotExpected(Exception):
    """This is no list of such items, or not all of it."""


class XmlListParser(Generic[T]):
    """What ``made`` makes of each of the items, which are all right below the root."""

    def __init__(
        self, collection: str, item: str, made: Callable[[Element], T], identified: bool = True
    ) -> None:
        """``identified``: each has an id, as all but the API's root do."""
        self.found: list[T] = []
        self._identified = identified
        self._collection, self._item, self._made = collection, item, made
        self._end_of_item = f"</{item}>".encode()
        # An element around it all, so that the items can be had while it is built.
        builder = TreeBuilder()
        self._around = builder.start("around", {})
        self._parser = XMLParser(target=builder)
        self._rest = b""
        self._unusual = False
        self._measure = Measure(MOST_STREAMED, "the engine")

    def feed(self, piece: bytes) -> None:
        """Keeps back what follows the last item, so that sections are whole."""
        self._measure.add(piece)
        self._rest += piece
        end = self._rest.rfind(self._end_of_item)
        if end >= 0:
            self._parse(self._rest[:end])
            self._rest = self._rest[end:]
            self._take(whole=False)
        if len(self._rest) > _LONGEST_ITEM:
            raise too_large("the engine", f"{_LONGEST_ITEM // 1024 // 1024} MB in one item")
        if len(self.found) > MOST_ITEMS:
            raise too_large("the engine", f"{MOST_ITEMS:,} items")

    def close(self) -> list[T]:
        self._parse(self._rest)
        try:
            self._parser.close()
        except _NOT_XML as error:
            raise NotExpected(str(error)) from None
        self._take(whole=True)
        return self.found

    def _parse(self, text: bytes) -> None:
        # In a comment or CDATA a tag is no tag, and only the parser knows where these end.
        # (One character is found many times as fast as two.)
        self._unusual = self._unusual or (b"!" in text and b"<!" in text)
        if not self._unusual:
            for name in _LEFT_OUT:
                text = self._without(name, text)
        try:
            self._parser.feed(text)
        except _NOT_XML as error:
            raise NotExpected(str(error)) from None

    def _without(self, name: bytes, text: bytes) -> bytes:
        """The text with these sections empty. Tags are never in plain text, where < is &lt;"""
        first, *others = text.split(b"<%b>" % name)
        kept = [first]
        for part in others:
            section, end, after = part.partition(b"</%b>" % name)
            if not end or self._end_of_item in section:
                raise NotExpected(f"{name.decode()} without an end")
            kept.append(after)
        return b"".join(kept)

    def _take(self, whole: bool) -> None:
        """Every item that is complete: the last one is only when everything is."""
        if len(self._around) == 0:
            return
        root = self._around[0]
        if root.tag == self._item:  # it was asked for by itself
            items = [root] if whole else []
        elif root.tag == self._collection:
            items = root[:] if whole else root[:-1]
            del root[: len(items)]
        else:
            raise NotExpected(f"{root.tag} instead of {self._collection}")
        for item in items:
            if item.tag != self._item or (self._identified and not item.get("id")):
                raise NotExpected(f"{item.tag} without an id instead of {self._item}")
            try:
                self.found.append(self._made(item))
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise NotExpected(f"in {item.tag} {item.get('id')}: {error}") from None
