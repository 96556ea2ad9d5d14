"""XML of values, and data objects with defaults for required properties.

pyvmomi's serializer writes complex values. Simple values, which are most of what
clients read, are written here because that is faster.
"""

from __future__ import annotations

import copy
import datetime as dt
import io
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape

from pyVmomi import VmomiSupport, vim, vmodl
from pyVmomi.Iso8601 import ISO8601Format
from pyVmomi.SoapAdapter import SOAP_NSMAP, XMLNS_XSD, XMLNS_XSI, SoapSerializer
from pyVmomi.VmomiSupport import DataObject, Enum, ManagedObject

__all__ = [
    "NAMESPACE",
    "InvalidPath",
    "serialize",
    "fault_detail",
    "required_default",
    "required_values",
    "leaf_type",
    "data_object",
    "format_datetime",
    "start_tag",
    "escape_text",
    "reference",
    "element_writer",
    "typed",
    "value_at",
]

NAMESPACE = "urn:vim25"
_OPTIONAL = VmomiSupport.F_OPTIONAL
_EPOCH = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_KEY = re.compile(r'\[(?:"(.*)"|(.*))\]')
# What the lab answers for properties that are declared with a more general type: paths lead
# into it as well.
_NARROWER = {
    (vim.ClusterComputeResource, "configurationEx"): vim.cluster.ConfigInfoEx,
    (vim.Datastore, "info"): vim.host.VmfsDatastoreInfo,
}
# Text that needs no escapes, which most is.
_HARMLESS = re.compile(r"[\w .:/\[\]-]*")
# Characters that are not allowed in XML.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class InvalidPath(LookupError):
    """The type has no such property."""


def serialize(tag: str, value: Any, version: str, declared: Any = None) -> str:
    """Serialize a value as an XML element, with xsi:type if ``declared`` is not given."""
    declared = declared or object
    if declared is object and isinstance(value, ManagedObject):
        return _reference(tag, value)
    if declared is object and isinstance(value, VmomiSupport.Array):
        if issubclass(value.Item, ManagedObject):
            items = "".join(_reference("ManagedObjectReference", item) for item in value)
            return f'<{tag} xsi:type="ArrayOfManagedObjectReference">{items}</{tag}>'
        if issubclass(value.Item, DataObject):  # libvirt refuses items without their type
            name = VmomiSupport.GetWsdlName(value.Item)
            items = "".join(serialize(name, item, version) for item in value)
            return f"{start_tag(tag, type(value))}{items}</{tag}>"
    out, serializer = _serializer(version)
    serializer.Serialize(value, _info(tag, declared, version))
    return out.getvalue()


def fault_detail(fault: Any, version: str) -> str:
    """A fault as the detail of a SOAP fault."""
    kind = VmomiSupport.GetWsdlName(type(fault))
    stripped = copy.copy(fault)
    stripped.msg = None  # is in the faultstring
    out, serializer = _serializer(version)
    serializer.SerializeFaultDetail(stripped, _info(f"{kind}Fault", object, version))
    tag_start = f"<{kind}Fault"
    return out.getvalue().replace(tag_start, f'{tag_start} xmlns="{NAMESPACE}"', 1)


class _Serializer(SoapSerializer):  # type: ignore[misc]
    """Names references as the WSDL does where any type is allowed."""

    def _QName(self, typ: Any, namespace: str) -> tuple[str, str]:
        attribute, name = super()._QName(typ, namespace)
        return attribute, f"{name}Reference" if typ is ManagedObject else name


@lru_cache(maxsize=64)
def _prefixes(version: str) -> dict[str, str]:
    """The prefixes of namespaces; that of the version's service has none."""
    own = VmomiSupport.GetWsdlNamespace(version)
    return {**SOAP_NSMAP, own: "", XMLNS_XSI: "xsi", XMLNS_XSD: "xsd"}


def _serializer(version: str) -> tuple[io.StringIO, Any]:
    out = io.StringIO()
    serializer = _Serializer(out, version, _prefixes(version))
    serializer.outermostAttrs = ""
    return out, serializer


def _info(tag: str, declared: Any, version: str) -> Any:
    return VmomiSupport.Object(name=tag, type=declared, version=version, flags=_OPTIONAL)


def reference(tag: str, value: Any) -> str:
    """A managed object reference without xsi:type, where no other type is allowed."""
    return f'<{tag} type="{VmomiSupport.GetWsdlName(type(value))}">{escape(value._moId)}</{tag}>'


def _reference(tag: str, value: Any) -> str:
    kind = VmomiSupport.GetWsdlName(type(value))
    moid = escape(value._moId)
    return f'<{tag} type="{kind}" xsi:type="ManagedObjectReference">{moid}</{tag}>'


def element_writer(tag: str, declared: Any, version: str, with_type: bool) -> Callable[[Any], str]:
    """A function that serializes values of one type, with or without xsi:type; not None."""
    if issubclass(declared, ManagedObject):
        refer = _reference if with_type else reference
        return lambda value: refer(tag, value)
    plain = _plain(declared)
    if plain is None:
        serialized_as = object if with_type else declared
        return lambda value: _complex(tag, value, version, declared, serialized_as)
    kind, text = plain
    start = f'<{tag} xsi:type="{kind}">' if with_type else f"<{tag}>"
    end = f"</{tag}>"
    return lambda value: f"{start}{text(value)}{end}"


