"""The engine's cache of parsed searches.

It keeps a parsed search for a day, with the tag names that matched then: the same search
does not find tags that were added later. Searches with a ``*`` and searches of events are
not cached. Source: the engine's class SearchQuery; verified on a real engine.
"""

from __future__ import annotations

from collections.abc import Mapping

from chaosvm.lab.ovirt.search import Search, parse
from chaosvm.lab.ovirt.search_fields import Entity
from chaosvm.lab.simulation import World

__all__ = ["SearchCache"]

_DAY = 86_400.0
_MAX_ENTRIES = 1000
_UNCACHED = frozenset(("EVENT",))

_Key = tuple[str, str, bool, int | None]


class SearchCache:
    """Parsed searches by collection and text."""

    def __init__(self, world: World, entities: Mapping[str, Entity]) -> None:
        self._world = world
        self._entities = entities
        self._cache: dict[_Key, tuple[float, Search]] = {}

    def search(
        self, name: str, text: str, case_sensitive: bool, limit: int | None, since: int
    ) -> Search:
        """Parse a search, or return it from the cache. Raises NotUnderstood and Refused."""
        key = (name, text, case_sensitive, limit)
        is_cached = "*" not in text and name not in _UNCACHED
        if is_cached and key in self._cache:
            parsed_at, search = self._cache[key]
            if self._world.now - parsed_at < _DAY:
                return search
        search = parse(
            text,
            self._entities[name],
            self._entities,
            case_sensitive=case_sensitive,
            limit=limit,
            since=since,
        )
        if is_cached:
            if len(self._cache) >= _MAX_ENTRIES:
                self._cache.clear()
            self._cache[key] = self._world.now, search
        return search
