"""Every property that the lab answers has the type that pyVmomi's type information declares."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import pytest
from pyVmomi import VmomiSupport, vmodl
from pyVmomi.VmomiSupport import DataObject, Enum, ManagedMethod, ManagedObject

from chaosvm.lab import Lab, World
from tests.lab.vcenter.conftest import Soap

_API = "8.0.3.0"
_NEWEST = VmomiSupport.versionMap[f"vim25/{_API}"]
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_STRINGS = (type, type(Exception), ManagedMethod, VmomiSupport.PropertyPath)


@pytest.fixture
def world(world: World) -> World:
    cluster = world.add_cluster("prod", world.add_datacenter("dc"))
    world.add_host("esx-1.lab.example", cluster)
    alone = world.add_cluster("esx-2", world.datacenters[0], standalone=True)
    world.add_host("esx-2", alone)
    world.add_vm(
        "web",
        cluster=cluster,
        ip_addresses=("10.1.2.3", "fe80::1"),
        attributes={"owner": "me"},
        managed_by="com.vmware.vim.eam",
        folder=("some",),
        question="Retry?",
    )
    return world


@pytest.fixture
def reader(lab: Lab, soap: Soap) -> Reader:
    soap.login()
    return Reader(soap)


class Reader:
    """Reads whole objects, and follows their references."""

    def __init__(self, soap: Soap) -> None:
        self._soap = soap

    def objects(self) -> dict[tuple[str, str], dict[str, ET.Element]]:
        """The properties of every object that the service instance leads to."""
        found: dict[tuple[str, str], dict[str, ET.Element]] = {}
        pending = [("ServiceInstance", "ServiceInstance")]
        while pending:
            reference = pending.pop()
            if reference not in found:
                found[reference] = self.read(*reference)
                for value in found[reference].values():
                    pending += [
                        (each.attrib["type"], each.text or "")
                        for each in value.iter()
                        if "type" in each.attrib
                    ]
        return found

    def read(self, kind: str, moid: str, *paths: str) -> dict[str, ET.Element]:
        wanted = "".join(f"<pathSet>{path}</pathSet>" for path in paths) or "<all>true</all>"
        inner = (
            f'<specSet><propSet><type>{kind}</type>{wanted}</propSet><objectSet><obj type="{kind}">'
            f"{moid}</obj></objectSet></specSet><options/>"
        )
        answer = self._soap(
            "RetrievePropertiesEx",
            "PropertyCollector",
            "propertyCollector",
            inner,
            SOAPAction=f"urn:vim25/{_API}",
        )
        assert answer.status_code == 200, f"{kind} {moid} {paths}: {answer.text}"
        return {
            each[0].text or "": each[1]
            for each in ET.fromstring(answer.content).iter("{urn:vim25}propSet")
        }


def test_every_property_has_its_declared_type(reader: Reader) -> None:
    objects = reader.objects()
    assert len({kind for kind, _ in objects}) > 20
    wrong: list[str] = []
    for (kind, moid), properties in objects.items():
        declared = VmomiSupport.GetWsdlType("urn:vim25", kind)
        paths = [path for name in properties for path in _paths(declared, name, properties[name])]
        for path, value in reader.read(kind, moid, *paths).items():
            wrong += _mistakes(value, leaf_type(declared, path), f"{kind}.{path}")
    assert sorted(set(wrong)) == []


def test_a_property_that_always_has_a_value_has_one(reader: Reader) -> None:
    lacking = {
        f"{kind}.{each.name}"
        for (kind, _), properties in reader.objects().items()
        for each in _properties(VmomiSupport.GetWsdlType("urn:vim25", kind))
        if _is_required(each) and each.name not in properties
    }
    assert sorted(lacking) == []


def _properties(kind: Any) -> Iterator[Any]:
    for each in kind._GetPropertyList():
        if VmomiSupport.IsChildVersion(_NEWEST, each.version):
            yield each


def _is_required(info: Any) -> bool:
    """An empty array is not on the wire."""
    return not info.flags & VmomiSupport.F_OPTIONAL and not issubclass(info.type, list)


def leaf_type(declared: Any, path: str) -> Any:
    for name in path.split("."):
        lookup = VmomiSupport.GetPropertyInfo if issubclass(declared, ManagedObject) else None
        declared = (lookup(declared, name) if lookup else declared._GetPropertyInfo(name)).type
    return declared


def _paths(kind: Any, path: str, value: ET.Element) -> Iterator[str]:
    """The path, and those of what is within it, as far as the declared types lead."""
    yield path
    declared = leaf_type(kind, path)
    if issubclass(declared, DataObject):
        known = {each.name for each in _properties(declared)}
        for name in dict.fromkeys(_name(child) for child in value):
            if name in known:
                yield from _paths(kind, f"{path}.{name}", value.find(f"{{*}}{name}"))  # type: ignore[arg-type]


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _mistakes(value: ET.Element, declared: Any, where: str) -> Iterator[str]:
    """What is wrong with a value that names its type, and with what is in it."""
    expected, actual = _wire_name(declared), value.get(_TYPE, "none")
    if issubclass(declared, list):
        if actual != expected:
            yield f"{where}: {actual}, not {expected}"
        for item in value:
            yield from _member_mistakes(item, declared.Item, where)
    elif issubclass(declared, DataObject) or declared is object:
        yield from _member_mistakes(value, declared, where)
    elif actual != expected:
        yield f"{where}: {actual}, not {expected}"


def _member_mistakes(value: ET.Element, declared: Any, where: str) -> Iterator[str]:
    """The same for a value whose enclosing element declares its type."""
    named = value.get(_TYPE)
    if declared is object and named is None:
        yield f"{where}: no type"
    if not issubclass(declared, DataObject):
        return
    kind = VmomiSupport.GetWsdlType("urn:vim25", named) if named else declared
    if not issubclass(kind, (declared, vmodl.MethodFault)):
        yield f"{where}: {named} is no {_wire_name(declared)}"
    children = {_name(child) for child in value}
    for each in _properties(kind):
        inner = f"{where}.{each.name}"
        if _is_required(each) and each.name not in children:
            yield f"{inner}: unset"
        for child in value.findall(f"{{*}}{each.name}"):
            item = each.type.Item if issubclass(each.type, list) else each.type
            yield from _member_mistakes(child, item, inner)


def _wire_name(declared: Any) -> str:
    if issubclass(declared, list) and issubclass(declared.Item, ManagedObject):
        return "ArrayOfManagedObjectReference"
    if issubclass(declared, list) and issubclass(declared.Item, _STRINGS):
        return "ArrayOfString"
    if issubclass(declared, ManagedObject):
        return "ManagedObjectReference"
    if issubclass(declared, _STRINGS):
        return "xsd:string"
    name = str(VmomiSupport.GetWsdlName(declared))
    in_schema = not issubclass(declared, (list, DataObject, Enum))
    return f"xsd:{name}" if in_schema else name
