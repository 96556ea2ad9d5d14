"""HTTP routes of the simulated vCenter: SOAP, and the REST API."""

from __future__ import annotations

import asyncio
import inspect
import zlib
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from aiohttp import web
from pyVmomi import VmomiSupport, vmodl

from chaosvm.lab.fault_injection import page
from chaosvm.lab.fault_rules import Rule
from chaosvm.lab.http_server import Route
from chaosvm.lab.options import Options
from chaosvm.lab.simulation import NotFound, Origin, World
from chaosvm.lab.vcenter import soap
from chaosvm.lab.vcenter.datastore_http import DatastoreHttp
from chaosvm.lab.vcenter.managed_object import Call, SoapFault, not_authenticated
from chaosvm.lab.vcenter.rule_faults import build_fault
from chaosvm.lab.vcenter.serialization import InvalidPath
from chaosvm.lab.vcenter.service_instance import Service
from chaosvm.lab.vcenter.session_manager import COOKIE, Session, Sessions
from chaosvm.lab.vcenter.storage_policies import StoragePolicies
from chaosvm.lab.vcenter.vapi import automation_api, not_modelled

__all__ = ["VCenterServer"]

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
_MIN_GZIP_BYTES = 1000
_MIN_THREADED_GZIP_BYTES = 200_000
# Methods that need no login.
_ANONYMOUS_METHODS = frozenset(
    (
        "RetrieveServiceContent",
        "Login",
        "CloneSession",
        "PbmRetrieveServiceContent",
        "Fetch",
        "RetrieveProperties",
        "RetrievePropertiesEx",
        "ContinueRetrievePropertiesEx",
        "CancelRetrievePropertiesEx",
    )
)


# The parsed body of the current request, or the fault that parsing raised.
_SOAP_REQUEST: ContextVar[soap.Request | SoapFault | None] = ContextVar(
    "_SOAP_REQUEST", default=None
)


