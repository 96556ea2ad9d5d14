"""The engine's API: which path is answered how."""

from __future__ import annotations

import asyncio
import gzip
import re
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from aiohttp import web
from ovirtsdk4 import types

from chaosvm.lab.faults import Rule
from chaosvm.lab.options import Options
from chaosvm.lab.ovirt import described
from chaosvm.lab.ovirt.actions import ACTIONS, Refusal, carry_out
from chaosvm.lab.ovirt.collation import collation_key
from chaosvm.lab.ovirt.columns import search_entities
from chaosvm.lab.ovirt.hrefs import API, PREFIX, href
from chaosvm.lab.ovirt.lists import Collection, collections
from chaosvm.lab.ovirt.parts import PARTS
from chaosvm.lab.ovirt.search import NotUnderstood, Refused, parse
from chaosvm.lab.ovirt.sso import Sessions
from chaosvm.lab.ovirt.xml import Document, VmPages, document, documents
from chaosvm.lab.server import IGNORED, Handler, Route, page
from chaosvm.lab.world import Asked, Machine, NoSuchThing, World

__all__ = ["OVirtFace"]

_XML = "application/xml"
# From so many VMs on a list is made in another thread, so that others are served.
_LONG = 200
_SMALLEST_TO_COMPRESS = 500
_LONGEST_CORRELATION_ID = 36

# An answer for a user who is known.
Answer = Callable[[web.Request, str], Awaitable[web.Response]]


