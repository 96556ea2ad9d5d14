"""The files of datastores over HTTP: /folder/PATH?dcPath=DATACENTER&dsName=DATASTORE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from chaosvm.lab.fault_injection import page
from chaosvm.lab.http_server import Route
from chaosvm.lab.vcenter.datastore_files import DatastoreFile, DatastoreFiles

__all__ = ["DatastoreHttp"]

_TICKET = "vmware_cgi_ticket"


class DatastoreHttp:
    """``is_allowed`` returns whether a request has a session."""

    def __init__(self, inventory: Any, is_allowed: Callable[[web.Request], bool]) -> None:
        self._inventory = inventory
        self._is_allowed = is_allowed

    def routes(self) -> list[Route]:
        path = "/folder/{path:.*}"
        return [
            Route("GET", path, self._read, "/folder"),
            Route("HEAD", path, self._read, "/folder"),
            Route("PUT", path, self._write, "/folder"),
            Route("POST", path, self._write, "/folder"),
        ]

    async def _read(self, request: web.Request) -> web.Response:
        files = self._files(request)
        file = files.get(request.match_info["path"]) if files is not None else None
        if not self._may(request):
            return page(401)
        if file is None:
            return page(404)
        part = file.content[request.http_range]
        partial = len(part) < len(file.content)
        return web.Response(body=part, status=206 if partial else 200)

    async def _write(self, request: web.Request) -> web.Response:
        files = self._files(request)
        if not self._may(request):
            return page(401)
        if files is None:
            return page(404)
        files.put(request.match_info["path"], DatastoreFile(await request.read()))
        return web.Response(status=201)

    def _may(self, request: web.Request) -> bool:
        return _TICKET in request.cookies or self._is_allowed(request)

    def _files(self, request: web.Request) -> DatastoreFiles | None:
        datacenter = request.query.get("dcPath", "").rpartition("/")[2]
        for each in self._inventory.tree.datacenters.values():
            if each.store.plain_name == request.query.get("dsName") and datacenter in (
                "",
                each.plain_name,
            ):
                found: DatastoreFiles = self._inventory.own_objects.files_of(each.store.moid)
                return found
        return None