class VCenterServer:
    tls = True

    def __init__(self, world: World, options: Options) -> None:
        self._world = world
        self._options = options
        self.sessions = Sessions(world, options)
        self._service = Service(world, options, self.sessions)
        self._policies = StoragePolicies()
        self._rest = automation_api(self._service, self.sessions)

    # Interface to the server -------------------------------------------------------

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
            Route("POST", "/sdk", self._soap, "/sdk", read_verb=self._parse_soap),
            Route("POST", "/pbm", self._soap, "/pbm", read_verb=self._parse_soap),
            Route("GET", versions, _versions, versions),
            Route("GET", "/guestFile", self._guest_file, "/guestFile"),
            Route("PUT", "/guestFile", self._guest_file, "/guestFile"),
            *DatastoreHttp(self._service.inventory, self._has_session).routes(),
            *self._rest.routes(),
        ]

    def route_path(self, path: str) -> str:
        return {"/sdk/": "/sdk", "/pbm/": "/pbm", "/pbm/sdk": "/pbm"}.get(path, path)

    def about(self, request: web.Request) -> frozenset[str]:
        """The moids and names of all VMs in the request."""
        soap_request = _soap_request(request)
        if not isinstance(soap_request, soap.Request):
            return frozenset()
        moids = {soap_request.target._moId}
        for value in soap_request.arguments.values():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, VmomiSupport.ManagedObject):
                    moids.add(each._moId)
        machines = self._service.inventory.machines()
        vms = [machines[moid] for moid in moids if moid in machines]
        return frozenset((*moids, *(vm.name for vm in vms)))

    async def unrouted(self, request: web.Request, code: int) -> web.Response:
        if code == 404 and request.path.startswith(("/api/", "/rest/")):
            return not_modelled(request)
        return page(code)

    def refusal(self, request: web.Request, rule: Rule) -> web.Response:
        """The fault that the rule names, about the request's target."""
        soap_request = _soap_request(request)
        if not isinstance(soap_request, soap.Request):
            return web.Response(status=rule.code or 500)
        target = self._service.find(soap_request.target._moId, self._session_of(request))
        if target is None:
            return self._fault(request, _not_found(soap_request.target))
        return self._fault(request, SoapFault(build_fault(rule, target), rule.message))

    async def _guest_file(self, request: web.Request) -> web.Response:
        """A file of a guest, by the token in its address."""
        token, files = request.query.get("token", ""), self._service.guest_files
        if request.method == "PUT":
            return web.Response() if files.write(token, await request.read()) else page(404)
        content = files.read(token)
        return page(404) if content is None else web.Response(body=content)

    def _has_session(self, request: web.Request) -> bool:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        by_password = scheme.lower() == "basic" and self.sessions.account.matches_basic(credentials)
        return by_password or self._session_of(request) is not None

    # SOAP ------------------------------------------------------------------------------

    def _parse_soap(self, request: web.Request, body: bytes) -> str:
        """Parse the request once and return its method."""
        try:
            soap_request = soap.parse_request(body)
        except SoapFault as soap_fault:
            _SOAP_REQUEST.set(soap_fault)
            return ""
        _SOAP_REQUEST.set(soap_request)
        return soap_request.method

    async def _soap(self, request: web.Request) -> web.Response:
        soap_request = _SOAP_REQUEST.get()
        if not isinstance(soap_request, soap.Request):
            return self._fault(request, soap_request or SoapFault(vmodl.fault.InvalidRequest()))
        version = soap.requested_version(
            request.headers.get("SOAPAction", ""), soap_request.namespace
        )
        session = self._session_of(request, soap_request.session_cookie)
        headers: dict[str, str] = {}
        call = Call(
            method=soap_request.method,
            arguments=soap_request.arguments,
            session=session,
            version=version,
            origin=Origin(user=session.user if session else None),
            headers=headers,
            client=request.headers.get("User-Agent", ""),
            host=request.host,
        )
        try:
            value = await self._invoke(soap_request, call)
        except SoapFault as soap_fault:
            return self._fault(request, soap_fault)
        except NotFound:
            return self._fault(request, _not_found(soap_request.target))
        except InvalidPath as error:
            return self._fault(request, SoapFault(vmodl.query.InvalidProperty(name=str(error))))
        body = soap.response_envelope(soap_request, value, version)
        return await _xml(request, body, headers)

    async def _invoke(self, soap_request: soap.Request, call: Call) -> Any:
        of_policies = soap_request.namespace == "urn:pbm"
        objects = self._policies if of_policies else self._service
        target = objects.find(soap_request.target._moId, call.session)
        if call.session is None and soap_request.method not in _ANONYMOUS_METHODS:
            if of_policies:  # a service without the vCenter's own faults
                raise SoapFault(vmodl.fault.SecurityError(), "The session is not authenticated.")
            raise not_authenticated(soap_request.target)
        if target is None:
            raise _not_found(soap_request.target)
        handler = target.handler(soap_request.method)
        if handler is None:
            fault = vmodl.fault.MethodNotFound(
                receiver=soap_request.target, method=soap_request.method
            )
            raise SoapFault(fault, f"The method {soap_request.method} is not modelled by the lab.")
        if call.session is not None:
            call.session.calls += 1
        value = handler(call)
        return await value if inspect.isawaitable(value) else value

    def _session_of(self, request: web.Request, passed_on: str = "") -> Session | None:
        cookie = request.cookies.get(COOKIE) or passed_on
        return self.sessions.by_cookie(cookie) if cookie else None

    def _fault(self, request: web.Request, soap_fault: SoapFault) -> web.Response:
        version = soap.requested_version(request.headers.get("SOAPAction", ""))
        return web.Response(
            status=500,
            body=soap.fault_envelope(soap_fault, version),
            content_type="text/xml",
            charset="utf-8",
        )


def _soap_request(request: web.Request) -> soap.Request | SoapFault | None:
    return _SOAP_REQUEST.get() if request.path.startswith("/sdk") else None


def _not_found(target: Any) -> SoapFault:
    return SoapFault(
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
    accepts_gzip = "gzip" in request.headers.get("Accept-Encoding", "").lower()
    if accepts_gzip and len(body) > _MIN_GZIP_BYTES:
        headers["Content-Encoding"] = "gzip"
        if len(body) > _MIN_THREADED_GZIP_BYTES:
            body = await asyncio.to_thread(_gzip, body)
        else:
            body = _gzip(body)
    return web.Response(body=body, content_type="text/xml", charset="utf-8", headers=headers)


def _gzip(body: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()
