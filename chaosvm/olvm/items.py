"""Lists of the engine's, read while they arrive: each item is used, and let go of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

__all__ = ["Items", "NotExpected"]

T = TypeVar("T")


class NotExpected(Exception):
    """This is no list of such items, or not all of it."""


class Items(Generic[T]):
    """What ``made`` makes of each of the items, which are all right below the root."""

    def __init__(self, collection: str, item: str, made: Callable[[Element], T]) -> None:
        self.found: list[T] = []
        self._collection, self._item, self._made = collection, item, made
        # An element around it all, so that the items can be had while it is built.
        builder = TreeBuilder()
        self._around = builder.start("around", {})
        self._parser = XMLParser(target=builder)

    def feed(self, piece: bytes) -> None:
        try:
            self._parser.feed(piece)
        except ParseError as error:
            raise NotExpected(str(error)) from error
        self._take(whole=False)

    def close(self) -> list[T]:
        try:
            self._parser.close()
        except ParseError as error:
            raise NotExpected(str(error)) from error
        self._take(whole=True)
        return self.found

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
            if item.tag != self._item or not item.get("id"):
                raise NotExpected(f"{item.tag} without an id instead of {self._item}")
            try:
                self.found.append(self._made(item))
            except (TypeError, ValueError) as error:
                raise NotExpected(f"in {item.tag} {item.get('id')}: {error}") from error