class OVirtFace:
    tls = True

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._options = options
        self.sessions = Sessions(world, options)
        self._pages = VmPages(world, options.real_size)
        self._entities = search_entities(world)

    # For the server ----------------------------------------------------------------

    def environment(self, address: str, ca_file: str) -> dict[str, str]:
        return {
            "OLVM_URL": f"https://{address}{API}",
            "OLVM_USERNAME": self._options.username,
            "OLVM_PASSWORD": self._options.password,
            "OLVM_CA_FILE": ca_file,
        }

    def routes(self) -> Sequence[Route]:
        return [
            _route("POST", f"{PREFIX}/sso/oauth/token", self.sessions.token, "login"),
            _route("POST", f"{PREFIX}/sso/oauth/revoke", self.sessions.revoke, "logout"),
            _route("POST", f"{PREFIX}/services/sso-logout", self.sessions.revoke, "logout"),
            self._get(API, self._root),
            self._get(f"{API}/", self._root),
            self._get(f"{API}/vms", self._list_vms),
            self._get(f"{API}/vms/{{id}}", self._one_vm),
            *(self._get(f"{API}/vms/{{id}}/{_path(name)}", self._part(name)) for name in PARTS),
            *(self._action(action) for action in ACTIONS),
            *(route for collection in collections(self._world) for route in self._both(collection)),
        ]

    def about(self, request: web.Request) -> frozenset[str]:
        wanted = request.match_info.get("id")
        if wanted is None or not request.path.startswith(f"{API}/vms/"):
            return frozenset()
        try:
            return frozenset((wanted, self._world.vm(wanted).name))
        except NoSuchThing:
            return frozenset((wanted,))

    def refusal(self, request: web.Request, rule: Rule) -> web.Response:
        """A fault in the shape in which this request would get it."""
        code, message = rule.code or 409, rule.message
        if request.method == "POST" and request.path.startswith(f"{API}/vms/"):
            return _failed_action(request, Refusal(code, message))
        return _fault(request, code, message)

    def unserved(self, request: web.Request, code: int) -> web.Response:
        """Within the API a fault, which says what is missing; the SDK reads nothing else."""
        if request.path != API and not request.path.startswith(f"{API}/"):
            return page(code)
        if self.sessions.user(request) is None:
            return _unknown_user()
        return _fault(request, code, f"The lab does not model {request.method} {request.path}")

    # Routes --------------------------------------------------------------------------

    def _get(self, path: str, answer: Answer) -> Route:
        return _route("GET", path, self._for_users(answer))

    def _action(self, action: str) -> Route:
        handler = self._for_users(partial(self._act, action))
        return _route("POST", f"{API}/vms/{{id}}/{action}", handler, action)

    def _both(self, collection: Collection) -> tuple[Route, Route]:
        path = f"{API}/{collection.name}"
        return (
            self._get(path, partial(self._list, collection)),
            self._get(f"{path}/{{id}}", partial(self._one, collection)),
        )

    def _for_users(self, answer: Answer) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            user = self.sessions.user(request)
            if user is None:
                return _unknown_user()
            if _wants_only_json(request):
                return page(406, "This engine is a lab's, and only speaks XML.")
            return await answer(request, user)

        return handler

    # Reading -------------------------------------------------------------------------

    async def _root(self, request: web.Request, user: str) -> web.Response:
        return _answer(request, document(described.api_root(self._world)))

    async def _list_vms(self, request: web.Request, user: str) -> web.Response:
        vms = sorted(self._world.vms, key=lambda vm: collation_key(vm.name))
        try:
            found = self._found(request, "VM", vms)
        except Refused as refused:
            return _fault(request, 400, refused.detail, bare=True)
        if "follow" in request.query:
            return self._followed(request, found)
        if len(found) < _LONG:
            return _answer(request, self._pages.many(found))
        return await asyncio.to_thread(lambda: _answer(request, self._pages.many(found)))

    async def _one_vm(self, request: web.Request, user: str) -> web.Response:
        vm = self._wanted(request)
        if vm is None:
            return web.Response(status=404)
        if "follow" in request.query:
            return self._followed(request, [vm], alone=True)
        return _answer(request, self._pages.one(vm))

    def _part(self, name: str) -> Answer:
        """A collection within a VM."""

        async def answer(request: web.Request, user: str) -> web.Response:
            vm = self._wanted(request)
            if vm is None:
                return web.Response(status=404)
            return _answer(request, documents(PARTS[name](self._world, vm), name))

        return answer

    async def _list(self, collection: Collection, request: web.Request, user: str) -> web.Response:
        try:
            found = self._found(request, collection.entity, collection.items())
        except Refused as refused:
            return _fault(request, 400, refused.detail, bare=True)
        shown = [collection.described(self._world, item) for item in found]
        return _answer(request, documents(shown, collection.root))

    async def _one(self, collection: Collection, request: web.Request, user: str) -> web.Response:
        wanted = request.match_info["id"]
        for item in collection.items():
            if wanted == (str(item.number) if collection.name == "events" else item.id):
                return _answer(request, document(collection.described(self._world, item)))
        return web.Response(status=404)

    def _found(self, request: web.Request, name: str, items: Sequence[Any]) -> list[Any]:
        """What the request's search finds: nothing if it is not understood."""
        most, since = _whole(request, "max"), _whole(request, "from") or 0
        if name not in self._entities:
            return list(items[: most if most is None or most >= 0 else None])
        if most is not None and most < 0:
            raise Refused(f"Illegal max count value for query : {most}")
        text = request.query.get("search", "")
        case_sensitive = request.query.get("case_sensitive", "false").lower() in ("", "true")
        if name == "EVENT":
            items = [event for event in items if event.number > since]
        try:
            search = parse(
                text,
                self._entities[name],
                self._entities,
                case_sensitive=case_sensitive,
                most=most,
                since=since,
            )
        except NotUnderstood:
            return []
        return search.of(items, most)

    def _wanted(self, request: web.Request) -> Machine | None:
        wanted = request.match_info["id"]
        try:
            vm = self._world.vm(wanted)
        except NoSuchThing:
            return None
        return vm if vm.id == wanted else None

    def _followed(
        self, request: web.Request, vms: Sequence[Machine], alone: bool = False
    ) -> web.Response:
        """With what ``follow`` names put in; one link to nothing spoils it all, as in reality."""
        links = {link.strip().partition(".")[0] for link in request.query["follow"].split(",")}
        if "host" in links and any(vm.host_id is None for vm in vms):
            return page(500)
        written = b"".join(self._pages.extended(self._with(vm, links)) for vm in vms)
        if not alone:
            written = b"<vms>" + written + b"</vms>"
        return _answer_bytes(request, written)

    def _with(self, vm: Machine, links: set[str]) -> Any:
        shown = described.vm_type(self._world, vm)
        if "host" in links:
            shown.host = described.host_type(self._world, _there(self._world.host(vm.host_id)))
        if "cluster" in links:
            cluster = _there(self._world.cluster(vm.cluster_id))
            shown.cluster = described.cluster_type(self._world, cluster)
        if "template" in links:
            shown.template = described.blank_template_type()
        for name in PARTS.keys() & links:
            setattr(shown, name, list(PARTS[name](self._world, vm)))
        return shown

    # Acting --------------------------------------------------------------------------

    async def _act(self, action: str, request: web.Request, user: str) -> web.Response:
        try:
            options = _options(await request.read())
            vm_id = str(uuid.UUID(request.match_info["id"]))
        except ValueError as error:
            return _fault(request, 400, str(error))
        correlation_id = _correlation_id(request)
        asked = Asked(user, correlation_id, options.get("reason"))
        if not IGNORED.get():
            try:
                carry_out(self._world, action, vm_id, asked)
            except Refusal as refusal:
                return _failed_action(request, refusal)
        # Suspending is a task of its own in the engine, and so is what was asked for async.
        pending = action == "suspend" or options.get("async") == "true"
        shown = types.Action(
            status="pending" if pending else "complete",
            correlation_id=correlation_id,
            reason=options.get("reason"),
            async_=options.get("async") == "true" if "async" in options else None,
            force=options.get("force") == "true" if "force" in options else None,
            job=types.Job(id=str(uuid.uuid4())),
        )
        shown.job.href = href("jobs", shown.job.id)
        return _answer(request, document(shown), 202 if pending else 200)


