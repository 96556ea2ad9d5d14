"""SOAP: from a request's bytes to a method and its arguments, and from values to answers."""

from __future__ import annotations

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
from pyVmomi.SoapAdapter import GetHandlers as handlers_of

from chaosvm.lab.vcenter.managed import Raw, Refused
from chaosvm.lab.vcenter.values import NAMESPACE, encoded, fault_detail

__all__ = ["API_VERSION", "Request", "answer", "fault", "parsed", "version_asked_for"]

API_VERSION = "8.0.3.0"
_NEWEST = VmomiSupport.versionMap[f"vim25/{API_VERSION}"]
_BODY = f"{XMLNS_SOAPENV}{NS_SEP}Body"
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" '
    'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n<soapenv:Body>\n'
)
_TAIL = "\n</soapenv:Body>\n</soapenv:Envelope>"
# What pyvmomi's deserializer raises for values that are not of the declared types.
_NOT_UNDERSTOOD = (ExpatError, LookupError, AttributeError, TypeError, ValueError)


@dataclass(slots=True)
class Request:
    """A method that is called, on an object, with arguments."""

    method: str = ""
    info: Any = None  # pyvmomi's, of a method that it knows
    target: Any = None
    arguments: dict[str, Any] = field(default_factory=dict)


class _Reader(ExpatDeserializerNSHandlers):  # type: ignore[misc]
    """Hands each argument to pyvmomi's deserializer, with the type that it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.request = Request()
        self._parser = ParserCreate(namespace_separator=NS_SEP)
        self._parser.buffer_text = True
        self._deserializer = SoapDeserializer()
        self._depth = 0
        self._in_body = False
        self._pending = ""
        SetHandlers(self._parser, handlers_of(self))

    def read(self, body: bytes) -> Request:
        self._parser.Parse(body, True)
        self._take()
        return self.request

    def StartElementHandler(self, tag: str, attributes: dict[str, str]) -> None:
        self._take()
        self._depth += 1
        if tag == _BODY:
            self._in_body = True
            return
        name = tag.rpartition(NS_SEP)[2]
        if not self._in_body:
            return
        if not self.request.method:
            self.request.method = name
            self.request.info = _method_info(name)
        elif (declared := self._declared(name)) is not None:
            self._pending = name
            self._depth -= 1  # its end is not told here
            self._deserializer.Deserialize(self._parser, declared, False, self.nsMap)
            self._deserializer.StartElementHandler(tag, attributes)

    def EndElementHandler(self, tag: str) -> None:
        self._take()
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
                listed = issubclass(parameter.type, list)
                return parameter.type.Item if listed else parameter.type
        return None

    def _take(self) -> None:
        """Keep the argument that was read last."""
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


# How pyvmomi reads a single property, which is in no WSDL.
_FETCH = VmomiSupport.Object(
    params=(VmomiSupport.Object(name="prop", type=str),), result=object, wsdlName="Fetch"
)


def _method_info(name: str) -> Any:
    if name == "Fetch":
        return _FETCH
    try:
        return VmomiSupport.GetWsdlMethod(NAMESPACE, name).info
    except KeyError:
        return None


def parsed(body: bytes) -> Request:
    """Raises Refused for what is no request."""
    try:
        request = _Reader().read(body)
    except _NOT_UNDERSTOOD as error:
        raise Refused(vmodl.fault.InvalidRequest(), f"the request is not valid: {error}") from None
    if not request.method or request.target is None:
        raise Refused(vmodl.fault.InvalidRequest(), "there is no method in the request")
    return request


def version_asked_for(action: str) -> str:
    """pyvmomi's name of the version in a SOAPAction header; the newest one if it is unknown."""
    wanted = action.strip('"').removeprefix("urn:")
    version = VmomiSupport.versionMap.get(wanted)
    if version is None or not VmomiSupport.IsChildVersion(_NEWEST, version):
        return str(_NEWEST)
    return str(version)


def answer(method: str, info: Any, value: Any, version: str) -> bytes:
    """A value of the method's declared type, in an envelope."""
    if isinstance(value, Raw):
        inner = value
    elif value is None or info.result is type(None):
        inner = Raw()
    else:
        inner = Raw(encoded("returnval", value, version, info.result))
    return (
        f'{_HEAD}<{method}Response xmlns="{NAMESPACE}">{inner}</{method}Response>{_TAIL}'.encode()
    )


def fault(refused: Refused, version: str) -> bytes:
    """A fault, in an envelope."""
    return (
        f"{_HEAD}<soapenv:Fault><faultcode>ServerFaultCode</faultcode>"
        f"<faultstring>{escape(str(refused))}</faultstring>"
        f"<detail>{fault_detail(refused.fault, version)}</detail></soapenv:Fault>{_TAIL}"
    ).encode()
