"""The property collector: reading at once, in pages, and being told what changed."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any

from pyVmomi import vmodl

from chaosvm.lab.vcenter.filters import PropertyFilter
from chaosvm.lab.vcenter.interfaces import Service, Session
from chaosvm.lab.vcenter.managed import Call, Managed, Raw, Refused, method, prop
from chaosvm.lab.vcenter.selecting import Pages, Selection, wanted_paths
from chaosvm.lab.vcenter.values import reference

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
        pages: Pages = self._service.pages
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
        made = PropertyFilter(self.drop, self._service, self._session, call.get("spec"))
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


def _wrapped(tag: str, objects: Iterable[str]) -> Raw:
    return Raw(f"<{tag}>" + f"</{tag}><{tag}>".join(objects) + f"</{tag}>") if objects else Raw()
