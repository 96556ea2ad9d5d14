"""The objects and properties that a filter spec selects, and their XML."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.simulation import Machine, NotFound
from chaosvm.lab.vcenter.interfaces import Inventory, Service, Session
from chaosvm.lab.vcenter.managed_object import ManagedObject, SoapFault
from chaosvm.lab.vcenter.property_xml import Piece, Rendered, fill, object_pieces, render_pieces
from chaosvm.lab.vcenter.serialization import InvalidPath, leaf_type, serialize
from chaosvm.lab.vcenter.virtual_machine import VirtualMachine

__all__ = ["ResponseCache", "Selection", "property_paths"]

# Limits of the cache; the oldest entries are evicted first.
_MAX_CACHES = 8
_MAX_CHARACTERS = 100_000_000


class Selection:
    """The objects that the object specs of a filter select."""

    def __init__(self, service: Service, session: Session | None, spec: Any) -> None:
        self._service = service
        self._session = session
        self._spec = spec
        self.objects: dict[str, ManagedObject] = {}
        self.missing: list[Any] = []
        self.roots: set[str] = set()
        self.has_traversals = False
        self._seen: set[tuple[str, int]] = set()
        self._matching: dict[tuple[Any, int], list[Any]] = {}
        self._specs_by_name: dict[str, Any] = {}
        for each in spec.objectSet or ():
            self._add(each)

    def _add(self, spec: Any) -> None:
        start = self._service.find(spec.obj._moId, self._session)
        if start is None or not issubclass(start.kind, type(spec.obj)):
            self.missing.append(spec.obj)
            return
        self.roots.add(start.moid)
        if not spec.skip:
            self.objects[start.moid] = start
        if spec.selectSet:
            self.has_traversals = True
            self._specs_by_name = dict(_named_specs(spec.selectSet))
            self._seen.clear()
            self._traverse(start, spec.selectSet)

    def _traverse(self, start: ManagedObject, select_set: Sequence[Any]) -> None:
        pending = [(start, select_set)]
        while pending:
            source, specs = pending.pop()
            for spec in self._matching_specs(source.kind, specs):
                if (source.moid, id(spec)) in self._seen:
                    continue
                self._seen.add((source.moid, id(spec)))
                for child in self._service.follow(source, spec.path, self._session):
                    if not spec.skip:
                        self.objects[child.moid] = child
                    if spec.selectSet:
                        pending.append((child, spec.selectSet))

    def _matching_specs(self, kind: Any, specs: Sequence[Any]) -> list[Any]:
        """The traversal specs that apply to objects of a type."""
        key = (kind, id(specs))
        if key not in self._matching:
            candidates = (self._specs_by_name.get(spec.name, spec) for spec in specs)
            self._matching[key] = [
                spec for spec in candidates if hasattr(spec, "path") and issubclass(kind, spec.type)
            ]
        return self._matching[key]


def _named_specs(specs: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for spec in specs:
        if hasattr(spec, "path"):
            if spec.name:
                yield spec.name, spec
            yield from _named_specs(spec.selectSet or ())


def property_paths(spec: Any) -> _PropertyPaths:
    """The property paths of a filter spec. Raises SoapFault for an unknown property."""
    return _PropertyPaths(spec.propSet or ())


class _PropertyPaths:
    """The properties that a filter selects, by type of object."""

    def __init__(self, specs: Sequence[Any]) -> None:
        self._specs = specs
        self._by_kind: dict[Any, tuple[str, ...] | None] = {}
        for spec in specs:
            for path in spec.pathSet or ():
                _check_path(spec.type, path)

    def for_object(self, target: ManagedObject) -> tuple[str, ...] | None:
        """The paths for an object, None if its type is not selected."""
        if target.kind not in self._by_kind:
            self._by_kind[target.kind] = self._selected_paths(target)
        return self._by_kind[target.kind]

    def _selected_paths(self, target: ManagedObject) -> tuple[str, ...] | None:
        matching = [spec for spec in self._specs if issubclass(target.kind, spec.type)]
        if not matching:
            return None
        paths: dict[str, None] = {}
        for spec in matching:
            paths |= dict.fromkeys(target.paths() if spec.all else spec.pathSet or ())
        return tuple(paths)


def _check_path(kind: Any, path: str) -> None:
    try:
        leaf_type(kind, path)
    except InvalidPath:
        raise SoapFault(
            vmodl.query.InvalidProperty(name=path), f"there is no property {path!r}"
        ) from None


class ResponseCache:
    """Renders objects with their properties as XML, and caches the XML of unchanged VMs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._caches: OrderedDict[tuple[Any, ...], _VMCache] = OrderedDict()
        self._generation = -1

    def render(
        self,
        service: Service,
        objects: Mapping[str, ManagedObject],
        paths_by_type: _PropertyPaths,
        version: str,
        session: Session | None,
    ) -> list[str]:
        """The contents of the objects, without the enclosing elements."""
        inventory = service.inventory
        generation, machines = inventory.world.generation, inventory.machines()
        rendered: list[str] = []
        for target in objects.values():
            paths = paths_by_type.for_object(target)
            if paths is None:
                continue
            if session is None and not target.public:
                rendered.append(_unauthenticated_xml(target, paths))
            elif isinstance(target, VirtualMachine):
                vm = machines.get(target.moid)
                if vm is not None:
                    rendered.append(self._cache_for(paths, version, generation).text(inventory, vm))
            else:
                rendered.append(_object_xml(target, paths, version, session))
        return rendered

    def _cache_for(self, paths: tuple[str, ...], version: str, generation: int) -> _VMCache:
        """The cache of VMs with these properties."""
        with self._lock:
            if self._generation != generation:
                self._caches.clear()
                self._generation = generation
            vm_cache = self._caches.get((paths, version))
            if vm_cache is None:
                self._evict()
                vm_cache = self._caches[paths, version] = _VMCache(object_pieces(paths, version))
            return vm_cache

    def _evict(self) -> None:
        while self._caches and (
            len(self._caches) >= _MAX_CACHES
            or sum(vm_cache.size for vm_cache in self._caches.values()) > _MAX_CHARACTERS
        ):
            self._caches.popitem(last=False)