def start_tag(tag: str, kind: Any) -> str:
    """A start tag with xsi:type."""
    return f'<{tag} xsi:type="{VmomiSupport.GetWsdlName(kind)}">'


def escape_text(value: str) -> str:
    return value if _HARMLESS.fullmatch(value) else escape(_UNPRINTABLE.sub("", value))


@lru_cache(maxsize=4096)
def format_datetime(value: dt.datetime) -> str:
    return str(ISO8601Format(value))


def _plain(declared: Any) -> tuple[str, Callable[[Any], str]] | None:
    if issubclass(declared, list) or issubclass(declared, DataObject) or declared is object:
        return None
    if issubclass(declared, Enum):
        return VmomiSupport.GetWsdlName(declared), str
    if declared is bool:
        return "xsd:boolean", lambda value: "true" if value else "false"
    if issubclass(declared, dt.datetime):
        return "xsd:dateTime", format_datetime
    if declared is str:
        return "xsd:string", escape_text
    return f"xsd:{VmomiSupport.GetWsdlName(declared)}", str


def _complex(tag: str, value: Any, version: str, declared: Any, serialized_as: Any) -> str:
    if isinstance(value, list) and not value:
        return _empty(tag, version, declared, serialized_as)
    return serialize(tag, typed(value, declared), version, serialized_as)


@lru_cache(maxsize=256)
def _empty(tag: str, version: str, declared: Any, serialized_as: Any) -> str:
    """An empty list; cached because empty lists are common."""
    return serialize(tag, declared(), version, serialized_as)


# Paths -----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def leaf_type(kind: Any, path: str) -> Any:
    """The declared type of a property. Raises InvalidPath.

    It is ``object`` for a path into a list item, whose type is only known at run time.
    """
    declared = kind
    for depth, name in enumerate(path.split(".")):
        key, bracket, _ = name.partition("[")
        declared = _type_of(declared, key, path)
        if not depth and "." in path:
            declared = _NARROWER.get((kind, key), declared)
        if bracket:
            if not issubclass(declared, list):
                raise InvalidPath(path)
            return object
    return declared


def _type_of(declared: Any, name: str, path: str) -> Any:
    try:
        if issubclass(declared, ManagedObject):
            return VmomiSupport.GetPropertyInfo(declared, name).type
        return declared._GetPropertyInfo(name).type
    except (AttributeError, KeyError, TypeError):
        raise InvalidPath(path) from None


def value_at(value: Any, declared: Any, path: str) -> Any:
    """The value at a path within a value, in its declared type; None if any part is unset."""
    for name in path.split(".") if path else ():
        if value is None:
            return None
        key, bracket, _ = name.partition("[")
        if key:
            if not hasattr(value, key):
                return None
            value, declared = getattr(value, key), _type_of(type(value), key, path)
        if bracket:
            value = _item_by_key(value, name[len(key) :])
            declared = object
    return typed(value, declared)


def typed(value: Any, declared: Any) -> Any:
    """The value in its declared type, such as long or an enumeration, which Python lacks.

    Types are values, too: pyvmomi takes an array of them for one of strings at times.
    """
    if value is None or isinstance(value, (declared, type)):
        return value
    if issubclass(declared, list):
        return declared([typed(item, declared.Item) for item in value])
    return declared(value)


def _item_by_key(values: Any, bracketed: str) -> Any:
    match = _KEY.fullmatch(bracketed)
    key = (match[1] or match[2]) if match else None
    return next((item for item in values or () if str(getattr(item, "key", "")) == key), None)


# Data objects ----------------------------------------------------------------------------


def data_object(kind: Any, **values: Any) -> Any:
    """Create a data object, with defaults for required properties that are not given."""
    new_object = kind()
    for info in new_object._GetPropertyList():
        value = values.pop(info.name, None)
        if value is None and not info.flags & _OPTIONAL:
            value = required_default(info, getattr(new_object, info.name))
        if value is not None:
            setattr(new_object, info.name, value)
    if values:
        raise TypeError(f"{kind.__name__} has no {', '.join(values)}")
    return new_object


def required_default(info: Any, default: Any) -> Any:
    """A default for a required property."""
    declared = info.type
    if issubclass(declared, list):
        return declared([_default_item(declared.Item)])
    return default if default is not None else _default_item(declared)


@lru_cache(maxsize=256)
def required_values(kind: Any) -> Mapping[str, Any]:
    """Defaults of the properties that objects of a type always have.

    Arrays are left out, as an empty one is not sent, and references, which have no default.
    """
    return {
        info.name: required_default(info, None)
        for info in kind._GetPropertyList()
        if not info.flags & _OPTIONAL and not issubclass(info.type, (list, ManagedObject))
    }


def _default_item(declared: Any) -> Any:
    if issubclass(declared, Enum):
        return declared(declared.values[0])
    if issubclass(declared, dt.datetime):
        return _EPOCH
    if declared is object:
        return ""
    if issubclass(declared, type):
        return ManagedObject
    if issubclass(declared, ManagedObject):
        return declared("none")
    if issubclass(declared, vmodl.MethodFault):
        return declared()
    if issubclass(declared, DataObject):
        return data_object(declared)
    return declared()
