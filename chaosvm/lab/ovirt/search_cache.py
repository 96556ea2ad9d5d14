"""Searches that the engine has read before.

It keeps what it made of a text for a day, and with it the names of the tags that
were meant: a search for a tag that was made, or got tags below it, after the
text was first asked finds what it found then. Texts with a ``*`` are read each time,
and so are those of events. Source: the engine's class SearchQuery; tried on a
real engine.
"""

from __future__ import annotations

from collections.abc import Mapping

from chaosvm.lab.ovirt.search import Search, parse
from chaosvm.lab.ovirt.search_fields import Entity
from chaosvm.lab.simulation import World

__all__ = ["SearchCache"]

_DAY = 86_400.0
_MOST = 1000
_NEVER = frozenset(("EVENT",))

_Key = tuple[str, str, bool, int | None]


class SearchCache:
    def __init__(self, world: World, entities: Mapping[str, Entity]) -> None:
        self._world = world
        self._entities = entities
        self._kept: dict[_Key, tuple[float, Search]] = {}

    def search(
        self, name: str, text: str, case_sensitive: bool, most: int | None, since: int
    ) -> Search:
        """Raises NotUnderstood and Refused, of which nothing is kept."""
        key = (name, text, case_sensitive, most)
        keeps = "*" not in text and name not in _NEVER
        if keeps and key in self._kept:
            read_at, search = self._kept[key]
            if self._world.now - read_at < _DAY:
                return search
        search = parse(
            text,
            self._entities[name],
            self._entities,
            case_sensitive=case_sensitive,
            most=most,
            since=since,
        )
        if keeps:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            self._kept[key] = self._world.now, search
        return search
