"""HTTP routes of the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial

from aiohttp import web

from chaosvm.lab.fault_injection import page
from chaosvm.lab.fault_rules import Rule
from chaosvm.lab.http_server import Handler, Route
from chaosvm.lab.options import Options
from chaosvm.lab.ovirt import answers
from chaosvm.lab.ovirt.action_handler import ActionHandler
from chaosvm.lab.ovirt.actions import ACTIONS
from chaosvm.lab.ovirt.answers import Failure
from chaosvm.lab.ovirt.collection import Collection
from chaosvm.lab.ovirt.engine import Engine
from chaosvm.lab.ovirt.hrefs import API, COLLECTIONS, PREFIX, VM_ACTIONS, VM_COLLECTIONS, filled
from chaosvm.lab.ovirt.read_handler import AuthenticatedHandler
from chaosvm.lab.ovirt.recorded_constants import API_LINKS
from chaosvm.lab.ovirt.requests import id_names, is_unique_id
from chaosvm.lab.ovirt.services import health, pki_resource
from chaosvm.lab.ovirt.sso import COOKIE, SAFE, Sessions, Unauthorized
from chaosvm.lab.simulation import NotFound, World

__all__ = ["OVirtServer"]

# Clients may add the version, and parameters as in /vms;max=1.
_VERSION = re.compile(rf"(?<=^{API})/v4(?=/|$)")
_PARAMETERS = re.compile(r";[^/]*")
_OF_LIST = "HEAD, POST, GET, OPTIONS"
_READ_ONLY = "HEAD, GET, OPTIONS"
_OF_ONE = "HEAD, DELETE, GET, OPTIONS, PUT"
_OF_ACTION = "POST, OPTIONS"


class OVirtServer:
    """The engine's single sign-on and API, on one port."""

    tls = True

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._options = options
        self.sessions = Sessions(world, options)
        self._engine = Engine(world)
        self._actions = ActionHandler(world, self._engine.jobs)

    # ProtocolServer ----------------------------------------------------------------

    def environment(self, address: str, ca_file: str) -> dict[str, str]:
        return {
            "OLVM_URL": f"https://{address}{API}",
            "OLVM_USERNAME": self._options.username,
            "OLVM_PASSWORD": self._options.password,
            "OLVM_CA_FILE": ca_file,
        }

    def routes(self) -> Sequence[Route]:
        return [*self._api_routes(), *self._service_routes()]

    def route_path(self, path: str) -> str:
        return _VERSION.sub("", _PARAMETERS.sub("", path)).rstrip("/") or "/"

    def _service_routes(self) -> Sequence[Route]:
        token = f"{PREFIX}/sso/oauth/token"
        services = f"{PREFIX}/services"
        return [
            _route("POST", token, self.sessions.token, "login"),
            _route("GET", token, self.sessions.token, "login"),
            _route("POST", f"{PREFIX}/sso/oauth/revoke", self.sessions.revoke, "logout"),
            _route("POST", f"{services}/sso-logout", self.sessions.log_out, "logout"),
            _route("GET", f"{services}/health", health),
            _route("GET", f"{services}/pki-resource", self._pki_resource),
        ]

    def _api_routes(self) -> Sequence[Route]:
        reads = self._engine.reads
        return [
            *self._get(API, reads.root),
            *self._get(f"{API}/vms", reads.vms),
            *self._get(f"{API}/vms/{{id}}", reads.vm),
            *(self._action(action) for action in ACTIONS),
            *(route for each in self._engine.collections for route in self._collection(each)),
        ]

    def about(self, request: web.Request) -> frozenset[str]:
        vm_id = request.match_info.get("id")
        if vm_id is None or not self._is_about_vms(request):
            return frozenset()
        try:
            return frozenset((vm_id, self._world.vm(vm_id).name))
        except NotFound:
            return frozenset((vm_id,))

    def refusal(self, request: web.Request, rule: Rule) -> web.Response:
        """A fault; for actions, within the failed action."""
        failure = Failure(rule.code or 409, f"[{rule.message}]")
        if request.method == "POST" and self._is_about_vms(request):
            return answers.failed_action(request, failure, ())
        return answers.fault(request, failure)

    async def unrouted(self, request: web.Request, code: int) -> web.Response:
        """The engine's response, or a fault if the engine has this path and the lab does not."""
        path = self.route_path(request.path)
        if path != API and not path.startswith(f"{API}/"):
            return _ui_page(code)
        try:
            await self.sessions.user(request)
        except Unauthorized as reason:
            return answers.unauthorized(str(reason))
        allowed = _allowed(path.removeprefix(f"{API}/"))
        if allowed is None:
            versioned = f"{API}/v4" + _VERSION.sub("", request.path).removeprefix(API)
            url = f"{request.scheme}://{request.host}{versioned}"
            return answers.page(
                request, 404, f"RESTEASY003210: Could not find resource for full path: {url}"
            )
        if request.method == "OPTIONS":
            headers = {"Allow": allowed, "Content-Type": "text/plain;charset=UTF-8"}
            return answers.page(request, 200, allowed, headers)
        if request.method not in allowed.split(", "):
            return answers.nothing(request, 405, {"Allow": allowed})
        last = path.rpartition("/")[2]
        if path.count("/") - API.count("/") == 4 and not is_unique_id(last):
            return answers.nothing(request, 404)
        detail = f"[The lab does not model {request.method} {path}]"
        return answers.fault(request, Failure(404, detail))

    def _is_about_vms(self, request: web.Request) -> bool:
        return self.route_path(request.path).startswith(f"{API}/vms/")

    # Routes --------------------------------------------------------------------------

    def _get(self, path: str, answer: AuthenticatedHandler) -> Sequence[Route]:
        handler = self._authenticated(answer)
        return [_route(method, path, handler) for method in ("GET", "HEAD")]

    def _action(self, action: str) -> Route:
        handler = self._authenticated(self._actions.handler(action))
        return _route("POST", f"{API}/vms/{{id}}/{action}", handler, action)

    def _collection(self, collection: Collection) -> Iterator[Route]:
        handler = self._engine.handler
        path, one = _paths(collection)
        if collection.path != "vms":
            yield from self._get(path, partial(handler.list, collection))
            yield from self._get(one, partial(handler.one, collection))
        changes = (
            ("POST", path, collection.add, handler.add),
            ("PUT", one, collection.update, handler.update),
            ("DELETE", one, collection.remove, handler.remove),
        )
        for method, at, allowed, answer in changes:
            if allowed is not None:
                yield _route(method, at, self._authenticated(partial(answer, collection)))
        for action in collection.actions:
            act = self._authenticated(partial(handler.act, collection, action))
            yield _route("POST", f"{one}/{action}", act, action)

    async def _pki_resource(self, request: web.Request) -> web.Response:
        return pki_resource(request, self._options.ca_certificate)

    def _authenticated(self, answer: AuthenticatedHandler) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            refused = _wrong_version(request)
            if refused is not None:
                return refused
            try:
                user = await self.sessions.user(request)
            except Unauthorized as reason:
                return answers.unauthorized(str(reason))
            if answers.is_unacceptable(request):
                return answers.nothing(request, 406)
            try:
                return await answer(request, user)
            except Failure as failure:
                return answers.fault(request, failure)
            except (web.HTTPInternalServerError, web.HTTPBadRequest) as error:
                return answers.page(request, error.status, error.text or "")

        return handler


