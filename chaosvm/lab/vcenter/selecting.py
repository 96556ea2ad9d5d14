"""Which objects a filter means, which of their properties, and these as XML."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from pyVmomi import VmomiSupport, vim, vmodl

from chaosvm.lab.vcenter.interfaces import Estate, Service, Session
from chaosvm.lab.vcenter.machine import VirtualMachine
from chaosvm.lab.vcenter.managed import Managed, Refused
from chaosvm.lab.vcenter.values import InvalidPath, encoded, leaf_type
from chaosvm.lab.vcenter.wholes import Kept, Piece, filled, kept, page
from chaosvm.lab.world import Machine, NoSuchThing

__all__ = ["Pages", "Selection", "wanted_paths"]

# How much is kept; what was asked for first goes first.
_MOST_SHELVES = 8
_MOST_CHARACTERS = 100_000_000


class Selection:
    """The objects that the object specs of one filter lead to."""

    def __init__(self, service: Service, session: Session | None, spec: Any) -> None:
        self._service = service
        self._session = session
        self._spec = spec
        self.objects: dict[str, Managed] = {}
        self.missing: list[Any] = []
        self.roots: set[str] = set()
        self.walks = False
        self._seen: set[tuple[str, int]] = set()
        self._fitting: dict[tuple[Any, int], list[Any]] = {}
        self._named: dict[str, Any] = {}
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
            self.walks = True
            self._named = dict(_named(spec.selectSet))
            self._seen.clear()
            self._walk(start, spec.selectSet)

    def _walk(self, start: Managed, select_set: Sequence[Any]) -> None:
        todo = [(start, select_set)]
        while todo:
            at, steps = todo.pop()
            for step in self._steps(at.kind, steps):
                if (at.moid, id(step)) in self._seen:
                    continue
                self._seen.add((at.moid, id(step)))
                for child in self._service.linked(at, step.path, self._session):
                    if not step.skip:
                        self.objects[child.moid] = child
                    if step.selectSet:
                        todo.append((child, step.selectSet))

    def _steps(self, kind: Any, steps: Sequence[Any]) -> list[Any]:
        """The traversals that lead on from objects of a kind."""
        key = (kind, id(steps))
        if key not in self._fitting:
            known = (self._named.get(step.name, step) for step in steps)
            self._fitting[key] = [
                step for step in known if hasattr(step, "path") and issubclass(kind, step.type)
            ]
        return self._fitting[key]


def _named(steps: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for step in steps:
        if hasattr(step, "path"):
            if step.name:
                yield step.name, step
            yield from _named(step.selectSet or ())


def wanted_paths(spec: Any) -> _Wanted:
    """Raises Refused for properties that no object can have."""
    return _Wanted(spec.propSet or ())


class _Wanted:
    """The properties that a filter wants of each kind of object."""

    def __init__(self, specs: Sequence[Any]) -> None:
        self._specs = specs
        self._by_kind: dict[Any, tuple[str, ...] | None] = {}
        for spec in specs:
            for path in spec.pathSet or ():
                _check(spec.type, path)

    def of(self, thing: Managed) -> tuple[str, ...] | None:
        """None if objects of this kind are not wanted at all."""
        if thing.kind not in self._by_kind:
            self._by_kind[thing.kind] = self._found(thing)
        return self._by_kind[thing.kind]

    def _found(self, thing: Managed) -> tuple[str, ...] | None:
        fitting = [spec for spec in self._specs if issubclass(thing.kind, spec.type)]
        if not fitting:
            return None
        found: dict[str, None] = {}
        for spec in fitting:
            found |= dict.fromkeys(thing.paths() if spec.all else spec.pathSet or ())
        return tuple(found)


def _check(kind: Any, path: str) -> None:
    try:
        leaf_type(kind, path)
    except InvalidPath:
        raise Refused(
            vmodl.query.InvalidProperty(name=path), f"there is no property {path!r}"
        ) from None


class Pages:
    """Objects with their properties as XML; of VMs they are kept until these change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shelves: OrderedDict[tuple[Any, ...], _Shelf] = OrderedDict()
        self._shape = -1

    def written(
        self,
        service: Service,
        objects: Mapping[str, Managed],
        wanted: _Wanted,
        version: str,
        session: Session | None,
    ) -> list[str]:
        """Without the element around each of them."""
        estate = service.estate
        shape, machines = estate.world.shape, estate.machines()
        found: list[str] = []
        for thing in objects.values():
            paths = wanted.of(thing)
            if paths is None:
                continue
            if session is None and not thing.public:
                found.append(_refused(thing, paths))
            elif isinstance(thing, VirtualMachine):
                vm = machines.get(thing.moid)
                if vm is not None:
                    found.append(self._shelf(paths, version, shape).text(estate, vm))
            else:
                found.append(_object(thing, paths, version, session))
        return found

    def _shelf(self, paths: tuple[str, ...], version: str, shape: int) -> _Shelf:
        """Where VMs with these properties are kept."""
        with self._lock:
            if self._shape != shape:
                self._shelves.clear()
                self._shape = shape
            shelf = self._shelves.get((paths, version))
            if shelf is None:
                self._make_room()
                shelf = self._shelves[paths, version] = _Shelf(page(paths, version))
            return shelf

    def _make_room(self) -> None:
        while self._shelves and (
            len(self._shelves) >= _MOST_SHELVES
            or sum(shelf.size for shelf in self._shelves.values()) > _MOST_CHARACTERS
        ):
            self._shelves.popitem(last=False)


class _Shelf:
    """Machines with some properties, as they were written last."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._kept: dict[str, tuple[Machine, Kept]] = {}
        self.size = 0

    def text(self, estate: Estate, vm: Machine) -> str:
        found = self._kept.get(vm.moid)
        if found is None or found[0] is not vm:
            found = self._kept[vm.moid] = vm, self._anew(estate, vm, found)
        return filled(found[1], estate, vm)

    def _anew(self, estate: Estate, vm: Machine, before: tuple[Machine, Kept] | None) -> Kept:
        made = kept(self._pieces, estate, vm)
        self.size += _length(made) - (_length(before[1]) if before else 0)
        return made


def _length(text: Kept) -> int:
    return sum(len(part) for part in text if isinstance(part, str))


def _object(thing: Managed, paths: Sequence[str], version: str, session: Session | None) -> str:
    told = [_named_object("obj", thing)]
    for path in paths:
        try:
            value = thing.encode(path, version, session)
        except NoSuchThing:
            continue
        if value:
            told.append(f"<propSet><name>{escape(path)}</name>{value}</propSet>")
    return "".join(told)


def _refused(thing: Managed, paths: Sequence[str]) -> str:
    """What somebody who is not logged in gets: no error, but nothing either."""
    fault = vim.fault.NotAuthenticated(
        object=thing.reference, privilegeId="System.View", msg="The session is not authenticated."
    )
    version = VmomiSupport.versionMap["vim25/6.5"]
    missing = (
        vmodl.query.PropertyCollector.MissingProperty(path=path, fault=fault) for path in paths
    )
    return _named_object("obj", thing) + "".join(
        encoded("missingSet", each, version, type(each)) for each in missing
    )


def _named_object(tag: str, thing: Managed) -> str:
    kind = VmomiSupport.GetWsdlName(thing.kind)
    return f'<{tag} type="{kind}">{escape(thing.moid)}</{tag}>'
