"""PropertyFilter: the objects of a filter, and what it has reported of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from pyVmomi import vmodl

from chaosvm.lab.simulation import NotFound
from chaosvm.lab.vcenter.interfaces import Service, Session
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.object_selection import Selection, property_paths
from chaosvm.lab.vcenter.serialization import reference, serialize

__all__ = ["PropertyFilter"]


class PropertyFilter(ManagedObject):
    """Compares the selected objects with what was reported last."""

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
        self._paths = property_paths(spec)
        self._selection = Selection(service, session, spec)
        missing = self._selection.missing
        if missing and not spec.reportMissingObjectsInResults:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=missing[0]))
        self._generation = service.generation
        self._reported: dict[str, dict[str, str]] = {}
        self._references: dict[str, Any] = {}
        self._missing_reported = False
        self._changed: set[str] = set()
        self._lock = threading.Lock()

    @managed_property
    def spec(self, session: Any = None) -> Any:
        return self._spec

    @managed_property
    def partialUpdates(self, session: Any = None) -> bool:
        return False

    @method("DestroyPropertyFilter")
    def destroy(self, call: Call) -> None:
        self._drop(self)

    @property
    def size(self) -> int:
        return len(self._selection.objects)

    @property
    def has_running_tasks(self) -> bool:
        return any(
            moid in self._selection.objects for moid in self._service.inventory.tasks.running()
        )

    def mark_changed(self, moids: set[str]) -> bool:
        """Note that these may have changed. True if that affects this filter."""
        affected = moids & (self._selection.objects.keys() | self._selection.roots)
        with self._lock:
            self._changed |= affected
        return bool(affected) or self._is_outdated

    def forget_reported(self) -> None:
        with self._lock:
            self._reported.clear()
            self._missing_reported = False

    @property
    def _is_outdated(self) -> bool:
        return self._generation != self._service.generation

    def changes(self, version: str, limit: int | None) -> tuple[list[str], bool]:
        """Updates as XML elements, and whether there are more than the limit."""
        with self._lock:
            changed, self._changed = self._changed, set()
        removed = self._refresh_selection(changed)
        objects = self._selection.objects
        pending = [moid for moid in objects if moid not in self._reported]
        pending += [moid for moid in changed if moid in objects and moid in self._reported]
        updates = [leave_update for moid in removed if (leave_update := self._leave_update(moid))]
        for position, moid in enumerate(pending):
            if limit is not None and len(updates) >= limit:
                with self._lock:
                    self._changed |= set(pending[position:]) & self._reported.keys()
                return updates, True
            update = self._update(objects[moid], version)
            if update:
                updates.append(update)
        return updates + self._missing_updates(version), False

    def _refresh_selection(self, changed: set[str]) -> list[str]:
        """Select again if the selection may have changed; return the moids that left it."""
        generation = self._service.generation
        roots_changed = self._selection.has_traversals and changed & self._selection.roots
        if generation != self._generation or roots_changed:
            self._generation = generation
            self._selection = Selection(self._service, self._session, self._spec)
        removed = [moid for moid in self._reported if moid not in self._selection.objects]
        for moid in removed:
            del self._reported[moid]
        return removed

    def _update(self, target: ManagedObject, version: str) -> str:
        paths = self._paths.for_object(target)
        if paths is None:
            self._reported[target.moid] = {}
            return ""
        reported = self._reported.get(target.moid)
        try:
            current = {path: target.encode(path, version, self._session) for path in paths}
        except NotFound:
            return ""
        self._reported[target.moid] = current
        self._references[target.moid] = target.reference
        changes = "".join(
            _property_change(path, value)
            for path, value in current.items()
            if (value if reported is None else value != reported.get(path))
        )
        if reported is not None and not changes:
            return ""
        kind = "enter" if reported is None else "modify"
        return (
            f"<objectSet><kind>{kind}</kind>{reference('obj', target.reference)}"
            f"{changes}</objectSet>"
        )

    def _leave_update(self, moid: str) -> str:
        gone = self._references.pop(moid, None)
        if gone is None:  # not of a selected type
            return ""
        return f"<objectSet><kind>leave</kind>{reference('obj', gone)}</objectSet>"

    def _missing_updates(self, version: str) -> list[str]:
        if self._missing_reported or not self._selection.missing:
            return []
        self._missing_reported = True
        missing = (
            vmodl.query.PropertyCollector.MissingObject(
                obj=each, fault=vmodl.fault.ManagedObjectNotFound(obj=each)
            )
            for each in self._selection.missing
        )
        return [serialize("missingSet", each, version, type(each)) for each in missing]


def _property_change(path: str, value: str) -> str:
    op = "assign" if value else "remove"
    return f"<changeSet><name>{escape(path)}</name><op>{op}</op>{value}</changeSet>"
