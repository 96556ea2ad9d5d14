"""Which objects of a collection a request selects: its search, limits and filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.requests import filtered, parameter, whole_number
from chaosvm.lab.ovirt.search import NotUnderstood, Refused
from chaosvm.lab.ovirt.search_cache import SearchCache
from chaosvm.lab.ovirt.stored_search_fields import stored_entities
from chaosvm.lab.ovirt.vm_search_fields import search_entities
from chaosvm.lab.simulation import Role, User, World

__all__ = ["NOT_ALLOWED", "Queries", "is_restricted"]

NOT_ALLOWED = "query execution failed due to insufficient permissions."


def is_restricted(request: web.Request, user: User) -> bool:
    """True if the user only sees their own VMs, which the header Filter also requests."""
    filter_requested = filtered(request)
    if user.role is Role.USER:
        if filter_requested is False:
            raise Failure(400, NOT_ALLOWED)
        return True
    return filter_requested is True


class Queries:
    """Searches of all collections."""

    def __init__(self, world: World) -> None:
        stored = stored_entities()
        by_name = {entity.name: entity for entity in stored.values()}
        self._entities = {**by_name, **search_entities(world), **stored}
        self._cache = SearchCache(world, self._entities)

    def matches(self, request: web.Request, name: str, items: Sequence[Any]) -> Sequence[Any]:
        """The matches of the request's search: none if the engine does not understand it."""
        limit, since = whole_number(request, "max"), whole_number(request, "from") or 0
        if name not in self._entities:
            return _first(items, limit, name)
        if limit is not None and limit < 0:
            raise Failure(400, f"illegal max count value for query : {limit}")
        case_sensitive = parameter(request, "case_sensitive")
        if name == "EVENT" and since > 0:
            items = [event for event in items if event.number > since]
        text = parameter(request, "search") or ""
        sensitive = case_sensitive is not None and case_sensitive.lower() in ("", "true", "1")
        try:
            search = self._cache.search(name, text, sensitive, limit, since)
        except NotUnderstood:
            return []
        except Refused as refused:
            raise Failure(refused.status, refused.detail) from None
        return search.apply(items, limit)


def _first(items: Sequence[Any], limit: int | None, name: str) -> Sequence[Any]:
    """The first items; of tags also the root tag (recording tags-max)."""
    if limit is None or limit < 0:
        return items
    if name == "tags":
        return [*items[:limit], *([items[-1]] if limit < len(items) else [])]
    return items[:limit]
