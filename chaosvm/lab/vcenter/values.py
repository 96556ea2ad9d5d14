"""Values as XML, and whole data objects made of the few values that are known.

pyvmomi's serializer writes what is complex. What is plain is written here: it
is most of what is read, and has to be fast.
"""

from __future__ import annotations

import copy
import datetime as dt
import io
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape

from pyVmomi import VmomiSupport, vmodl
from pyVmomi.Iso8601 import ISO8601Format
from pyVmomi.SoapAdapter import SOAP_NSMAP, XMLNS_XSD, XMLNS_XSI, SoapSerializer
from pyVmomi.VmomiSupport import DataObject, Enum, ManagedObject

__all__ = [
    "NAMESPACE",
    "InvalidPath",
    "encoded",
    "fault_detail",
    "harmless",
    "leaf_type",
    "made",
    "moment_text",
    "opening",
    "plain_text",
    "reference",
    "text_writer",
    "typed",
    "walked",
]

NAMESPACE = "urn:vim25"
_PREFIXES = {**SOAP_NSMAP, NAMESPACE: "", XMLNS_XSI: "xsi", XMLNS_XSD: "xsd"}
_OPTIONAL = VmomiSupport.F_OPTIONAL
_EPOCH = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_KEY = re.compile(r'\[(?:"(.*)"|(.*))\]')
# What XML cannot hold at all.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class InvalidPath(LookupError):
    """No object of the kind has such a property."""


def encoded(tag: str, value: Any, version: str, declared: Any = object) -> str:
    """A value as an element; ``object`` as the declared type means that it tells its own."""
    if declared is object and isinstance(value, ManagedObject):
        return _reference(tag, value)
    if declared is object and isinstance(value, VmomiSupport.Array) and _refers(value):
        items = "".join(_reference("ManagedObjectReference", item) for item in value)
        return f'<{tag} xsi:type="ArrayOfManagedObjectReference">{items}</{tag}>'
    out, serializer = _serializer(version)
    serializer.Serialize(value, _info(tag, declared, version))
    return out.getvalue()


def fault_detail(fault: Any, version: str) -> str:
    """A fault as it stands in a SOAP fault's detail."""
    kind = VmomiSupport.GetWsdlName(type(fault))
    bare = copy.copy(fault)
    bare.msg = None  # it stands in the faultstring
    out, serializer = _serializer(version)
    serializer.SerializeFaultDetail(bare, _info(f"{kind}Fault", object, version))
    opening = f"<{kind}Fault"
    return out.getvalue().replace(opening, f'{opening} xmlns="{NAMESPACE}"', 1)


def _serializer(version: str) -> tuple[io.StringIO, Any]:
    out = io.StringIO()
    serializer = SoapSerializer(out, version, _PREFIXES)
    serializer.outermostAttrs = ""
    return out, serializer


def _info(tag: str, declared: Any, version: str) -> Any:
    return VmomiSupport.Object(name=tag, type=declared, version=version, flags=_OPTIONAL)


def reference(tag: str, value: Any) -> str:
    """A reference to a managed object where nothing else can stand."""
    return f'<{tag} type="{VmomiSupport.GetWsdlName(type(value))}">{escape(value._moId)}</{tag}>'


def _reference(tag: str, value: Any) -> str:
    kind = VmomiSupport.GetWsdlName(type(value))
    moid = escape(value._moId)
    return f'<{tag} type="{kind}" xsi:type="ManagedObjectReference">{moid}</{tag}>'


def _refers(value: Any) -> bool:
    return issubclass(value.Item, ManagedObject)


def text_writer(tag: str, declared: Any, version: str, telling: bool) -> Callable[[Any], str]:
    """What writes many values of one declared type, ``telling`` it or not; None is no value."""
    if issubclass(declared, ManagedObject):
        refer = _reference if telling else reference
        return lambda value: refer(tag, value)
    plain = _plain(declared)
    if plain is None:
        shown = object if telling else declared
        return lambda value: _complex(tag, value, version, declared, shown)
    kind, text = plain
    start = f'<{tag} xsi:type="{kind}">' if telling else f"<{tag}>"
    end = f"</{tag}>"
    return lambda value: f"{start}{text(value)}{end}"


