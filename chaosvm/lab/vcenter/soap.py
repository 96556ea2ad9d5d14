"""SOAP: parse requests, and build response and fault envelopes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate
from xml.sax.saxutils import escape

from pyVmomi import VmomiSupport, vmodl
from pyVmomi.SoapAdapter import (
    NS_SEP,
    XMLNS_SOAPENV,
    ExpatDeserializerNSHandlers,
    SetHandlers,
    SoapDeserializer,
)
from pyVmomi.SoapAdapter import GetHandlers as get_handlers

from chaosvm.lab.vcenter.managed_object import RawXml, SoapFault
from chaosvm.lab.vcenter.serialization import NAMESPACE, fault_detail, serialize

__all__ = [
    "API_VERSION",
    "Request",
    "response_envelope",
    "fault_envelope",
    "parse_request",
    "requested_version",
]

API_VERSION = "8.0.3.0"
# The newest version of each service.
_NEWEST = {
    NAMESPACE: VmomiSupport.versionMap[f"vim25/{API_VERSION}"],
    "urn:pbm": VmomiSupport.versionMap[f"pbm/{API_VERSION}"],
}
_SESSION_COOKIE = re.compile(rb"<(?:\w+:)?vcSessionCookie[^>]*>\s*\"?([^<\"]+)")
_BODY = f"{XMLNS_SOAPENV}{NS_SEP}Body"
_ENVELOPE_START = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n<soapenv:Body>\n'
)
_ENVELOPE_END = "\n</soapenv:Body>\n</soapenv:Envelope>"
# Errors of pyvmomi's deserializer for values that do not match the declared types.
_PARSE_ERRORS = (ExpatError, LookupError, AttributeError, TypeError, ValueError)


@dataclass(slots=True)
class Request:
    """A method call on a managed object."""

    method: str = ""
    namespace: str = NAMESPACE
    info: Any = None  # pyvmomi's method info, None for an unknown method
    target: Any = None
    arguments: dict[str, Any] = field(default_factory=dict)
    # The cookie of a session as services besides the vCenter's own get it, in the header.
    session_cookie: str = ""


class _RequestParser(ExpatDeserializerNSHandlers):  # type: ignore[misc]
    """Passes each argument to pyvmomi's deserializer with its declared type."""

    def __init__(self) -> None:
        super().__init__()
        self.request = Request()
        self._parser = ParserCreate(namespace_separator=NS_SEP)
        self._parser.buffer_text = True
        self._deserializer = SoapDeserializer()
        self._depth = 0
        self._in_body = False
        self._pending = ""
        SetHandlers(self._parser, get_handlers(self))

    def parse(self, body: bytes) -> Request:
        self._parser.Parse(body, True)
        self._store_argument()
        return self.request

    def StartElementHandler(self, tag: str, attributes: dict[str, str]) -> None:
        self._store_argument()
        self._depth += 1
        if tag == _BODY:
            self._in_body = True
            return
        name = tag.rpartition(NS_SEP)[2]
        if not self._in_body:
            return
        if not self.request.method:
            self.request.method = name
            self.request.namespace = tag.rpartition(NS_SEP)[0]
            self.request.info = _method_info(self.request.namespace, name)
        elif (declared := self._declared(name)) is not None:
            self._pending = name
            self._depth -= 1  # the deserializer handles the end tag
            self._deserializer.Deserialize(self._parser, declared, False, self.nsMap)
            self._deserializer.StartElementHandler(tag, attributes)

    def EndElementHandler(self, tag: str) -> None:
        self._store_argument()
        self._depth -= 1
        if tag == _BODY:
            self._in_body = False

    def CharacterDataHandler(self, data: str) -> None:
        pass

    def _declared(self, name: str) -> Any:
        if name == "_this":
            return VmomiSupport.ManagedObject
        for parameter in self.request.info.params if self.request.info else ():
            if parameter.name == name:
                is_array = issubclass(parameter.type, list)
                return parameter.type.Item if is_array else parameter.type
        return None

    def _store_argument(self) -> None:
        """Store the argument that the deserializer has completed."""
        name, self._pending = self._pending, ""
        if not name:
            return
        value = self._deserializer.GetResult()
        if name == "_this":
            self.request.target = value
            return
        arguments = self.request.arguments
        parameter = next(each for each in self.request.info.params if each.name == name)
        if issubclass(parameter.type, list):
            arguments.setdefault(name, []).append(value)
        else:
            arguments[name] = value


# pyvmomi's method to read a single property; it is not in the WSDL.
_FETCH = VmomiSupport.Object(
    params=(VmomiSupport.Object(name="prop", type=str),), result=object, wsdlName="Fetch"
)


def _method_info(namespace: str, name: str) -> Any:
    if name == "Fetch":
        return _FETCH
    try:
        return VmomiSupport.GetWsdlMethod(namespace, name).info
    except KeyError:
        return None


def parse_request(body: bytes) -> Request:
    """Parse a request. Raises SoapFault if it is invalid."""
    try:
        request = _RequestParser().parse(body)
    except _PARSE_ERRORS as error:
        raise SoapFault(
            vmodl.fault.InvalidRequest(), f"the request is not valid: {error}"
        ) from None
    if not request.method or request.target is None:
        raise SoapFault(vmodl.fault.InvalidRequest(), "there is no method in the request")
    cookie = _SESSION_COOKIE.search(body)
    request.session_cookie = cookie[1].decode() if cookie else ""
    return request


def requested_version(action: str, namespace: str = NAMESPACE) -> str:
    """pyvmomi's name of the version in a SOAPAction header, the newest for an unknown one."""
    newest = _NEWEST.get(namespace, _NEWEST[NAMESPACE])
    version = VmomiSupport.versionMap.get(action.strip('"').removeprefix("urn:"))
    if version is None or not VmomiSupport.IsChildVersion(newest, version):
        return str(newest)
    return str(version)


def response_envelope(request: Request, value: Any, version: str) -> bytes:
    """The envelope of a method's return value."""
    if isinstance(value, RawXml):
        content = value
    elif value is None or request.info.result is type(None):
        content = RawXml()
    else:
        content = RawXml(serialize("returnval", value, version, request.info.result))
    name = f"{request.method}Response"
    response = f'<{name} xmlns="{request.namespace}">{content}</{name}>'
    return f"{_ENVELOPE_START}{response}{_ENVELOPE_END}".encode()


def fault_envelope(soap_fault: SoapFault, version: str) -> bytes:
    """The envelope of a fault."""
    return (
        f"{_ENVELOPE_START}<soapenv:Fault><faultcode>ServerFaultCode</faultcode>"
        f"<faultstring>{escape(str(soap_fault))}</faultstring>"
        f"<detail>{fault_detail(soap_fault.fault, version)}</detail></soapenv:Fault>{_ENVELOPE_END}"
    ).encode()
