"""What all managed objects have in common: properties by path, methods by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pyVmomi import VmomiSupport, vim

from chaosvm.lab.vcenter.interfaces import Session
from chaosvm.lab.vcenter.values import encoded, leaf_type, typed, walked

if TYPE_CHECKING:
    from chaosvm.lab.world import Asked

__all__ = ["Call", "Managed", "Raw", "Refused", "method", "not_authenticated", "prop"]

Function = TypeVar("Function", bound=Callable[..., Any])


class Refused(Exception):
    """The answer is a fault, of pyvmomi's types."""

    def __init__(self, fault: Any, message: str = "") -> None:
        name = type(fault).__name__.rsplit(".", 1)[-1]
        super().__init__(message or getattr(fault, "msg", None) or name)
        self.fault = fault


def not_authenticated(reference: Any) -> Refused:
    fault = vim.fault.NotAuthenticated(object=reference, privilegeId="System.View")
    return Refused(fault, "The session is not authenticated.")


class Raw(str):
    """An answer that is XML already."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: its arguments, and who sends it."""

    method: str
    arguments: Mapping[str, Any]
    session: Session | None
    version: str
    asked: Asked
    # What the session's cookie, and other headers, are to be.
    headers: dict[str, str]
    client: str = ""

    def get(self, name: str) -> Any:
        return self.arguments.get(name)


def prop(function: Function) -> Function:
    """A function of the session that tells the property of its name."""
    function.told = True  # type: ignore[attr-defined]
    return function


def method(*names: str) -> Callable[[Function], Function]:
    """What carries out the methods of these names, as they are on the wire."""

    def marked(function: Function) -> Function:
        function.carries_out = names  # type: ignore[attr-defined]
        return function

    return marked


class Managed:
    """An object that clients know by its kind and moid."""

    kind: ClassVar[Any] = VmomiSupport.ManagedObject
    # May it be read by those who are not logged in?
    public: ClassVar[bool] = False
    _properties: ClassVar[dict[str, str]] = {}
    _methods: ClassVar[dict[str, str]] = {"Fetch": "fetch"}

    def __init_subclass__(cls) -> None:
        bases = [base for base in cls.__bases__[::-1] if issubclass(base, Managed)]
        cls._properties = {name: own for base in bases for name, own in base._properties.items()}
        cls._methods = {name: own for base in bases for name, own in base._methods.items()}
        for name, function in list(vars(cls).items()):
            if getattr(function, "told", False):
                cls._properties[name] = name
            for carried_out in getattr(function, "carries_out", ()):
                cls._methods[carried_out] = name

    def __init__(self, moid: str) -> None:
        self.moid = moid

    @property
    def reference(self) -> Any:
        return self.kind(self.moid)

    def handler(self, name: str) -> Callable[[Call], Any] | None:
        found = self._methods.get(name)
        return getattr(self, found) if found else None

    def paths(self) -> list[str]:
        """All properties at once, as far as they are modelled."""
        return list(self._properties)

    def get(self, path: str, session: Session | None = None) -> Any:
        """The value of a property; None where it is not set. Raises InvalidPath."""
        leaf_type(self.kind, path)
        bare = path.partition(".")[0].partition("[")[0]
        if bare not in self._properties:
            return None
        value = getattr(self, self._properties[bare])(session)
        return typed(self.kind, path, walked(value, path[len(bare) :].lstrip(".")))

    def encode(self, path: str, version: str, session: Session | None) -> str:
        """A property as an element; nothing where it is not set."""
        value = self.get(path, session)
        return "" if value is None else encoded("val", value, version)

    @method("Fetch")
    def fetch(self, call: Call) -> Raw:
        """pyvmomi's way to read one property."""
        if call.session is None and not self.public:
            raise not_authenticated(self.reference)
        value = self.encode(call.get("prop"), call.version, call.session)
        return Raw(
            value.replace("<val", "<returnval", 1).removesuffix("</val>") + "</returnval>"
            if value
            else ""
        )