def opening(tag: str, kind: Any) -> str:
    """The beginning of an element that tells its type."""
    return f'<{tag} xsi:type="{VmomiSupport.GetWsdlName(kind)}">'


def plain_text(value: str) -> str:
    return escape(_UNPRINTABLE.sub("", value))


def moment_text(value: dt.datetime) -> str:
    return str(ISO8601Format(value))


def _plain(declared: Any) -> tuple[str, Callable[[Any], str]] | None:
    if issubclass(declared, list) or issubclass(declared, DataObject) or declared is object:
        return None
    if issubclass(declared, Enum):
        return VmomiSupport.GetWsdlName(declared), str
    if declared is bool:
        return "xsd:boolean", lambda value: "true" if value else "false"
    if issubclass(declared, dt.datetime):
        return "xsd:dateTime", moment_text
    if declared is str:
        return "xsd:string", plain_text
    return f"xsd:{VmomiSupport.GetWsdlName(declared)}", str


def _complex(tag: str, value: Any, version: str, declared: Any, shown: Any) -> str:
    if isinstance(value, list) and not value:
        return _empty(tag, version, declared, shown)
    if issubclass(declared, list):
        value = declared(value)
    return encoded(tag, value, version, shown)


@lru_cache(maxsize=256)
def _empty(tag: str, version: str, declared: Any, shown: Any) -> str:
    """A list with nothing in it, of which there are many."""
    return encoded(tag, declared(), version, shown)


# Paths -----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def leaf_type(kind: Any, path: str) -> Any:
    """The declared type of a property by its path; raises InvalidPath.

    Within one item of a list it is ``object``: which properties that has depends on the item.
    """
    declared = kind
    for name in path.split("."):
        bare, bracket, _ = name.partition("[")
        declared = _type_of(declared, bare, path)
        if bracket:
            return object
    return declared


def _type_of(declared: Any, name: str, path: str) -> Any:
    try:
        if issubclass(declared, ManagedObject):
            return VmomiSupport.GetPropertyInfo(declared, name).type
        return declared._GetPropertyInfo(name).type
    except (AttributeError, KeyError, TypeError):
        raise InvalidPath(path) from None


def walked(value: Any, path: str) -> Any:
    """What is at a path within a value; None where something on the way is not set."""
    for name in path.split(".") if path else ():
        bare, bracket, _ = name.partition("[")
        if bare:
            value = getattr(value, bare, None)
        if bracket:
            value = _keyed(value, name[len(bare) :])
        if value is None:
            return None
    return value


def typed(kind: Any, path: str, value: Any) -> Any:
    """A list that may tell its type is of the type that is declared."""
    if not isinstance(value, list) or isinstance(value, VmomiSupport.Array):
        return value
    declared = leaf_type(kind, path)
    if declared is not object:
        return declared(value)
    return VmomiSupport.CreateArrayType(type(value[0]))(value) if value else None


def _keyed(values: Any, bracketed: str) -> Any:
    found = _KEY.fullmatch(bracketed)
    wanted = (found[1] or found[2]) if found else None
    return next((item for item in values or () if str(getattr(item, "key", "")) == wanted), None)


# Data objects ----------------------------------------------------------------------------


def made(kind: Any, **values: Any) -> Any:
    """A data object with these values, and with something harmless where one is required."""
    thing = kind()
    for info in thing._GetPropertyList():
        value = values.pop(info.name, None)
        if value is None and not info.flags & _OPTIONAL:
            value = harmless(info, getattr(thing, info.name))
        if value is not None:
            setattr(thing, info.name, value)
    if values:
        raise TypeError(f"{kind.__name__} has no {', '.join(values)}")
    return thing


def harmless(info: Any, default: Any) -> Any:
    """What stands for a property that is required, and of which nothing is known."""
    declared = info.type
    if issubclass(declared, list):
        return declared([_harmless_item(declared.Item)])
    return default if default is not None else _harmless_item(declared)


def _harmless_item(declared: Any) -> Any:
    if issubclass(declared, Enum):
        return declared(declared.values[0])
    if issubclass(declared, dt.datetime):
        return _EPOCH
    if declared is object:
        return ""
    if issubclass(declared, ManagedObject):
        return declared("none")
    if issubclass(declared, vmodl.MethodFault):
        return declared()
    if issubclass(declared, DataObject):
        return made(declared)
    return declared()