def _route(method: str, path: str, handler: Handler, verb: str = "") -> Route:
    return Route(method, path, handler, path.removeprefix(PREFIX), verb)


def _path(name: str) -> str:
    """Of a collection with this name in the SDK."""
    return name.replace("_", "")


# What a request says ---------------------------------------------------------------------


def _wants_only_json(request: web.Request) -> bool:
    accepted = request.headers.get("Accept", "*/*")
    return "json" in accepted and "xml" not in accepted and "*/*" not in accepted


def _whole(request: web.Request, name: str) -> int | None:
    """A parameter that is a number; what is none is ignored."""
    text = request.query.get(name, "")
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else None


def _options(body: bytes) -> dict[str, str]:
    """What stands in an <action>; raises ValueError if it is none."""
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise ValueError(f"the body is not XML: {error}") from None
    if root.tag != "action":
        raise ValueError(f"expected an action, not {root.tag}")
    return {child.tag: child.text or "" for child in root}


def _correlation_id(request: web.Request) -> str:
    given = request.headers.get("Correlation-Id") or request.query.get("correlation_id") or ""
    stripped = re.sub(r"[^0-9a-zA-Z_-]", "", given)[:_LONGEST_CORRELATION_ID]
    return stripped or str(uuid.uuid4())


def _there(thing: Any) -> Any:
    if thing is None:
        raise NoSuchThing("a link leads nowhere")
    return thing


# Answers ---------------------------------------------------------------------------------


def _answer(request: web.Request, shown: Document, code: int = 200) -> web.Response:
    if not _takes_gzip(request):
        return _xml(shown.plain(), code)
    return _xml(shown.gzipped(), code, gzipped=True)


def _answer_bytes(request: web.Request, body: bytes) -> web.Response:
    if not _takes_gzip(request) or len(body) < _SMALLEST_TO_COMPRESS:
        return _xml(body, 200)
    return _xml(gzip.compress(body), 200, gzipped=True)


def _takes_gzip(request: web.Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "").lower()


def _unknown_user() -> web.Response:
    refused = page(401)
    refused.headers["WWW-Authenticate"] = 'Bearer realm="ovirt-engine"'
    return refused


def _xml(body: bytes, code: int, gzipped: bool = False) -> web.Response:
    headers = {"Content-Encoding": "gzip"} if gzipped else None
    return web.Response(status=code, body=body, content_type=_XML, charset="utf-8", headers=headers)


def _fault(request: web.Request, code: int, detail: str, bare: bool = False) -> web.Response:
    fault = types.Fault(reason="Operation Failed", detail=detail if bare else f"[{detail}]")
    return _answer(request, document(fault), code)


def _failed_action(request: web.Request, refusal: Refusal) -> web.Response:
    fault = types.Fault(reason="Operation Failed", detail=f"[{refusal}]")
    return _answer(request, document(types.Action(fault=fault, status="failed")), refusal.code)
