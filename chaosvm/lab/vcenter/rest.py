"""REST API for the tags of VMs: /rest (up to version 8) and /api (from version 7).

Each simulated tag belongs to one category: "tier/gold" is the tag gold of the
category tier; "gold" belongs to a category named like its parent, or to "lab".
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from chaosvm.lab.http_server import Route
from chaosvm.lab.simulation import Tag, tag_id
from chaosvm.lab.vcenter.inventory import Inventory
from chaosvm.lab.vcenter.session_manager import Sessions

__all__ = ["Rest"]

_TOKEN = "vmware-api-session-id"
_DEFAULT_CATEGORY = "lab"

Handler = Callable[[web.Request], Awaitable[web.Response]]


class _NotAllowed(Exception):
    pass


class Rest:
    def __init__(self, inventory: Inventory, sessions: Sessions) -> None:
        self._inventory = inventory
        self._sessions = sessions

    def routes(self) -> list[Route]:
        return [*self._legacy_routes(), *self._api_routes()]

    def _legacy_routes(self) -> Iterable[Route]:
        session, tagging = "/rest/com/vmware/cis/session", "/rest/com/vmware/cis/tagging"
        yield _route("POST", session, self._login(True))
        yield _route("DELETE", session, self._logout)
        yield _route("GET", session, self._authenticated(self._current_user, True))
        yield from self._tagging(tagging, True)

    def _api_routes(self) -> Iterable[Route]:
        yield _route("POST", "/api/session", self._login(False))
        yield _route("DELETE", "/api/session", self._logout)
        yield _route("GET", "/api/session", self._authenticated(self._current_user, False))
        yield from self._tagging("/api/cis/tagging", False)

    def _tagging(self, root: str, legacy: bool) -> Iterable[Route]:
        for method, path, answer in (
            ("GET", "tag", self._list_tags),
            ("GET", "tag/{id}", self._get_tag),
            ("GET", "category", self._list_categories),
            ("GET", "category/{id}", self._get_category),
            ("POST", "tag-association", self._attached_tags),
        ):
            yield _route(method, f"{root}/{path}", self._authenticated(answer, legacy))
        paths = (
            "tag-association/list-attached-tags-on-objects",
            "tag-association/list-attached-tags",
        )
        for path in paths:
            yield _route("POST", f"{root}/{path}", self._authenticated(self._attached_tags, legacy))

    # Sessions --------------------------------------------------------------------------

    def _login(self, legacy: bool) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "basic" or not self._sessions.account.matches_basic(credentials):
                return _unauthenticated()
            token = self._sessions.tokens.add(secrets.token_hex(16))
            response = _json({"value": token} if legacy else token, 200 if legacy else 201)
            response.set_cookie(_TOKEN, token, path="/rest" if legacy else "/api", httponly=True)
            return response

        return handler

    async def _logout(self, request: web.Request) -> web.Response:
        if not self._is_logged_in(request):
            return _unauthenticated()
        self._sessions.tokens.drop(_token(request))
        return web.Response(status=200 if request.path.startswith("/rest") else 204)

    def _is_logged_in(self, request: web.Request) -> bool:
        return self._sessions.tokens.is_valid(_token(request))

    def _authenticated(self, answer: Callable[[web.Request, bytes], Any], legacy: bool) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            if not self._is_logged_in(request):
                return _unauthenticated()
            try:
                result = answer(request, await request.read())
            except (ValueError, KeyError, TypeError, AttributeError):
                return _json({"type": "com.vmware.vapi.std.errors.invalid_argument"}, 400)
            except _NotAllowed:
                return _json({"type": "com.vmware.vapi.std.errors.unauthorized"}, 403)
            if result is None:
                return _json({"type": "com.vmware.vapi.std.errors.not_found"}, 404)
            return _json({"value": result} if legacy else result)

        return handler

    def _current_user(self, request: web.Request, body: bytes) -> Any:
        return {"user": "lab"}

    # Tags ------------------------------------------------------------------------------

    def _attached_tags(self, request: web.Request, body: bytes) -> Any:
        parameters = json.loads(body)
        if "object_id" in parameters:
            return self._tags_on(parameters["object_id"])
        result = []
        for entity in parameters["object_ids"]:
            tags = self._tags_on(entity)
            if tags:
                result.append({"object_id": entity, "tag_ids": tags})
        return result

    def _tags_on(self, entity: dict[str, str]) -> list[str]:
        vm = self._inventory.machines().get(entity["id"])
        if vm is None and entity["type"] == "VirtualMachine":
            # The user needs the privilege to read each object, and nobody has it for a
            # deleted one: the whole request is refused (vmware/govmomi, vapi/simulator:
            # "check if target (moref) exist or return 403 as per API behavior").
            raise _NotAllowed
        return [_tag_id(name) for name in vm.tags] if vm else []

    def _list_tags(self, request: web.Request, body: bytes) -> Any:
        return [_tag_id(tag.name) for tag in self._inventory.world.tags]

    def _list_categories(self, request: web.Request, body: bytes) -> Any:
        return sorted({_category_id(_category_name(tag)) for tag in self._inventory.world.tags})

    def _get_tag(self, request: web.Request, body: bytes) -> Any:
        requested = request.match_info["id"].removeprefix("id:")
        for tag in self._inventory.world.tags:
            if _tag_id(tag.name) == requested:
                return {
                    "id": requested,
                    "name": _tag_name(tag),
                    "description": "",
                    "category_id": _category_id(_category_name(tag)),
                    "used_by": [],
                }
        return None

    def _get_category(self, request: web.Request, body: bytes) -> Any:
        requested = request.match_info["id"].removeprefix("id:")
        for tag in self._inventory.world.tags:
            if _category_id(_category_name(tag)) == requested:
                return {
                    "id": requested,
                    "name": _category_name(tag),
                    "description": "",
                    "cardinality": "MULTIPLE",
                    "associable_types": [],
                    "used_by": [],
                }
        return None


def _category_name(tag: Tag) -> str:
    return tag.name.rpartition("/")[0] or tag.parent or _DEFAULT_CATEGORY


def _tag_name(tag: Tag) -> str:
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


def _json(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


def _route(method: str, path: str, handler: Handler) -> Route:
    return Route(method, path, handler, path)
