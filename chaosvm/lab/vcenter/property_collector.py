"""PropertyCollector: retrieval, paging and updates."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any

from pyVmomi import vmodl

from chaosvm.lab.vcenter.interfaces import Service, Session
from chaosvm.lab.vcenter.managed_object import (
    Call,
    ManagedObject,
    RawXml,
    SoapFault,
    managed_property,
    method,
)
from chaosvm.lab.vcenter.object_selection import ResponseCache, Selection, property_paths
from chaosvm.lab.vcenter.property_filter import PropertyFilter
from chaosvm.lab.vcenter.serialization import reference

__all__ = ["PropertyCollector"]

# Larger results are built in a thread, so that the event loop stays responsive.
_THREAD_THRESHOLD = 200
_MAX_WAIT_SECONDS = 1800.0
# How often filters are checked for the progress of running tasks.
_PROGRESS_INTERVAL = 0.5
_query = vmodl.query.PropertyCollector


class PropertyCollector(ManagedObject):
    """A session's collector, or the anonymous one, which only returns public properties."""

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
        self._last_update = RawXml()
        self._waiting: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._cancelled = False
        self._closed = False

    @managed_property
    def filter(self, session: Any = None) -> Any:
        return _query.Filter.Array([each.reference for each in self._filters])

    # Retrieval -------------------------------------------------------------------------

    @method("RetrieveProperties")
    async def retrieve_all(self, call: Call) -> RawXml:
        return _wrap("returnval", await self._read(call))

    @method("RetrievePropertiesEx")
    async def retrieve(self, call: Call) -> RawXml:
        options = call.get("options")
        limit = options.maxObjects if options is not None else None
        return self._page(await self._read(call), limit)

    @method("ContinueRetrievePropertiesEx")
    def continue_retrieve(self, call: Call) -> RawXml:
        remaining = self._take_page(call.get("token"))
        return self._page(remaining, int(call.get("token").partition("-")[0]))

    @method("CancelRetrievePropertiesEx")
    def cancel_retrieve(self, call: Call) -> None:
        self._take_page(call.get("token"))

    async def _read(self, call: Call) -> list[str]:
        def read() -> list[str]:
            objects: list[str] = []
            for spec in call.get("specSet") or ():
                objects += self._retrieve(spec, call.version)
            return objects

        if len(self._service.inventory.world.vms) < _THREAD_THRESHOLD:
            return read()
        return await asyncio.to_thread(read)

    def _retrieve(self, spec: Any, version: str) -> list[str]:
        paths = property_paths(spec)
        selection = Selection(self._service, self._session, spec)
        if selection.missing and not spec.reportMissingObjectsInResults:
            raise SoapFault(vmodl.fault.ManagedObjectNotFound(obj=selection.missing[0]))
        cache: ResponseCache = self._service.cache
        return cache.render(self._service, selection.objects, paths, version, self._session)

    def _page(self, objects: list[str], limit: int | None) -> RawXml:
        token = ""
        if limit and len(objects) > limit:
            new_token = f"{limit}-{uuid.uuid4()}"
            with self._lock:
                self._pages[new_token] = objects[limit:]
            token, objects = f"<token>{new_token}</token>", objects[:limit]
        if not objects:
            return RawXml()
        return RawXml(f"<returnval>{token}{_wrap('objects', objects)}</returnval>")

    def _take_page(self, token: str) -> list[str]:
        with self._lock:
            page = self._pages.pop(token or "", None)
        if page is None:
            raise SoapFault(vmodl.fault.InvalidArgument(invalidProperty="token"))
        return page

    # Filters ---------------------------------------------------------------------------

    @method("CreatePropertyCollector")
    def create(self, call: Call) -> Any:
        assert self._session is not None
        collector = PropertyCollector(self._service, self._session, self._session.new_moid())
        self._session.add(collector)
        return collector.reference

    @method("DestroyPropertyCollector")
    def destroy(self, call: Call) -> None:
        if self._session is not None:
            self._session.remove(self.moid)
        self.close()

    @method("CreateFilter")
    def create_filter(self, call: Call) -> Any:
        assert self._session is not None
        new_filter = PropertyFilter(self.drop, self._service, self._session, call.get("spec"))
        with self._lock:
            self._filters.append(new_filter)
        self._session.add(new_filter)
        self._service.subscribe(self)
        self._wake()
        return new_filter.reference

    def drop(self, filter: PropertyFilter) -> None:
        with self._lock:
            if filter in self._filters:
                self._filters.remove(filter)
        if self._session is not None:
            self._session.remove(filter.moid)

    def close(self) -> None:
        self._closed = True
        self._service.unsubscribe(self)
        for filter in list(self._filters):
            self.drop(filter)
        self._wake()

    # Updates ---------------------------------------------------------------------------

    def mark_changed(self, moids: Iterable[str]) -> None:
        """Note that these objects may have changed. Thread-safe."""
        moids = set(moids)
        with self._lock:
            affected = [each.mark_changed(moids) for each in self._filters]
        if any(affected):
            self._wake()

    def _wake(self) -> None:
        waiting = self._waiting
        if waiting is None:
            return
        loop, event = waiting
        if not loop.is_closed():
            loop.call_soon_threadsafe(event.set)

    @method("WaitForUpdatesEx")
    async def wait_for_updates(self, call: Call) -> RawXml:
        options = call.get("options")
        seconds = options.maxWaitSeconds if options is not None else None
        limit = options.maxObjectUpdates if options is not None else None
        return await self._updates(call, _MAX_WAIT_SECONDS if seconds is None else seconds, limit)

    @method("WaitForUpdates")
    async def wait(self, call: Call) -> RawXml:
        return await self._updates(call, _MAX_WAIT_SECONDS, None)

    @method("CheckForUpdates")
    async def check_for_updates(self, call: Call) -> RawXml:
        return await self._updates(call, 0.0, None)

    @method("CancelWaitForUpdates")
    def cancel(self, call: Call) -> None:
        if self._waiting is not None:
            self._cancelled = True
            self._wake()

    async def _updates(self, call: Call, seconds: float, limit: int | None) -> RawXml:
        version = call.get("version") or ""
        if not version:
            self._forget_reported()
        elif version == str(self._version - 1) and self._last_update:
            return self._last_update  # the client repeats a request whose response was lost
        elif version != str(self._version):
            raise SoapFault(vmodl.query.InvalidCollectorVersion())
        deadline = time.monotonic() + seconds
        event = asyncio.Event()
        self._waiting = (asyncio.get_running_loop(), event)
        try:
            return await self._first_update(call, deadline, event, limit)
        finally:
            self._waiting = None
            self._cancelled = False

    async def _first_update(
        self, call: Call, deadline: float, event: asyncio.Event, limit: int | None
    ) -> RawXml:
        while True:
            event.clear()
            if self._cancelled or (self._closed and self._is_alive):
                raise SoapFault(vmodl.fault.RequestCanceled())
            if not self._is_alive:
                return RawXml()  # the session has ended
            update = await self._collect_changes(call.version, limit)
            remaining = deadline - time.monotonic()
            if update or remaining <= 0:
                return update
            if any(filter.has_running_tasks for filter in self._filters):
                remaining = min(remaining, _PROGRESS_INTERVAL)
            try:
                await asyncio.wait_for(event.wait(), remaining)
            except TimeoutError:
                self._mark_running_tasks()

    @property
    def _is_alive(self) -> bool:
        return self._session is None or self._session.alive

    def _mark_running_tasks(self) -> None:
        running = set(self._service.inventory.tasks.running())
        with self._lock:
            for filter in self._filters:
                filter.mark_changed(running)

    def _forget_reported(self) -> None:
        with self._lock:
            for filter in self._filters:
                filter.forget_reported()

    async def _collect_changes(self, version: str, limit: int | None) -> RawXml:
        if sum(filter.size for filter in self._filters) < _THREAD_THRESHOLD:
            return self._changes(version, limit)
        return await asyncio.to_thread(self._changes, version, limit)

    def _changes(self, version: str, limit: int | None) -> RawXml:
        """An UpdateSet, or nothing if nothing has changed."""
        filter_sets: list[str] = []
        remaining = limit or 0
        truncated = False
        for filter in list(self._filters):
            updates, more = filter.changes(version, remaining if limit else None)
            truncated = truncated or more
            if not updates:
                continue
            filter_sets.append(
                f"<filterSet>{reference('filter', filter.reference)}{''.join(updates)}</filterSet>"
            )
            remaining -= len(updates)
            if limit and remaining <= 0:
                truncated = True
                break
        if not filter_sets:
            return RawXml()
        self._version += 1
        truncated_xml = "<truncated>true</truncated>" if truncated else ""
        self._last_update = RawXml(
            f"<returnval><version>{self._version}</version>{''.join(filter_sets)}{truncated_xml}</returnval>"
        )
        return self._last_update


def _wrap(tag: str, objects: Iterable[str]) -> RawXml:
    return (
        RawXml(f"<{tag}>" + f"</{tag}><{tag}>".join(objects) + f"</{tag}>") if objects else RawXml()
    )