def _ui_page(code: int) -> web.Response:
    """A page outside of the API, with the cookie of the UI."""
    response = page(code)
    response.headers.update(SAFE)
    response.headers["Set-Cookie"] = COOKIE
    response.headers["Content-Type"] = "text/html;charset=UTF-8"
    response.headers["Content-Encoding"] = "identity"
    return response


def _wrong_version(request: web.Request) -> web.Response | None:
    version = request.headers.get("Version", "4")
    if version == "4":
        return None
    status, text = 400, "Bad Request"
    if version == "3":
        status, text = 405, f"HTTP method {request.method} is not supported by this URL"
    body = f"<html><head><title>Error</title></head><body>{text}</body></html>"
    return answers.page(request, status, body)


def _allowed(path: str) -> str | None:
    """The methods that the engine allows on a path; None if it has no such path."""
    names = path.split("/")
    if names in (["externalvmimports"], ["externaltemplateimports"]):
        return _OF_ACTION
    if names[0] not in API_LINKS.split():
        return _READ_ONLY if path == "" else None
    if len(names) < 3:
        return (_OF_LIST, _OF_ONE)[len(names) - 1]
    if names[0] == "vms" and names[2] in VM_ACTIONS:
        return _OF_ACTION
    subcollections = VM_COLLECTIONS if names[0] == "vms" else COLLECTIONS.get(names[0], ())
    if names[2] not in subcollections:
        return None
    if names[2] == "statistics":
        return _READ_ONLY
    return (_OF_LIST, _OF_ONE)[min(len(names), 4) - 3]


def _route(method: str, path: str, handler: Handler, verb: str = "") -> Route:
    name = path.removeprefix(PREFIX)
    return Route(method, path, handler, name, verb, prefix=PREFIX)


def _paths(collection: Collection) -> tuple[str, str]:
    """The paths of a collection and of its objects, with names for the ids."""
    names = id_names(collection.depth + 1)
    path = filled(f"{API}/{collection.path}", [f"{{{name}}}" for name in names[:-1]])
    return path, f"{path}/{{{names[-1]}}}"