class _VMCache:
    """The XML of VMs with one set of properties."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._entries: dict[str, tuple[Machine, Rendered]] = {}
        self.size = 0

    def text(self, inventory: Inventory, vm: Machine) -> str:
        entry = self._entries.get(vm.moid)
        if entry is None or entry[0] is not vm:
            entry = self._entries[vm.moid] = vm, self._render(inventory, vm, entry)
        return fill(entry[1], inventory, vm)

    def _render(
        self, inventory: Inventory, vm: Machine, previous: tuple[Machine, Rendered] | None
    ) -> Rendered:
        rendered = render_pieces(self._pieces, inventory, vm)
        self.size += _length(rendered) - (_length(previous[1]) if previous else 0)
        return rendered


def _length(rendered: Rendered) -> int:
    return sum(len(part) for part in rendered if isinstance(part, str))


def _object_xml(
    target: ManagedObject, paths: Sequence[str], version: str, session: Session | None
) -> str:
    parts = [_reference_xml("obj", target)]
    for path in paths:
        try:
            value = target.encode(path, version, session)
        except NotFound:
            continue
        if value:
            parts.append(f"<propSet><name>{escape(path)}</name>{value}</propSet>")
    return "".join(parts)


def _unauthenticated_xml(target: ManagedObject, paths: Sequence[str]) -> str:
    """The answer without a login: each property is in missingSet."""
    fault = vim.fault.NotAuthenticated(
        object=target.reference, privilegeId="System.View", msg="The session is not authenticated."
    )
    version = VmomiSupport.versionMap["vim25/6.5"]
    missing = (
        vmodl.query.PropertyCollector.MissingProperty(path=path, fault=fault) for path in paths
    )
    return _reference_xml("obj", target) + "".join(
        serialize("missingSet", each, version, type(each)) for each in missing
    )


def _reference_xml(tag: str, target: ManagedObject) -> str:
    kind = VmomiSupport.GetWsdlName(target.kind)
    return f'<{tag} type="{kind}">{escape(target.moid)}</{tag}>'
