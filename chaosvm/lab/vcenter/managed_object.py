"""Base class of managed objects: properties by path, methods by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pyVmomi import VmomiSupport, vim

from chaosvm.lab.vcenter.interfaces import Session
from chaosvm.lab.vcenter.serialization import leaf_type, required_values, serialize, value_at

if TYPE_CHECKING:
    from chaosvm.lab.simulation import Origin

__all__ = [
    "Call",
    "ManagedObject",
    "RawXml",
    "SoapFault",
    "empty_property",
    "method",
    "not_authenticated",
    "managed_property",
]

Function = TypeVar("Function", bound=Callable[..., Any])


class SoapFault(Exception):
    """Answers the request with a fault, which is a pyvmomi object."""

    def __init__(self, fault: Any, message: str = "") -> None:
        name = type(fault).__name__.rsplit(".", 1)[-1]
        super().__init__(message or getattr(fault, "msg", None) or name)
        self.fault = fault


def not_authenticated(reference: Any) -> SoapFault:
    fault = vim.fault.NotAuthenticated(object=reference, privilegeId="System.View")
    return SoapFault(fault, "The session is not authenticated.")


class RawXml(str):
    """A return value that is already XML."""


@dataclass(frozen=True, slots=True)
class Call:
    """A method call: its arguments and its session."""

    method: str
    arguments: Mapping[str, Any]
    session: Session | None
    version: str
    origin: Origin
    # Response headers to set, such as the session cookie.
    headers: dict[str, str]
    client: str = ""
    # The host and port that the client has connected to.
    host: str = ""

    def get(self, name: str) -> Any:
        return self.arguments.get(name)


def managed_property(function: Function) -> Function:
    """Mark a method, which takes the session, as the getter of the property of that name."""
    function.is_managed_property = True  # type: ignore[attr-defined]
    return function


def empty_property() -> Callable[..., Any]:
    """The getter of a property that is an empty array."""
    return managed_property(lambda self, session=None: [])


def method(*names: str) -> Callable[[Function], Function]:
    """Mark a method as the handler of these SOAP methods."""

    def decorate(function: Function) -> Function:
        function.soap_methods = names  # type: ignore[attr-defined]
        return function

    return decorate


class ManagedObject:
    """An object that clients refer to by type and moid."""

    kind: ClassVar[Any] = VmomiSupport.ManagedObject
    # Readable without a login.
    public: ClassVar[bool] = False
    _properties: ClassVar[dict[str, str]] = {}
    _methods: ClassVar[dict[str, str]] = {"Fetch": "fetch"}

    def __init_subclass__(cls) -> None:
        bases = [base for base in cls.__bases__[::-1] if issubclass(base, ManagedObject)]
        cls._properties = {name: own for base in bases for name, own in base._properties.items()}
        cls._methods = {name: own for base in bases for name, own in base._methods.items()}
        for name, function in list(vars(cls).items()):
            if getattr(function, "is_managed_property", False):
                cls._properties[name] = name
            for soap_method in getattr(function, "soap_methods", ()):
                cls._methods[soap_method] = name

    def __init__(self, moid: str) -> None:
        self.moid = moid

    @property
    def reference(self) -> Any:
        return self.kind(self.moid)

    def handler(self, name: str) -> Callable[[Call], Any] | None:
        attribute = self._methods.get(name)
        return getattr(self, attribute) if attribute else None

    def paths(self) -> list[str]:
        """All simulated properties, and those that always have a value."""
        return list(dict.fromkeys((*self._properties, *required_values(self.kind))))

    def get(self, path: str, session: Session | None = None) -> Any:
        """The value of a property, None if unset. Raises InvalidPath."""
        leaf_type(self.kind, path)
        name = path.partition(".")[0].partition("[")[0]
        if name in self._properties:
            value = getattr(self, self._properties[name])(session)
        else:
            value = required_values(self.kind).get(name)
        return value_at(value, leaf_type(self.kind, name), path[len(name) :].lstrip("."))

    def encode(self, path: str, version: str, session: Session | None) -> str:
        """A property as an XML element, empty if unset."""
        value = self.get(path, session)
        return "" if value is None else serialize("val", value, version)

    @method("Fetch")
    def fetch(self, call: Call) -> RawXml:
        """How pyvmomi reads a single property."""
        if call.session is None and not self.public:
            raise not_authenticated(self.reference)
        value = self.encode(call.get("prop"), call.version, call.session)
        return RawXml(
            value.replace("<val", "<returnval", 1).removesuffix("</val>") + "</returnval>"
            if value
            else ""
        )
