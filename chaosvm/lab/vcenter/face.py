"""The vCenter's HTTP side: one path for all of SOAP, and the REST API beside it."""

from __future__ import annotations

import asyncio
import inspect
import zlib
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from aiohttp import web
from pyVmomi import VmomiSupport, vmodl

from chaosvm.lab.faults import Rule
from chaosvm.lab.options import Options
from chaosvm.lab.server import Route, page
from chaosvm.lab.vcenter import soap
from chaosvm.lab.vcenter.managed import Call, Refused, not_authenticated
from chaosvm.lab.vcenter.named import named_fault
from chaosvm.lab.vcenter.rest import Rest
from chaosvm.lab.vcenter.service import Service
from chaosvm.lab.vcenter.sessions import COOKIE, Session, Sessions
from chaosvm.lab.vcenter.values import InvalidPath
from chaosvm.lab.world import Asked, NoSuchThing, World

__all__ = ["VCenterFace"]

_VERSIONS = (
    "8.0.2.0",
    "8.0.1.0",
    "8.0.0.2",
    "8.0.0.1",
    "8.0.0.0",
    "7.0.3.2",
    "7.0.3.1",
    "7.0.3.0",
    "7.0.2.1",
    "7.0.2.0",
    "7.0.1.1",
    "7.0.1.0",
    "7.0.0.2",
    "7.0.0.0",
    "6.9.1",
    "6.8.7",
    "6.7.3",
    "6.7.2",
    "6.7.1",
    "6.7",
    "6.5",
    "6.0",
    "5.5",
    "5.1",
    "5.0",
    "4.1",
    "4.0",
    "2.5u2server",
    "2.5u2",
    "2.5",
)
_SMALLEST_TO_COMPRESS = 1000
_LONG = 200_000
# What nobody needs to be logged in for.
_PUBLIC = frozenset(
    (
        "RetrieveServiceContent",
        "Login",
        "Fetch",
        "RetrieveProperties",
        "RetrievePropertiesEx",
        "ContinueRetrievePropertiesEx",
        "CancelRetrievePropertiesEx",
    )
)


# What the request that is served asks for, or why it cannot be understood.
_ASKED: ContextVar[soap.Request | Refused | None] = ContextVar("_ASKED", default=None)


