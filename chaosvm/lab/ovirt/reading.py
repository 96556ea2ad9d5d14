"""What is read from the API: lists, searches, single things, and the parts of VMs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from chaosvm.lab.ovirt import answers, described
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.collation import collation_key
from chaosvm.lab.ovirt.columns import search_entities
from chaosvm.lab.ovirt.following import follow
from chaosvm.lab.ovirt.hrefs import API
from chaosvm.lab.ovirt.lists import Collection
from chaosvm.lab.ovirt.parts import PARTS
from chaosvm.lab.ovirt.requests import filtered, parameter, unique_id, whole_number
from chaosvm.lab.ovirt.search import NotUnderstood, Refused
from chaosvm.lab.ovirt.search_cache import SearchCache
from chaosvm.lab.ovirt.settings import API_LINKS
from chaosvm.lab.ovirt.xml import Document, VmPages, document, documents, written
from chaosvm.lab.simulation import Event, Machine, NotFound, Role, User, World

__all__ = ["Answer", "Reading"]

# An answer for a user who is known.
Answer = Callable[[web.Request, User], Awaitable[web.Response]]

# From so many VMs on a list is made in another thread, so that others are served.
_LONG = 200
# The others of a VM that is not there are empty lists.
_NEED_THE_VM = ("applications", "cdroms", "graphics_consoles", "sessions")
_NOT_ALLOWED = "query execution failed due to insufficient permissions."


class Reading:
    def __init__(self, world: World) -> None:
        self._world = world
        self._pages = VmPages(world)
        self._entities = search_entities(world)
        self._cache = SearchCache(world, self._entities)

    async def root(self, request: web.Request, user: User) -> web.Response:
        if request.method == "HEAD":
            return answers.nothing(request, 200)
        base = f"{request.scheme}://{request.host}{API}"
        known = ",".join(f"<{base}/{name}>; rel={name}" for name in sorted(API_LINKS.split()))
        shown = document(described.api_root(self._world))
        return answers.answer(request, shown, headers={"Link": known})

    # VMs -----------------------------------------------------------------------------

    async def vms(self, request: web.Request, user: User) -> web.Response:
        mine = self._only_own(request, user)
        vms = [vm for vm in self._world.vms if not mine or vm.id in user.vm_ids]
        vms.sort(key=lambda vm: collation_key(vm.name))
        found = self._found(request, "VM", vms)
        followed = parameter(request, "follow")
        if followed:
            return answers.answer(request, self._followed(found, followed, mine))
        if mine:
            return answers.answer(request, self._pages.restricted(found))
        if len(found) < _LONG:
            return answers.answer(request, self._pages.many(found))
        return await asyncio.to_thread(lambda: answers.answer(request, self._pages.many(found)))

    async def vm(self, request: web.Request, user: User) -> web.Response:
        vm = self._wanted(request, user)
        if vm is None:
            raise Failure(404)
        followed = parameter(request, "follow")
        if followed:
            text = follow(self._world, vm, followed, restricted=not user.sees_all)
            return answers.answer(request, written(text))
        return answers.answer(request, self._pages.one(vm, restricted=not user.sees_all))

    def part(self, name: str) -> Answer:
        """A collection within a VM; of a VM that is not there it is empty."""

        async def answer(request: web.Request, user: User) -> web.Response:
            vm = self._wanted(request, user)
            if name == "tags" and not user.sees_all:
                raise Failure(400, _NOT_ALLOWED)
            if vm is None and name in _NEED_THE_VM:
                raise Failure(404)
            if vm is None and name == "statistics":
                raise Failure(404, f"Entity not found: {request.match_info['id']}")
            shown = PARTS[name](self._world, vm) if vm else ()
            return answers.answer(request, documents(shown, name))

        return answer

    def _followed(self, vms: Sequence[Machine], links: str, restricted: bool) -> Document:
        """With what ``follow`` names put in; one link to nothing spoils it all, as in reality."""
        if not vms:
            return documents((), "vms")
        inner = "".join(follow(self._world, vm, links, 1, restricted) for vm in vms)
        return written(f"<vms>\n{inner}</vms>\n")

    def _wanted(self, request: web.Request, user: User) -> Machine | None:
        wanted = unique_id(request)
        try:
            vm = self._world.vm(wanted)
        except NotFound:
            return None
        return vm if user.sees(vm.id) else None

    # Others --------------------------------------------------------------------------

    def list(self, collection: Collection) -> Answer:
        async def answer(request: web.Request, user: User) -> web.Response:
            mine = self._only_own(request, user)
            if collection.name in ("tags", "jobs") and mine:
                raise Failure(400, _NOT_ALLOWED)
            items = collection.items()
            if collection.name == "events" and mine:
                items = [event for event in items if event.vm_id in user.vm_ids]
            found = self._found(request, collection.entity, items)
            shown = [collection.described(self._world, item) for item in found]
            return answers.answer(request, documents(shown, collection.root))

        return answer

    def one(self, collection: Collection) -> Answer:
        async def answer(request: web.Request, user: User) -> web.Response:
            number_of = _number if collection.name == "events" else unique_id
            wanted = number_of(request)
            for item in collection.items():
                if wanted == _id_of(item):
                    shown = collection.described(self._world, item)
                    return answers.answer(request, document(shown))
            raise Failure(404)

        return answer

    # Searching -----------------------------------------------------------------------

    def _only_own(self, request: web.Request, user: User) -> bool:
        """Users with roles of users only see what is theirs, whether they ask so or not."""
        wanted = filtered(request)
        if user.role is Role.USER:
            if wanted is False:
                raise Failure(400, _NOT_ALLOWED)
            return True
        return wanted is True

    def _found(self, request: web.Request, name: str, items: Sequence[Any]) -> Sequence[Any]:
        """What the request's search finds: nothing if it is not understood."""
        most, since = whole_number(request, "max"), whole_number(request, "from") or 0
        if name not in self._entities:
            return _first(items, most, name)
        if most is not None and most < 0:
            raise Failure(400, f"illegal max count value for query : {most}")
        given = parameter(request, "case_sensitive")
        if name == "EVENT" and since > 0:
            items = [event for event in items if event.number > since]
        text = parameter(request, "search") or ""
        sensitive = given is not None and given.lower() in ("", "true", "1")
        try:
            search = self._cache.search(name, text, sensitive, most, since)
        except NotUnderstood:
            return []
        except Refused as refused:
            raise Failure(refused.status, refused.detail) from None
        return search.of(items, most)


def _first(items: Sequence[Any], most: int | None, name: str) -> Sequence[Any]:
    """Tags: so many, and the root at the end whatever happens (recording tags-max)."""
    if most is None or most < 0:
        return items
    if items and getattr(items[-1], "id", None) and not name:
        return [*items[:most], *([items[-1]] if most < len(items) else [])]
    return items[:most]


def _number(request: web.Request) -> str:
    wanted = request.match_info["id"]
    if not re.fullmatch(r"[+-]?\d+", wanted) or abs(int(wanted)) >= 2**63:
        raise Failure(400, f'For input string: "{wanted}"', "Operation failed")
    return str(int(wanted))


def _id_of(item: Any) -> str:
    if isinstance(item, Event):
        return str(item.number)
    if getattr(item, "name", "") == "root" and getattr(item, "parent", "") is None:
        return described.ROOT_TAG
    return str(item.id)
