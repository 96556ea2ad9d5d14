"""The filters of a property collector: what each looks at, and what it has told of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from pyVmomi import vmodl

from chaosvm.lab.vcenter.interfaces import Service, Session
from chaosvm.lab.vcenter.managed import Call, Managed, Refused, method, prop
from chaosvm.lab.vcenter.selecting import Selection, wanted_paths
from chaosvm.lab.vcenter.values import encoded, reference
from chaosvm.lab.world import NoSuchThing

__all__ = ["PropertyFilter"]


class PropertyFilter(Managed):
    """What a collector looks at, and what it has told of it."""

    kind = vmodl.query.PropertyCollector.Filter

    def __init__(
        self,
        drop: Callable[[PropertyFilter], None],
        service: Service,
        session: Session,
        spec: Any,
    ) -> None:
        super().__init__(session.new_moid())
        self._drop = drop
        self._service = service
        self._session = session
        self._spec = spec
        self._wanted = wanted_paths(spec)
        self._selection = Selection(service, session, spec)
        missing = self._selection.missing
        if missing and not spec.reportMissingObjectsInResults:
            raise Refused(vmodl.fault.ManagedObjectNotFound(obj=missing[0]))
        self._shape = service.shape
        self._told: dict[str, dict[str, str]] = {}
        self._references: dict[str, Any] = {}
        self._told_missing = False
        self._dirty: set[str] = set()
        self._lock = threading.Lock()

    @prop
    def spec(self, session: Any = None) -> Any:
        return self._spec

    @prop
    def partialUpdates(self, session: Any = None) -> bool:
        return False

    @method("DestroyPropertyFilter")
    def destroy(self, call: Call) -> None:
        self._drop(self)

    @property
    def size(self) -> int:
        return len(self._selection.objects)

    @property
    def sees_progress(self) -> bool:
        return any(moid in self._selection.objects for moid in self._service.estate.tasks.running())

    def touch(self, moids: set[str]) -> bool:
        """Remember that these may have changed; does that concern this filter?"""
        concerned = moids & (self._selection.objects.keys() | self._selection.roots)
        with self._lock:
            self._dirty |= concerned
        return bool(concerned) or self._outdated

    def begin_anew(self) -> None:
        with self._lock:
            self._told.clear()
            self._told_missing = False

    @property
    def _outdated(self) -> bool:
        return self._shape != self._service.shape

    def changes(self, version: str, most: int | None) -> tuple[list[str], bool]:
        """What is new, as elements; and whether there is more than that."""
        with self._lock:
            dirty, self._dirty = self._dirty, set()
        gone = self._selected_again(dirty)
        objects = self._selection.objects
        todo = [moid for moid in objects if moid not in self._told]
        todo += [moid for moid in dirty if moid in objects and moid in self._told]
        updates = [left for moid in gone if (left := self._left(moid))]
        for position, moid in enumerate(todo):
            if most is not None and len(updates) >= most:
                with self._lock:
                    self._dirty |= set(todo[position:]) & self._told.keys()
                return updates, True
            update = self._update(objects[moid], version)
            if update:
                updates.append(update)
        return updates + self._missing(version), False

    def _selected_again(self, dirty: set[str]) -> list[str]:
        """What has left since; nothing is looked at unless it may have."""
        shape = self._service.shape
        walks_from_changed = self._selection.walks and dirty & self._selection.roots
        if shape != self._shape or walks_from_changed:
            self._shape = shape
            self._selection = Selection(self._service, self._session, self._spec)
        gone = [moid for moid in self._told if moid not in self._selection.objects]
        for moid in gone:
            del self._told[moid]
        return gone

    def _update(self, thing: Managed, version: str) -> str:
        paths = self._wanted.of(thing)
        if paths is None:
            self._told[thing.moid] = {}
            return ""
        before = self._told.get(thing.moid)
        try:
            now = {path: thing.encode(path, version, self._session) for path in paths}
        except NoSuchThing:
            return ""
        self._told[thing.moid] = now
        self._references[thing.moid] = thing.reference
        changes = "".join(
            _change(path, value)
            for path, value in now.items()
            if (value if before is None else value != before.get(path))
        )
        if before is not None and not changes:
            return ""
        kind = "enter" if before is None else "modify"
        return (
            f"<objectSet><kind>{kind}</kind>{reference('obj', thing.reference)}"
            f"{changes}</objectSet>"
        )

    def _left(self, moid: str) -> str:
        left = self._references.pop(moid, None)
        if left is None:  # no kind that was wanted
            return ""
        return f"<objectSet><kind>leave</kind>{reference('obj', left)}</objectSet>"

    def _missing(self, version: str) -> list[str]:
        if self._told_missing or not self._selection.missing:
            return []
        self._told_missing = True
        missing = (
            vmodl.query.PropertyCollector.MissingObject(
                obj=each, fault=vmodl.fault.ManagedObjectNotFound(obj=each)
            )
            for each in self._selection.missing
        )
        return [encoded("missingSet", each, version, type(each)) for each in missing]


def _change(path: str, value: str) -> str:
    op = "assign" if value else "remove"
    return f"<changeSet><name>{escape(path)}</name><op>{op}</op>{value}</changeSet>"
