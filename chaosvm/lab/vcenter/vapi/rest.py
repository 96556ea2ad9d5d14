"""The HTTP requests of the vSphere Automation API: /rest (up to version 8) and /api (from 7)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web

from chaosvm.lab.http_server import Route
from chaosvm.lab.simulation import Origin
from chaosvm.lab.vcenter.vapi import json_rpc
from chaosvm.lab.vcenter.vapi.errors import VapiError
from chaosvm.lab.vcenter.vapi.login import Login
from chaosvm.lab.vcenter.vapi.operations import Operation, Request, invoke
from chaosvm.lab.vcenter.vapi.structures import to_legacy, to_plain

__all__ = ["Rest", "not_modelled"]

_WITH_PREFIX = ("/cis/tagging", "/content/")
# Below /rest, the action of these is the last part of the path and not in the query.
_ACTION_IN_PATH = ("{vm}/power", "{nic}", "{host}")

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Rest:
    def __init__(self, login: Login, operations: Sequence[Operation]) -> None:
        self._login = login
        self._operations = operations

    def routes(self) -> list[Route]:
        calls = json_rpc.JsonRpc(self._login, self._operations)
        return [
            *self._session_routes("/rest/com/vmware/cis/session", True),
            *self._session_routes("/api/session", False),
            _route("POST", "/api", calls.handle),
            *self._operation_routes(legacy=True),
            *self._operation_routes(legacy=False),
        ]

    def _session_routes(self, path: str, legacy: bool) -> Iterable[Route]:
        async def create(request: web.Request) -> web.Response:
            if "get" in _actions(request):
                return await get(request)
            return self._login.create(request, legacy)

        async def get(request: web.Request) -> web.Response:
            return self._login.describe(request, legacy)

        async def delete(request: web.Request) -> web.Response:
            return self._login.delete(request, legacy)

        yield _route("POST", path, create)
        yield _route("GET", path, get)
        yield _route("DELETE", path, delete)

    def _operation_routes(self, legacy: bool) -> Iterable[Route]:
        by_path: dict[tuple[str, str], dict[str | None, Operation]] = defaultdict(dict)
        for operation in self._operations:
            path, action = _legacy(operation) if legacy else _current(operation)
            by_path[operation.method, path][action] = operation
        for (method, path), operations in by_path.items():
            yield _route(method, path, self._handler(operations, legacy))

    def _handler(self, operations: Mapping[str | None, Operation], legacy: bool) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            try:
                user = self._login.user_of(request)
                operation = _pick(operations, request)
                parameters = await _parameters(request, operation, legacy)
                result = await invoke(operation, Request(parameters, Origin(user=user)))
            except VapiError as error:
                return _error(error, legacy)
            return _answer(operation, result, legacy)

        return handler


def not_modelled(request: web.Request) -> web.Response:
    """The answer to a path that belongs to no operation."""
    message = f"The lab does not model {request.method} {request.path}."
    return _error(VapiError("not_found", message), request.path.startswith("/rest/"))


def _current(operation: Operation) -> tuple[str, str | None]:
    return f"/api{operation.path}", operation.action


def _legacy(operation: Operation) -> tuple[str, str | None]:
    if operation.path.startswith(_WITH_PREFIX):
        return f"/rest/com/vmware{operation.path}", operation.action
    if operation.action and operation.path.endswith(_ACTION_IN_PATH):
        return f"/rest{operation.path}/{operation.action}", None
    return f"/rest{operation.path}", operation.action


def _actions(request: web.Request) -> tuple[str | None, ...]:
    return request.query.get("~action"), request.query.get("action")


def _pick(operations: Mapping[str | None, Operation], request: web.Request) -> Operation:
    action = next((each for each in _actions(request) if each is not None), None)
    if action not in operations:
        raise VapiError("operation_not_found", f"{request.path} has no action {action!r}.")
    return operations[action]


async def _parameters(request: web.Request, operation: Operation, legacy: bool) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        name: value.removeprefix("id:") for name, value in request.match_info.items()
    }
    filters = _filters(request)
    if filters:
        parameters["filter"] = filters
    body = await request.read()
    if body.strip():
        try:
            content = json.loads(body)
        except ValueError as error:
            raise VapiError("invalid_argument", f"The body is not JSON: {error}") from None
        if content is None:
            return parameters
        if not isinstance(content, dict):
            raise VapiError("invalid_argument", "The body is not a JSON object.")
        whole = operation.body is not None and not legacy
        parameters |= {str(operation.body): content} if whole else content
    return parameters


def _filters(request: web.Request) -> dict[str, list[str]]:
    """Fields of the filter: ``filter.names.1`` below /rest, ``names`` below /api."""
    filters: dict[str, list[str]] = defaultdict(list)
    for key, value in request.query.items():
        if key not in ("action", "~action"):
            filters[key.removeprefix("filter.").partition(".")[0]].append(value)
    return filters


def _answer(operation: Operation, result: Any, legacy: bool) -> web.Response:
    if result is None:
        return web.Response(status=200 if legacy else 204)
    if legacy:
        return web.json_response({"value": to_legacy(result)})
    return web.json_response(to_plain(result), status=operation.success)


def _error(error: VapiError, legacy: bool) -> web.Response:
    body = error.legacy() if legacy else error.plain()
    return web.json_response(body, status=error.status)


def _route(method: str, path: str, handler: Handler) -> Route:
    return Route(method, path, handler, path)
