"""The part of the REST API that tells the tags of VMs; /rest as up to 8, /api as from 7 on.

A world's tag becomes a tag of one category: "gold" of the one that is called
like the tag's parent or, without one, "lab"; and "tier/gold" is gold of tier.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from chaosvm.lab.server import Route
from chaosvm.lab.vcenter.estate import Estate
from chaosvm.lab.vcenter.sessions import Sessions
from chaosvm.lab.world import Tag, tag_id

__all__ = ["Rest"]

_TOKEN = "vmware-api-session-id"
_NO_PARENT = "lab"

Handler = Callable[[web.Request], Awaitable[web.Response]]


class _NotAllowed(Exception):
    pass


class Rest:
    def __init__(self, estate: Estate, sessions: Sessions) -> None:
        self._estate = estate
        self._sessions = sessions

    def routes(self) -> list[Route]:
        return [*self._old_routes(), *self._new_routes()]

    def _old_routes(self) -> Iterable[Route]:
        session, tagging = "/rest/com/vmware/cis/session", "/rest/com/vmware/cis/tagging"
        yield _route("POST", session, self._login(True))
        yield _route("DELETE", session, self._logout)
        yield _route("GET", session, self._for_users(self._who, True))
        yield from self._tagging(tagging, True)

    def _new_routes(self) -> Iterable[Route]:
        yield _route("POST", "/api/session", self._login(False))
        yield _route("DELETE", "/api/session", self._logout)
        yield _route("GET", "/api/session", self._for_users(self._who, False))
        yield from self._tagging("/api/cis/tagging", False)

    def _tagging(self, root: str, old: bool) -> Iterable[Route]:
        for method, path, answer in (
            ("GET", "tag", self._list_tags),
            ("GET", "tag/{id}", self._one_tag),
            ("GET", "category", self._list_categories),
            ("GET", "category/{id}", self._one_category),
            ("POST", "tag-association", self._attached),
        ):
            yield _route(method, f"{root}/{path}", self._for_users(answer, old))
        paths = (
            "tag-association/list-attached-tags-on-objects",
            "tag-association/list-attached-tags",
        )
        for path in paths:
            yield _route("POST", f"{root}/{path}", self._for_users(self._attached, old))

    # Sessions --------------------------------------------------------------------------

    def _login(self, old: bool) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "basic" or not self._sessions.account.knows_basic(credentials):
                return _unauthenticated()
            token = self._sessions.tokens.add(secrets.token_hex(16))
            shown = _json({"value": token} if old else token, 200 if old else 201)
            shown.set_cookie(_TOKEN, token, path="/rest" if old else "/api", httponly=True)
            return shown

        return handler

    async def _logout(self, request: web.Request) -> web.Response:
        if not self._known(request):
            return _unauthenticated()
        self._sessions.tokens.drop(_token(request))
        return web.Response(status=200 if request.path.startswith("/rest") else 204)

    def _known(self, request: web.Request) -> bool:
        return self._sessions.tokens.good(_token(request))

    def _for_users(self, answer: Callable[[web.Request, bytes], Any], old: bool) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            if not self._known(request):
                return _unauthenticated()
            try:
                told = answer(request, await request.read())
            except (ValueError, KeyError, TypeError, AttributeError):
                return _json({"type": "com.vmware.vapi.std.errors.invalid_argument"}, 400)
            except _NotAllowed:
                return _json({"type": "com.vmware.vapi.std.errors.unauthorized"}, 403)
            if told is None:
                return _json({"type": "com.vmware.vapi.std.errors.not_found"}, 404)
            return _json({"value": told} if old else told)

        return handler

    def _who(self, request: web.Request, body: bytes) -> Any:
        return {"user": "lab"}

    # Tags ------------------------------------------------------------------------------

    def _attached(self, request: web.Request, body: bytes) -> Any:
        asked = json.loads(body)
        if "object_id" in asked:
            return self._tags_on(asked["object_id"])
        told = []
        for wanted in asked["object_ids"]:
            found = self._tags_on(wanted)
            if found:
                told.append({"object_id": wanted, "tag_ids": found})
        return told

    def _tags_on(self, wanted: dict[str, str]) -> list[str]:
        vm = self._estate.machines().get(wanted["id"])
        if vm is None and wanted["type"] == "VirtualMachine":
            # Whoever asks needs the privilege to read each object, and nobody has it for one
            # that is gone: the whole request is refused (vmware/govmomi, vapi/simulator:
            # "check if target (moref) exist or return 403 as per API behavior").
            raise _NotAllowed
        return [_tag_id(name) for name in vm.tags] if vm else []

    def _list_tags(self, request: web.Request, body: bytes) -> Any:
        return [_tag_id(tag.name) for tag in self._estate.world.tags]

    def _list_categories(self, request: web.Request, body: bytes) -> Any:
        return sorted({_category_id(_category(tag)) for tag in self._estate.world.tags})

    def _one_tag(self, request: web.Request, body: bytes) -> Any:
        wanted = request.match_info["id"].removeprefix("id:")
        for tag in self._estate.world.tags:
            if _tag_id(tag.name) == wanted:
                return {
                    "id": wanted,
                    "name": _name(tag),
                    "description": "",
                    "category_id": _category_id(_category(tag)),
                    "used_by": [],
                }
        return None

    def _one_category(self, request: web.Request, body: bytes) -> Any:
        wanted = request.match_info["id"].removeprefix("id:")
        for tag in self._estate.world.tags:
            if _category_id(_category(tag)) == wanted:
                return {
                    "id": wanted,
                    "name": _category(tag),
                    "description": "",
                    "cardinality": "MULTIPLE",
                    "associable_types": [],
                    "used_by": [],
                }
        return None


def _category(tag: Tag) -> str:
    return tag.name.rpartition("/")[0] or tag.parent or _NO_PARENT


def _name(tag: Tag) -> str:
    category, _, name = tag.name.rpartition("/")
    return name if category else tag.name


def _tag_id(name: str) -> str:
    return f"urn:vmomi:InventoryServiceTag:{tag_id(name)}:GLOBAL"


def _category_id(name: str) -> str:
    return f"urn:vmomi:InventoryServiceCategory:{tag_id(name)}:GLOBAL"


def _token(request: web.Request) -> str:
    return request.headers.get(_TOKEN) or request.cookies.get(_TOKEN, "")


def _unauthenticated() -> web.Response:
    return _json({"type": "com.vmware.vapi.std.errors.unauthenticated"}, 401)


def _json(told: Any, status: int = 200) -> web.Response:
    return web.json_response(told, status=status)


def _route(method: str, path: str, handler: Handler) -> Route:
    return Route(method, path, handler, path)
