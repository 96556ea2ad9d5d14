"""The property collector: reading at once, in pages, and being told what changed."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from pyVmomi import vmodl

from chaosvm.lab.vcenter.managed import Call, Managed, Raw, Refused, method, prop
from chaosvm.lab.vcenter.selecting import Selection, wanted_paths
from chaosvm.lab.vcenter.values import encoded, reference
from chaosvm.lab.world import NoSuchThing

if TYPE_CHECKING:
    from chaosvm.lab.vcenter.service import Service
    from chaosvm.lab.vcenter.sessions import Session

__all__ = ["PropertyCollector"]

# From so many objects on an answer is made in another thread, so that others are served.
_LONG = 200
_LONGEST_WAIT = 1800.0
# How often the progress of running tasks is looked at.
_LOOK_AT_PROGRESS = 0.5
_query = vmodl.query.PropertyCollector


class PropertyCollector(Managed):
    """One of a session. Without a session there is one too, which only tells what is public."""

    kind = _query
    DEFAULT = "propertyCollector"

    def __init__(self, service: Service, session: Session | None, moid: str = DEFAULT) -> None:
        super().__init__(moid)
        self._service = service
        self._session = session
        self._lock = threading.Lock()
        self._filters: list[PropertyFilter] = []
        self._pages: dict[str, list[str]] = {}
        self._version = 0
        self._last = Raw()
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._cancelled = False
        self._closed = False

    @prop
    def filter(self, session: Any = None) -> Any:
        return _query.Filter.Array([each.reference for each in self._filters])

    # Reading ---------------------------------------------------------------------------

    @method("RetrieveProperties")
    async def retrieve_all(self, call: Call) -> Raw:
        return _wrapped("returnval", await self._read(call))

    @method("RetrievePropertiesEx")
    async def retrieve(self, call: Call) -> Raw:
        options = call.get("options")
        most = options.maxObjects if options is not None else None
        return self._page(await self._read(call), most)

    @method("ContinueRetrievePropertiesEx")
    def go_on(self, call: Call) -> Raw:
        left = self._taken(call.get("token"))
        return self._page(left, int(call.get("token").partition("-")[0]))

    @method("CancelRetrievePropertiesEx")
    def stop(self, call: Call) -> None:
        self._taken(call.get("token"))

    async def _read(self, call: Call) -> list[str]:
        def read() -> list[str]:
            found: list[str] = []
            for spec in call.get("specSet") or ():
                found += self._written(spec, call.version)
            return found

        if len(self._service.estate.world.vms) < _LONG:
            return read()
        return await asyncio.to_thread(read)

    def _written(self, spec: Any, version: str) -> list[str]:
        wanted = wanted_paths(spec)
        selection = Selection(self._service, self._session, spec)
        if selection.missing and not spec.reportMissingObjectsInResults:
            raise Refused(vmodl.fault.ManagedObjectNotFound(obj=selection.missing[0]))
        pages = self._service.pages
        return pages.written(self._service, selection.objects, wanted, version, self._session)

    def _page(self, objects: list[str], most: int | None) -> Raw:
        """Nothing at all where nothing was found."""
        token = ""
        if most and len(objects) > most:
            made = f"{most}-{uuid.uuid4()}"
            with self._lock:
                self._pages[made] = objects[most:]
            token, objects = f"<token>{made}</token>", objects[:most]
        if not objects:
            return Raw()
        return Raw(f"<returnval>{token}{_wrapped('objects', objects)}</returnval>")

    def _taken(self, token: str) -> list[str]:
        with self._lock:
            left = self._pages.pop(token or "", None)
        if left is None:
            raise Refused(vmodl.fault.InvalidArgument(invalidProperty="token"))
        return left

    # Filters ---------------------------------------------------------------------------

    @method("CreatePropertyCollector")
    def create(self, call: Call) -> Any:
        assert self._session is not None
        made = PropertyCollector(self._service, self._session, self._session.new_moid())
        self._session.keep(made)
        return made.reference

    @method("DestroyPropertyCollector")
    def destroy(self, call: Call) -> None:
        if self._session is not None:
            self._session.drop(self.moid)
        self.close()

    @method("CreateFilter")
    def create_filter(self, call: Call) -> Any:
        assert self._session is not None
        made = PropertyFilter(self, self._service, self._session, call.get("spec"))
        with self._lock:
            self._filters.append(made)
        self._session.keep(made)
        self._service.attend(self)
        self._wake()
        return made.reference

    def drop(self, filter: PropertyFilter) -> None:
        with self._lock:
            if filter in self._filters:
                self._filters.remove(filter)
        if self._session is not None:
            self._session.drop(filter.moid)

    def close(self) -> None:
        self._closed = True
        self._service.forget(self)
        for filter in list(self._filters):
            self.drop(filter)
        self._wake()

    # Being told ------------------------------------------------------------------------

    def touch(self, moids: Iterable[str]) -> None:
        """These objects may have changed. From any thread."""
        moids = set(moids)
        with self._lock:
            concerned = [each.touch(moids) for each in self._filters]
        if any(concerned):
            self._wake()

    def _wake(self) -> None:
        waiting = self._waiting
        if waiting is None:
            return
        loop, event = waiting
        if not loop.is_closed():
            loop.call_soon_threadsafe(event.set)

    @method("WaitForUpdatesEx")
    async def wait_for_updates(self, call: Call) -> Raw:
        options = call.get("options")
        seconds = options.maxWaitSeconds if options is not None else None
        most = options.maxObjectUpdates if options is not None else None
        return await self._updates(call, _LONGEST_WAIT if seconds is None else seconds, most)

    @method("WaitForUpdates")
    async def wait(self, call: Call) -> Raw:
        return await self._updates(call, _LONGEST_WAIT, None)

    @method("CheckForUpdates")
    async def check_for_updates(self, call: Call) -> Raw:
        return await self._updates(call, 0.0, None)

    @method("CancelWaitForUpdates")
    def cancel(self, call: Call) -> None:
        if self._waiting is not None:
            self._cancelled = True
            self._wake()

    async def _updates(self, call: Call, seconds: float, most: int | None) -> Raw:
        version = call.get("version") or ""
        if not version:
            self._begin_anew()
        elif version == str(self._version - 1) and self._last:
            return self._last  # it was lost on its way
        elif version != str(self._version):
            raise Refused(vmodl.query.InvalidCollectorVersion())
        until = time.monotonic() + seconds
        event = asyncio.Event()
        self._waiting = (asyncio.get_running_loop(), event)
        try:
            return await self._first_update(call, until, event, most)
        finally:
            self._waiting = None
            self._cancelled = False

    async def _first_update(
        self, call: Call, until: float, event: asyncio.Event, most: int | None
    ) -> Raw:
        while True:
            event.clear()
            if self._cancelled or (self._closed and self._alive):
                raise Refused(vmodl.fault.RequestCanceled())
            if not self._alive:
                return Raw()  # the session ended meanwhile
            told = await self._look(call.version, most)
            left = until - time.monotonic()
            if told or left <= 0:
                return told
            if any(filter.sees_progress for filter in self._filters):
                left = min(left, _LOOK_AT_PROGRESS)
            try:
                await asyncio.wait_for(event.wait(), left)
            except TimeoutError:
                self._touch_running_tasks()

    @property
    def _alive(self) -> bool:
        return self._session is None or self._session.alive

    def _touch_running_tasks(self) -> None:
        running = set(self._service.estate.tasks.running())
        with self._lock:
            for filter in self._filters:
                filter.touch(running)

    def _begin_anew(self) -> None:
        with self._lock:
            for filter in self._filters:
                filter.begin_anew()

    async def _look(self, version: str, most: int | None) -> Raw:
        if sum(filter.size for filter in self._filters) < _LONG:
            return self._changes(version, most)
        return await asyncio.to_thread(self._changes, version, most)

    def _changes(self, version: str, most: int | None) -> Raw:
        """An UpdateSet, or nothing where there is nothing new."""
        told: list[str] = []
        left = most or 0
        truncated = False
        for filter in list(self._filters):
            updates, more = filter.changes(version, left if most else None)
            truncated = truncated or more
            if not updates:
                continue
            told.append(
                f"<filterSet>{reference('filter', filter.reference)}{''.join(updates)}</filterSet>"
            )
            left -= len(updates)
            if most and left <= 0:
                truncated = True
                break
        if not told:
            return Raw()
        self._version += 1
        more_told = "<truncated>true</truncated>" if truncated else ""
        self._last = Raw(
            f"<returnval><version>{self._version}</version>{''.join(told)}{more_told}</returnval>"
        )
        return self._last


class PropertyFilter(Managed):
    """What a collector looks at, and what it has told of it."""

    kind = _query.Filter

    def __init__(
        self, collector: PropertyCollector, service: Service, session: Session, spec: Any
    ) -> None:
        super().__init__(session.new_moid())
        self._collector = collector
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
        self._collector.drop(self)

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
            _query.MissingObject(obj=each, fault=vmodl.fault.ManagedObjectNotFound(obj=each))
            for each in self._selection.missing
        )
        return [encoded("missingSet", each, version, type(each)) for each in missing]


def _change(path: str, value: str) -> str:
    op = "assign" if value else "remove"
    return f"<changeSet><name>{escape(path)}</name><op>{op}</op>{value}</changeSet>"


def _wrapped(tag: str, objects: Iterable[str]) -> Raw:
    return Raw(f"<{tag}>" + f"</{tag}><{tag}>".join(objects) + f"</{tag}>") if objects else Raw()
