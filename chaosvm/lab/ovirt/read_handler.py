"""Reads: collections, searches, single objects, and the collections of VMs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from chaosvm.lab.ovirt import answers, representations
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.collation import collation_key
from chaosvm.lab.ovirt.documents import Document, VmPages, document, documents, written
from chaosvm.lab.ovirt.follow import follow
from chaosvm.lab.ovirt.hrefs import API
from chaosvm.lab.ovirt.other_collections import Collection
from chaosvm.lab.ovirt.recorded_constants import API_LINKS
from chaosvm.lab.ovirt.requests import filtered, parameter, unique_id, whole_number
from chaosvm.lab.ovirt.search import NotUnderstood, Refused
from chaosvm.lab.ovirt.search_cache import SearchCache
from chaosvm.lab.ovirt.vm_collections import PARTS
from chaosvm.lab.ovirt.vm_search_fields import search_entities
from chaosvm.lab.simulation import Event, Machine, NotFound, Role, User, World

__all__ = ["AuthenticatedHandler", "ReadHandler"]

# Handles a request of an authenticated user.
AuthenticatedHandler = Callable[[web.Request, User], Awaitable[web.Response]]

# Longer lists are written in another thread, so that other requests are served.
_LONG_LIST = 200
# Other collections of a VM that does not exist are empty.
_REQUIRE_VM = ("applications", "cdroms", "graphics_consoles", "sessions")
_NOT_ALLOWED = "query execution failed due to insufficient permissions."


class ReadHandler:
    """Serves what can be read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pages = VmPages(world)
        self._entities = search_entities(world)
        self._cache = SearchCache(world, self._entities)

    async def root(self, request: web.Request, user: User) -> web.Response:
        if request.method == "HEAD":
            return answers.nothing(request, 200)
        base = f"{request.scheme}://{request.host}{API}"
        links = ",".join(f"<{base}/{name}>; rel={name}" for name in sorted(API_LINKS.split()))
        root = document(representations.api_root(self._world))
        return answers.answer(request, root, headers={"Link": links})

    # VMs -----------------------------------------------------------------------------

    async def vms(self, request: web.Request, user: User) -> web.Response:
        restricted = self._is_restricted(request, user)
        vms = [vm for vm in self._world.vms if not restricted or vm.id in user.vm_ids]
        vms.sort(key=lambda vm: collation_key(vm.name))
        matches = self._search(request, "VM", vms)
        followed = parameter(request, "follow")
        if followed:
            return answers.answer(request, self._follow(matches, followed, restricted))
        if restricted:
            return answers.answer(request, self._pages.restricted(matches))
        if len(matches) < _LONG_LIST:
            return answers.answer(request, self._pages.many(matches))
        return await asyncio.to_thread(lambda: answers.answer(request, self._pages.many(matches)))

    async def vm(self, request: web.Request, user: User) -> web.Response:
        vm = self._find_vm(request, user)
        if vm is None:
            raise Failure(404)
        followed = parameter(request, "follow")
        if followed:
            text = follow(self._world, vm, followed, restricted=not user.sees_all)
            return answers.answer(request, written(text))
        return answers.answer(request, self._pages.one(vm, restricted=not user.sees_all))

    def part(self, name: str) -> AuthenticatedHandler:
        """A collection of a VM; mostly empty if the VM does not exist."""

        async def answer(request: web.Request, user: User) -> web.Response:
            vm = self._find_vm(request, user)
            if name == "tags" and not user.sees_all:
                raise Failure(400, _NOT_ALLOWED)
            if vm is None and name in _REQUIRE_VM:
                raise Failure(404)
            if vm is None and name == "statistics":
                raise Failure(404, f"Entity not found: {request.match_info['id']}")
            items = PARTS[name](self._world, vm) if vm else ()
            return answers.answer(request, documents(items, name))

        return answer

    def _follow(self, vms: Sequence[Machine], links: str, restricted: bool) -> Document:
        """VMs with followed links. One link without a target fails the request."""
        if not vms:
            return documents((), "vms")
        inner = "".join(follow(self._world, vm, links, 1, restricted) for vm in vms)
        return written(f"<vms>\n{inner}</vms>\n")

    def _find_vm(self, request: web.Request, user: User) -> Machine | None:
        try:
            vm = self._world.vm(unique_id(request))
        except NotFound:
            return None
        return vm if user.sees(vm.id) else None

    # Others --------------------------------------------------------------------------

    def list(self, collection: Collection) -> AuthenticatedHandler:
        async def answer(request: web.Request, user: User) -> web.Response:
            restricted = self._is_restricted(request, user)
            if collection.name in ("tags", "jobs") and restricted:
                raise Failure(400, _NOT_ALLOWED)
            items = collection.items()
            if collection.name == "events" and restricted:
                items = [event for event in items if event.vm_id in user.vm_ids]
            matches = self._search(request, collection.entity, items)
            nodes = [collection.described(self._world, item) for item in matches]
            return answers.answer(request, documents(nodes, collection.root))

        return answer

    def one(self, collection: Collection) -> AuthenticatedHandler:
        async def answer(request: web.Request, user: User) -> web.Response:
            read_id = _event_number if collection.name == "events" else unique_id
            wanted_id = read_id(request)
            for item in collection.items():
                if wanted_id == _id_of(item):
                    node = collection.described(self._world, item)
                    return answers.answer(request, document(node))
            raise Failure(404)

        return answer

    # Searching -----------------------------------------------------------------------

    def _is_restricted(self, request: web.Request, user: User) -> bool:
        """True if the user only sees their own VMs, which the header Filter also requests."""
        filter_requested = filtered(request)
        if user.role is Role.USER:
            if filter_requested is False:
                raise Failure(400, _NOT_ALLOWED)
            return True
        return filter_requested is True

    def _search(self, request: web.Request, name: str, items: Sequence[Any]) -> Sequence[Any]:
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
    if items and getattr(items[-1], "id", None) and not name:
        return [*items[:limit], *([items[-1]] if limit < len(items) else [])]
    return items[:limit]


def _event_number(request: web.Request) -> str:
    number = request.match_info["id"]
    if not re.fullmatch(r"[+-]?\d+", number) or abs(int(number)) >= 2**63:
        raise Failure(400, f'For input string: "{number}"', "Operation failed")
    return str(int(number))


def _id_of(item: Any) -> str:
    if isinstance(item, Event):
        return str(item.number)
    if getattr(item, "name", "") == "root" and getattr(item, "parent", "") is None:
        return representations.ROOT_TAG
    return str(item.id)