class VCenterFace:
    tls = True

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._options = options
        self.sessions = Sessions(world, options)
        self._service = Service(world, options, self.sessions)
        self._rest = Rest(self._service.estate, self.sessions)

    # For the server ----------------------------------------------------------------

    def environment(self, address: str, ca_file: str) -> dict[str, str]:
        host, _, port = address.rpartition(":")
        return {
            "VSPHERE_SERVER": host,
            "VSPHERE_PORT": port,
            "VSPHERE_USERNAME": self._options.username,
            "VSPHERE_PASSWORD": self._options.password,
            "VSPHERE_CA_FILE": ca_file,
        }

    def routes(self) -> Sequence[Route]:
        versions = "/sdk/vimServiceVersions.xml"
        return [
            Route("POST", "/sdk", self._soap, "/sdk", told_apart=self._read),
            Route("POST", "/sdk/", self._soap, "/sdk", told_apart=self._read),
            Route("GET", versions, _versions, versions),
            *self._rest.routes(),
        ]

    def about(self, request: web.Request) -> frozenset[str]:
        """Every VM that the request mentions, by its moid and its name."""
        asked = _asked(request)
        if not isinstance(asked, soap.Request):
            return frozenset()
        moids = {asked.target._moId}
        for value in asked.arguments.values():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, VmomiSupport.ManagedObject):
                    moids.add(each._moId)
        machines = self._service.estate.machines()
        found = [machines[moid] for moid in moids if moid in machines]
        return frozenset((*moids, *(vm.name for vm in found)))

    async def unserved(self, request: web.Request, code: int) -> web.Response:
        return page(code)

    def refusal(self, request: web.Request, rule: Rule) -> web.Response:
        """The fault that the rule names, filled with what is known of the request."""
        asked = _asked(request)
        if not isinstance(asked, soap.Request):
            return web.Response(status=rule.code or 500)
        thing = self._service.find(asked.target._moId, self._session_of(request))
        if thing is None:
            return self._fault(request, _gone(asked.target))
        return self._fault(request, Refused(named_fault(rule, thing), rule.message))

    # SOAP ------------------------------------------------------------------------------

    def _read(self, request: web.Request, body: bytes) -> str:
        """Read the request, once; its method is what tells it apart."""
        try:
            asked = soap.parsed(body)
        except Refused as refused:
            _ASKED.set(refused)
            return ""
        _ASKED.set(asked)
        return asked.method

    async def _soap(self, request: web.Request) -> web.Response:
        asked = _ASKED.get()
        if not isinstance(asked, soap.Request):
            return self._fault(request, asked or Refused(vmodl.fault.InvalidRequest()))
        version = soap.version_asked_for(request.headers.get("SOAPAction", ""))
        session = self._session_of(request)
        headers: dict[str, str] = {}
        call = Call(
            method=asked.method,
            arguments=asked.arguments,
            session=session,
            version=version,
            asked=Asked(user=session.user if session else None),
            headers=headers,
            client=request.headers.get("User-Agent", ""),
        )
        try:
            value = await self._carried_out(asked, call)
        except Refused as refused:
            return self._fault(request, refused)
        except NoSuchThing:
            return self._fault(request, _gone(asked.target))
        except InvalidPath as error:
            return self._fault(request, Refused(vmodl.query.InvalidProperty(name=str(error))))
        body = soap.answer(asked.method, asked.info, value, version)
        return await _xml(request, body, headers)

    async def _carried_out(self, asked: soap.Request, call: Call) -> Any:
        thing = self._service.find(asked.target._moId, call.session)
        if call.session is None and asked.method not in _PUBLIC:
            raise not_authenticated(asked.target)
        if thing is None:
            raise _gone(asked.target)
        handler = thing.handler(asked.method)
        if handler is None:
            fault = vmodl.fault.MethodNotFound(receiver=asked.target, method=asked.method)
            raise Refused(fault, f"The method {asked.method} is not modelled by the lab.")
        if call.session is not None:
            call.session.calls += 1
        value = handler(call)
        return await value if inspect.isawaitable(value) else value

    def _session_of(self, request: web.Request) -> Session | None:
        cookie = request.cookies.get(COOKIE)
        return self.sessions.of(cookie) if cookie else None

    def _fault(self, request: web.Request, refused: Refused) -> web.Response:
        version = soap.version_asked_for(request.headers.get("SOAPAction", ""))
        return web.Response(
            status=500, body=soap.fault(refused, version), content_type="text/xml", charset="utf-8"
        )


def _asked(request: web.Request) -> soap.Request | Refused | None:
    return _ASKED.get() if request.path.startswith("/sdk") else None


def _gone(target: Any) -> Refused:
    return Refused(
        vmodl.fault.ManagedObjectNotFound(obj=target),
        f"The object '{VmomiSupport.GetWsdlName(type(target))}:{target._moId}' has already been "
        "deleted or has not been completely created",
    )


async def _versions(request: web.Request) -> web.Response:
    prior = "".join(f"<version>{version}</version>" for version in _VERSIONS)
    text = (
        '<?xml version="1.0" encoding="UTF-8" ?>\n<namespaces version="1.0"><namespace>'
        f"<name>urn:vim25</name><version>{soap.API_VERSION}</version>"
        f"<priorVersions>{prior}</priorVersions></namespace></namespaces>\n"
    )
    return web.Response(text=text, content_type="text/xml")


async def _xml(request: web.Request, body: bytes, headers: dict[str, str]) -> web.Response:
    takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "").lower()
    if takes_gzip and len(body) > _SMALLEST_TO_COMPRESS:
        headers["Content-Encoding"] = "gzip"
        body = await (asyncio.to_thread(_gzipped, body) if len(body) > _LONG else _soon(body))
    return web.Response(body=body, content_type="text/xml", charset="utf-8", headers=headers)


async def _soon(body: bytes) -> bytes:
    return _gzipped(body)


def _gzipped(body: bytes) -> bytes:
    pack = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return pack.compress(body) + pack.flush()
